/**
 * Appends the differences that a reconcile finds to the shape's log, in batches, each between two
 * transactions of the stream. Nothing of them is shown before the shape is thawed.
 */

import { type ItemEncoder, reconciledHeader, type TransactionHeader } from "../log/item_encoder.ts";
import { JsonWriter } from "../log/json_writer.ts";
import { reconciledLsn } from "../history.ts";
import type { Offset } from "../offset.ts";
import type { Row } from "../row.ts";
import type { Shape } from "../shape.ts";
import type { RowTable } from "./row_table.ts";

export interface Difference {
  readonly kind: "insert" | "update" | "delete";
  /** The row as the log has it; for updates only where readers are told of it. */
  readonly old: Row | undefined;
  /** The row as the database has it. */
  readonly row: Row | undefined;
  /** Transactions that may have made the difference, as far as is known. */
  readonly xids: readonly number[];
  /** Hash of the key. */
  readonly keyLo: number;
  readonly keyHi: number;
}

export interface DifferenceLogOptions {
  readonly shape: Shape;
  readonly encoder: ItemEncoder;
  /** Position of the last transaction taken in. */
  readonly committedLsn: () => bigint;
  /** Runs it between two transactions. */
  readonly atBoundary: (run: () => void) => void;
  /** Resolves when the store can take more. */
  readonly ready: () => Promise<void>;
  /** What the log materialises to. */
  readonly table: RowTable;
}

const BATCH_BYTES = 256 * 1024;
const BATCH_DIFFERENCES = 1_000;
/** What one value of the store holds. */
const ENTRY_BYTES = 56 * 1024;

const sharedWriter = new JsonWriter();

/** Bytes of the row's texts, about: others may share their memory. */
export function sizeOf(row: Row | undefined): number {
  let size = 0;
  if (row) { for (const length of row.lengths) size += Math.max(0, length); }
  return size;
}

export class DifferenceLog {
  readonly #options: DifferenceLogOptions;
  readonly #writer = sharedWriter;
  #batch: Difference[] = [];
  #batchBytes = 0;
  #header: { lsn: bigint; xids: string; bytes: TransactionHeader } | undefined;
  /** Offset of the first item appended. */
  first: Offset | undefined;
  inserts = 0;
  updates = 0;
  deletes = 0;

  constructor(options: DifferenceLogOptions) {
    this.#options = options;
  }

  /** Items appended, or about to be. */
  get count(): number {
    return this.inserts + this.updates + this.deletes;
  }

  /** Whether `flush` should be called before more is added. */
  get isFull(): boolean {
    return this.#batchBytes >= BATCH_BYTES || this.#batch.length >= BATCH_DIFFERENCES;
  }

  add(difference: Difference): void {
    const { old, row } = difference;
    this.#batch.push(difference);
    this.#batchBytes += sizeOf(old) + sizeOf(row);
  }

  /**
   * Appends what has been gathered, but for the last difference, which may be the last of all (it
   * carries `last`), unless no more come.
   */
  async flush(isEnd: boolean): Promise<void> {
    if (this.#batch.length <= (isEnd ? 0 : 1)) return;
    await new Promise<void>((resolve) =>
      this.#options.atBoundary(() => {
        this.#append(isEnd);
        resolve();
      })
    );
    await this.#options.ready();
  }

  #append(isEnd: boolean): void {
    const { shape, committedLsn } = this.#options;
    const kept = isEnd ? [] : this.#batch.splice(-1);
    const batch = this.#batch.filter((difference) => this.#isWanted(difference));
    this.#batch = [];
    this.#batchBytes = 0;
    for (const difference of kept) this.add(difference);
    if (batch.length === 0 || shape.isGone) return;
    const lsn = reconciledLsn(committedLsn(), shape.appended.lsn);
    let op = shape.appended.lsn === lsn ? shape.appended.op + 1 : 0;
    let first = op;
    this.first ??= { lsn, op };
    const writer = this.#writer;
    for (let i = 0; i < batch.length; i++, op++) {
      const before = writer.length;
      this.#item(batch[i], lsn, op, isEnd && i === batch.length - 1);
      const isChunkEnd = shape.countItem(writer.length - before - 1);
      if (!isChunkEnd && writer.length < ENTRY_BYTES && i < batch.length - 1) continue;
      const entry = { first: { lsn, op: first }, last: { lsn, op }, bytes: writer.take() };
      shape.append(entry, isChunkEnd);
      first = op + 1;
    }
    shape.publish();
  }

  /** Unless the log has newer things to tell of the key by now. */
  #isWanted({ keyLo, keyHi }: Difference): boolean {
    const { table } = this.#options;
    const at = table.find(keyLo, keyHi);
    if (table.isLater(at)) return false;
    table.clearPending(at);
    return true;
  }

  #item({ kind, old, row, xids }: Difference, lsn: bigint, op: number, isLast: boolean): void {
    const { encoder } = this.#options;
    const writer = this.#writer, header = this.#headerFor(lsn, xids);
    if (kind === "insert" && row) {
      this.inserts++;
      encoder.insert(writer, row, header, op, isLast);
    } else if (kind === "update" && row) {
      this.updates++;
      encoder.update(writer, old, row, header, op, isLast);
    } else if (old) {
      this.deletes++;
      encoder.delete(writer, old, header, op, isLast);
    }
  }

  /** Rows of one transaction come together. */
  #headerFor(lsn: bigint, xids: readonly number[]): TransactionHeader {
    const text = `${xids}`;
    if (this.#header?.lsn !== lsn || this.#header.xids !== text) {
      this.#header = { lsn, xids: text, bytes: reconciledHeader(lsn, xids) };
    }
    return this.#header.bytes;
  }
}
