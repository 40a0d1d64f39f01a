/**
 * What a shape's log materialises to, as hashes (`row_table.ts`), in bounded memory whatever the
 * size of the log. Rows that were updated by items that name some columns only cost more: their
 * columns' hashes are kept one by one while the log is read. If these are too many, the log is read
 * several times, each time for a part of them.
 */

import type { ShapeDefinition } from "../definition.ts";
import { compareOffsets, type Offset, SNAPSHOT_END } from "../offset.ts";
import { RecentTransactions } from "../recent_transactions.ts";
import { type ItemScanner, ItemSplitter, parseDigits } from "./item_scanner.ts";
import { RowHasher } from "./row_hasher.ts";
import { RowTable } from "./row_table.ts";

/** Where the bytes of a shape's log are. */
export interface StoredLog {
  readonly definition: ShapeDefinition;
  readonly chunkCount: number;
  readSnapshot(chunk: number): AsyncIterable<Uint8Array>;
  readLog(since: Offset, until: Offset): AsyncIterable<{ readonly bytes: Uint8Array }>;
}

/** Whether a transaction of the log is part of what the log is to be compared with. */
export type IsSeen = (transaction: {
  readonly xid: number;
  readonly commitLsn: bigint;
}) => boolean;

export type ItemVisitor = (
  bytes: Uint8Array,
  start: number,
  end: number,
  number: number,
  at: number,
) => void;

/** Memory for rows whose columns are hashed one by one. */
const DETAIL_BYTES_MAX = 48 * 1024 * 1024;
const DETAIL_OVERHEAD_BYTES = 60;

export class Fold {
  readonly hasher: RowHasher;
  readonly table = new RowTable();
  /** Up to where the log has been read. */
  until: Offset = SNAPSHOT_END;
  /** Items read so far: each has a number. */
  #items = 0;
  readonly #log: StoredLog;
  readonly #detailBytesMax: number;
  /** The transactions of the stream that it read last. */
  readonly #recent = new RecentTransactions();
  readonly #lsn = new LastLsn();
  #part = 0;
  #parts = 1;

  constructor(log: StoredLog, options: { seed: number; detailBytesMax?: number }) {
    this.#log = log;
    this.hasher = new RowHasher(log.definition, options.seed);
    this.#detailBytesMax = options.detailBytesMax ?? DETAIL_BYTES_MAX;
  }

  /** Reads all of it. Rejects with what reading throws. */
  async read(until: Offset): Promise<void> {
    const partials = await this.#markPartials(until);
    const rowBytes = this.hasher.columnCount * 8 + DETAIL_OVERHEAD_BYTES;
    this.#parts = Math.max(1, Math.ceil(partials * rowBytes / this.#detailBytesMax));
    for (this.#part = 0; this.#part < this.#parts; this.#part++) {
      this.#items = 0;
      for (let chunk = 0; chunk < this.#log.chunkCount; chunk++) {
        await this.#each(this.#log.readSnapshot(chunk), this.#visit);
      }
      await this.#each(this.#readLog(SNAPSHOT_END, until), this.#visit);
      this.#settleDetails();
    }
    this.until = until;
  }

