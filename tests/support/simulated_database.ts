/** A table in memory with its transactions, as snapshots see them and as the stream sends them. */

import type { StreamEvent } from "../../shapes/change.ts";
import type { SnapshotRequest, Visibility } from "../../shapes/ports.ts";
import { begin, Changes, commit } from "./ingest_world.ts";
import type { Random } from "./random.ts";
import type { ScriptedSource, Texts } from "./scripted_source.ts";
import { table } from "./shape_fixture.ts";

/** `id`, `n` and `v`. */
export type SimRow = readonly [string, string | null, string | null];

interface Change {
  readonly old: SimRow | undefined;
  readonly row: SimRow | undefined;
}

export interface SimTransaction {
  readonly lsn: bigint;
  readonly xid: number;
  readonly changes: readonly Change[];
  /** Its commit is on disk and in the stream, but snapshots don't see it yet. */
  isVisible: boolean;
  /** The stream brings its changes. */
  readonly isStreamed: boolean;
}

const TABLE = table();
/** Enough for a transaction to be written out before its end. */
const LARGE = 4_500;
const IDS = 24;

export class SimulatedDatabase {
  readonly transactions: SimTransaction[] = [];
  readonly #changes = new Changes(TABLE);
  readonly #random: Random;
  #xid = 700;
  end = 1000n;
  /** Whether the stream brings what is written from now on. */
  isPublished = true;

  constructor(random: Random) {
    this.#random = random;
  }

  /** Commits a random transaction. Rows of transactions that are not visible are locked. */
  write(): void {
    const random = this.#random;
    const rows = this.#rows(() => true), locked = this.#locked();
    const changes: Change[] = [];
    const count = random.chance(0.02) ? LARGE : 1 + random.below(4);
    for (let i = 0; i < count; i++) {
      const id = `${random.below(IDS)}`;
      if (locked.has(id)) continue;
      const old = rows.get(id)?.row;
      const row = this.#next(id, old);
      if (row && row[0] !== id && (rows.has(row[0]) || locked.has(row[0]))) continue;
      changes.push({ old, row });
      rows.delete(id);
      if (row) rows.set(row[0], { row, xid: 0 });
    }
    const lsn = this.end;
    this.end += 8n * BigInt(1 + random.below(4));
    const isVisible = random.chance(0.8);
    this.transactions.push({
      lsn,
      xid: this.#xid++,
      changes,
      isVisible,
      isStreamed: this.isPublished,
    });
  }

  show(): void {
    for (const transaction of this.transactions) transaction.isVisible = true;
  }

  /** Answers a snapshot with what is visible right now. */
  answer(source: ScriptedSource, { where }: Pick<SnapshotRequest, "where">): void {
    const rows = [...this.#rows(({ isVisible }) => isVisible).values()]
      .filter(({ row }) => where === undefined || isSelected(row))
      .map(({ row: [id, n, v], xid }): Texts => ({ id, n, v, xmin: `${xid}` }));
    source.rows.set(TABLE.oid, rows);
    source.visibility = this.#visibility();
    source.walPosition = this.end;
  }

  /** What a query with or without `n > 20` gives. */
  select(isFiltered: boolean): SimRow[] {
    return [...this.#rows(() => true).values()].map(({ row }) => row)
      .filter((row) => !isFiltered || isSelected(row));
  }

  /** A transaction as the stream sends it. */
  events({ lsn, xid, changes, isStreamed }: SimTransaction): StreamEvent[] {
    if (!isStreamed) return [begin(Number(lsn), xid), commit(Number(lsn) + 8)];
    const events = changes.map(({ old, row }) => {
      if (!old) return this.#changes.insert(...row ?? []);
      return row ? this.#changes.update(old, row) : this.#changes.delete(...old);
    });
    return [begin(Number(lsn), xid), this.#changes.announced, ...events, commit(Number(lsn) + 8)];
  }

  #next(id: string, old: SimRow | undefined): SimRow | undefined {
    const random = this.#random;
    if (old && random.chance(0.25)) return undefined;
    const value = () => random.chance(0.15) ? null : `${random.below(40)}`;
    if (!old) return [id, value(), value()];
    if (random.chance(0.15)) return [`${random.below(IDS)}`, value(), old[2]];
    return random.chance(0.5) ? [id, old[1], value()] : [id, value(), old[2]];
  }

  #locked(): Set<string> {
    const hidden = this.transactions.filter(({ isVisible }) => !isVisible);
    const rows = hidden.flatMap(({ changes }) => changes.flatMap(({ old, row }) => [old, row]));
    return new Set(rows.flatMap((row) => row ? [row[0]] : []));
  }

  #rows(isSeen: (transaction: SimTransaction) => boolean) {
    const rows = new Map<string, { readonly row: SimRow; readonly xid: number }>();
    for (const transaction of this.transactions) {
      if (!isSeen(transaction)) continue;
      for (const { old, row } of transaction.changes) {
        if (old) rows.delete(old[0]);
        if (row) rows.set(row[0], { row, xid: transaction.xid });
      }
    }
    return rows;
  }

  #visibility(): Visibility {
    const hidden = this.transactions.filter(({ isVisible }) => !isVisible);
    const inProgress = hidden.map(({ xid }) => BigInt(xid));
    const xmax = BigInt(this.#xid);
    return { xmin: inProgress[0] ?? xmax, xmax, inProgress, walPosition: this.end };
  }
}

function isSelected([, n]: SimRow): boolean {
  return n !== null && Number(n) > 20;
}
