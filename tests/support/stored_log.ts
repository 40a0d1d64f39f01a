/** A shape's log in memory, for those who read all of it, and random ones. */

import type { ShapeDefinition } from "../../shapes/definition.ts";
import { compareOffsets, type Offset, SNAPSHOT_END } from "../../shapes/offset.ts";
import type { StoredLog } from "../../shapes/reconcile/fold.ts";
import type { Random } from "./random.ts";
import { ItemBytes, type Texts } from "./scanned_items.ts";

interface Entry {
  readonly last: Offset;
  readonly bytes: Uint8Array;
}

export class TestLog implements StoredLog {
  readonly chunks: Uint8Array[] = [];
  readonly entries: Entry[] = [];
  reads = 0;

  constructor(readonly definition: ShapeDefinition, readonly pieceBytes = Infinity) {}

  get chunkCount(): number {
    return this.chunks.length;
  }

  get end(): Offset {
    return this.entries.at(-1)?.last ?? SNAPSHOT_END;
  }

  async *readSnapshot(chunk: number): AsyncGenerator<Uint8Array> {
    if (chunk === 0) this.reads++;
    yield* this.#pieces(this.chunks[chunk]);
  }

  async *readLog(since: Offset, until: Offset): AsyncGenerator<{ readonly bytes: Uint8Array }> {
    for (const { last, bytes } of [...this.entries]) {
      if (compareOffsets(last, since) <= 0 || compareOffsets(last, until) > 0) continue;
      for await (const piece of this.#pieces(bytes)) yield { bytes: piece };
    }
  }

  async *#pieces(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
    for (let at = 0; at < bytes.length; at += this.pieceBytes) {
      await Promise.resolve();
      yield bytes.subarray(at, Math.min(bytes.length, at + this.pieceBytes));
    }
  }
}

/** Fills a log of `id, n, v` with what can happen to rows, and says what they are in the end. */
export class RandomHistory {
  readonly rows = new Map<string, Texts>();
  readonly #random: Random;
  #lsn = 1000n;
  /** The transactions so far, and the keys that each told of. */
  readonly transactions: { lsn: bigint; xid: number; ids: Set<string> }[] = [];

  constructor(readonly log: TestLog, random: Random, rows: number) {
    this.#random = random;
    const items = new ItemBytes(log.definition);
    for (let id = 0; id < rows; id++) {
      const row = this.#row(`${id}`);
      this.rows.set(`${id}`, row);
      items.snapshotRow(row);
      if (random.chance(0.1)) log.chunks.push(items.take());
    }
    log.chunks.push(items.control({ control: "snapshot-end", xmin: "1", xmax: "2" }).take());
  }

  /** One transaction more, in one entry. */
  transaction(operations: number): void {
    const lsn = this.#lsn += 8n * BigInt(1 + this.#random.below(5));
    const xid = 700 + this.transactions.length, ids = new Set<string>();
    const items = new ItemBytes(this.log.definition, lsn, xid);
    for (let i = 0; i < operations; i++) this.#operation(items, ids);
    this.transactions.push({ lsn, xid, ids });
    this.log.entries.push({ last: { lsn, op: operations * 2 }, bytes: items.take() });
  }

  #operation(items: ItemBytes, ids: Set<string>): void {
    const random = this.#random;
    const id = `${random.below(60)}`, old = this.rows.get(id);
    ids.add(id);
    if (!old) {
      const row = this.#row(id);
      this.rows.set(id, row);
      return void items.insert(row);
    }
    const kind = random.below(10);
    if (kind < 2) {
      this.rows.delete(id);
      return void items.delete(old);
    }
    const other = `${100 + random.below(1_000_000)}`;
    if (kind === 2 && !this.rows.has(other)) {
      const row = this.#row(other);
      this.rows.delete(id);
      this.rows.set(other, row);
      ids.add(other);
      return void items.keyChange(old, row);
    }
    const row = random.chance(0.6) ? [id, old[1], `${random.below(9)}`] : this.#row(id);
    this.rows.set(id, row);
    items.update(random.chance(0.2) ? undefined : old, row);
  }

  #row(id: string): Texts {
    const text = () => this.#random.chance(0.2) ? null : `${this.#random.below(50)} "\\ é`;
    return [id, text(), text()];
  }
}