  /**
   * Reads what came after. Answers false if that can't be told without reading all of it again:
   * then the fold is of no more use.
   */
  async extend(until: Offset): Promise<boolean> {
    if (compareOffsets(until, this.until) <= 0) return true;
    this.#part = 0;
    this.#parts = 1;
    let isKnown = true;
    await this.#each(this.#readLog(this.until, until), (bytes) => {
      if (!this.#isPartialUpdate()) return this.#visit(bytes);
      isKnown = false;
    });
    this.until = until;
    return isKnown;
  }

  /** Leaves the keys that transactions tell of which are not seen out of the comparison. */
  async markLater(isSeen: IsSeen): Promise<void> {
    const { hasher, table } = this;
    table.forgetLater();
    const earliest = this.#recent.earliest((transaction) => !isSeen(transaction));
    if (earliest === undefined) return;
    const since = earliest < 0n ? SNAPSHOT_END : { lsn: earliest - 1n, op: Infinity };
    this.#lsn.forget();
    let isLater = false;
    await this.#each(this.#readLog(since, this.until), (bytes) => {
      if (hasher.scanner.kind === "control") return;
      const next = this.#lsn.next(bytes, hasher.scanner);
      if (next) isLater = !isSeen(next);
      else if (next === undefined) isLater = false;
      if (!isLater) return;
      hasher.key(bytes);
      table.markLater(table.enter(hasher.keyLo, hasher.keyHi));
    });
  }

  /** The transaction of the stream that the log has last, as far as is known. */
  get lastTransaction(): { readonly xid: number; readonly commitLsn: bigint } | undefined {
    return this.#recent.last;
  }

  /**
   * Reads all of it once more and calls `visit` with each item's bytes, number and entry in the table,
   * in order. Between two pieces waits for what `pause` returns.
   */
  async eachItem(visit: ItemVisitor, pause: () => Promise<void> | undefined): Promise<void> {
    let number = 0;
    const look = (bytes: Uint8Array, start: number, end: number) => {
      number++;
      if (this.hasher.scanner.kind === "control") return;
      this.hasher.key(bytes);
      const at = this.table.find(this.hasher.keyLo, this.hasher.keyHi);
      if (at >= 0) visit(bytes, start, end, number, at);
    };
    for (let chunk = 0; chunk < this.#log.chunkCount; chunk++) {
      await this.#each(this.#log.readSnapshot(chunk), look, pause);
    }
    await this.#each(this.#readLog(SNAPSHOT_END, this.until), look, pause);
  }

  /** Finds the rows that need their columns hashed one by one; answers how many. */
  async #markPartials(until: Offset): Promise<number> {
    if (this.#log.definition.replica === "full") return 0;
    const { hasher, table } = this;
    let count = 0;
    await this.#each(this.#readLog(SNAPSHOT_END, until), (bytes) => {
      if (!this.#isPartialUpdate()) return;
      hasher.key(bytes);
      const at = table.enter(hasher.keyLo, hasher.keyHi);
      if (table.isPartial(at)) return;
      table.markPartial(at);
      count++;
    });
    return count;
  }

  #isPartialUpdate(): boolean {
    const { scanner } = this.hasher;
    return scanner.kind === "update" && !scanner.isWhole;
  }

  readonly #visit = (bytes: Uint8Array): void => {
    this.#items++;
    const { hasher, table } = this;
    const { scanner } = hasher;
    if (scanner.kind === "control") return;
    hasher.key(bytes);
    const at = table.enter(hasher.keyLo, hasher.keyHi);
    const isPartial = table.isPartial(at);
    if (this.#part === 0) {
      const next = this.#lsn.next(bytes, scanner);
      if (next) this.#recent.add(next);
    }
    if ((isPartial ? (hasher.keyHi >>> 0) % this.#parts : 0) !== this.#part) return;
    table.setItem(at, this.#items);
    if (scanner.kind === "delete") return table.remove(at);
    if (isPartial) {
      if (!table.isPresent(at)) table.setRow(at, 0, 0);
      const detail = table.detail(at, hasher.columnCount);
      hasher.columns(bytes, table.detailLanes, detail);
    } else {
      hasher.row(bytes);
      table.setRow(at, hasher.rowLo, hasher.rowHi);
    }
  };

  #settleDetails(): void {
    this.table.eachDetail((at, detail) => {
      if (!this.table.isPresent(at)) return;
      this.hasher.rowOf(this.table.detailLanes, detail);
      this.table.setRow(at, this.hasher.rowLo, this.hasher.rowHi);
    });
    this.table.forgetDetails();
  }

  async *#readLog(since: Offset, until: Offset): AsyncGenerator<Uint8Array> {
    for await (const { bytes } of this.#log.readLog(since, until)) yield bytes;
  }

  async #each(
    pieces: AsyncIterable<Uint8Array>,
    visit: (bytes: Uint8Array, start: number, end: number) => void,
    pause?: () => Promise<void> | undefined,
  ): Promise<void> {
    const splitter = new ItemSplitter(this.hasher.scanner);
    for await (const piece of pieces) {
      splitter.push(piece, visit);
      const wait = pause?.();
      if (wait) await wait;
    }
    splitter.finish(visit);
  }
}

/** Tells where one transaction's items end and the next one's begin. */
class LastLsn {
  #digits = new Uint8Array(24);
  #length = 0;

  forget(): void {
    this.#length = 0;
  }

  /**
   * The transaction of the stream that the scanned item is the first of; null if it goes on with the
   * one before; undefined if it is of none.
   */
  next(
    bytes: Uint8Array,
    { lsnStart, lsnEnd, xid }: ItemScanner,
  ): { readonly xid: number; readonly commitLsn: bigint } | null | undefined {
    const length = lsnEnd - lsnStart;
    if (length === 0) return undefined;
    let isSame = length === this.#length;
    for (let i = 0; isSame && i < length; i++) isSame = this.#digits[i] === bytes[lsnStart + i];
    // Items of reconciles lie at odd positions: no later snapshot is behind them.
    const isOdd = (bytes[lsnEnd - 1] & 1) === 1;
    if (isOdd || xid === undefined) return undefined;
    if (isSame) return null;
    this.#digits.set(bytes.subarray(lsnStart, Math.min(lsnEnd, lsnStart + 24)));
    this.#length = length;
    return { xid, commitLsn: parseDigits(bytes, lsnStart, lsnEnd) };
  }
}
