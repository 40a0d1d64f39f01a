/**
 * Turns the operations of one transaction into entries of the shapes' logs. Operations are gathered
 * by shape first and written shape by shape, so that each entry is one piece of memory and the
 * last operation of each shape is known (it carries `last`).
 */

import { type TransactionHeader, transactionHeader } from "./log/item_encoder.ts";
import type { JsonWriter } from "./log/json_writer.ts";
import { compareOffsets } from "./offset.ts";
import type { Operation } from "./operation.ts";
import type { Shape } from "./shape.ts";
import { isInSnapshot } from "./visibility.ts";

/** Entries are cut at about this size: what one value of the store holds. */
const ENTRY_BYTES = 56 * 1024;

/** A transaction's operations are written out when so many are gathered, or so many bytes. */
const GATHERED_OPERATIONS_MAX = 4_096;
const GATHERED_BYTES_MAX = 1024 * 1024;

/** What a transaction has gathered for one shape. */
export class Gathered {
  readonly transaction: TransactionLog;
  readonly shape: Shape;
  /** Those not written yet; undefined: the shape's snapshot has seen the transaction already. */
  operations: Operation[] | undefined;

  constructor(transaction: TransactionLog, shape: Shape, operations: Operation[] | undefined) {
    this.transaction = transaction;
    this.shape = shape;
    this.operations = operations;
  }
}

export class TransactionLog {
  readonly commitLsn: bigint;
  readonly xid: number;
  /**
   * Whether it lies beyond every snapshot and every log. Then no shape is asked how far it is, which
   * costs more than all else when shapes are many.
   */
  isFresh: boolean;
  readonly #writer: JsonWriter;
  /** Of the shapes that the transaction concerns, each of which knows its own. */
  readonly #all: Gathered[] = [];
  /** Undefined until something is written. */
  #header: TransactionHeader | undefined;
  #gathered = 0;
  #gatheredBytes = 0;

  constructor(commitLsn: bigint, xid: number, writer: JsonWriter, isFresh = false) {
    this.commitLsn = commitLsn;
    this.xid = xid;
    this.#writer = writer;
    this.isFresh = isFresh;
  }

  /** Whether so much has been gathered that it should be written out. */
  get isFull(): boolean {
    return this.#gathered >= GATHERED_OPERATIONS_MAX || this.#gatheredBytes >= GATHERED_BYTES_MAX;
  }

  add(shape: Shape, operation: Operation): void {
    const { operations } = this.#gatheredOf(shape);
    if (!operations) return;
    if (shape.joint) operations.push(...shape.joint.fit(operation));
    else operations.push(operation);
    this.#gathered++;
    this.#gatheredBytes += (operation.row?.bytes.length ?? 0) + (operation.old?.bytes.length ?? 0);
  }

  /** True if the shape's snapshot, or its log, has the transaction already, or need not have it. */
  isSeenBy(shape: Shape): boolean {
    return this.#gatheredOf(shape).operations === undefined;
  }

  forget(shape: Shape): void {
    this.#gatheredOf(shape).operations = undefined;
  }

  /** The shape has another visibility, and is being reconciled, from now on. */
  revise(shape: Shape): void {
    if (shape.visibility && isInSnapshot(shape.visibility, this)) return this.forget(shape);
    const gathered = this.#gatheredOf(shape), { joint } = shape;
    if (!gathered.operations || !joint) return;
    gathered.operations = gathered.operations.flatMap((operation) => joint.fit(operation));
  }

  /**
   * It ends unfinished and will come again. What was fitted to a log that is being reconciled was not
   * written, and must not be fitted once more.
   */
  breakOff(): void {
    for (const { shape, operations } of this.#all) {
      shape.gathered = undefined;
      if (!operations || !shape.joint) continue;
      shape.join(undefined);
      shape.lose();
    }
  }

  /** Writes what has been gathered, but for each shape's last operation: it may be its last of all. */
  writeSome(): void {
    for (const { shape, operations } of this.#all) {
      if (!operations || operations.length < 2 || !shape.isTaking) continue;
      this.#write(shape, operations, operations.length - 1, false);
      operations.splice(0, operations.length - 1);
    }
    this.#gathered = this.#gatheredBytes = 0;
  }

  /** Writes the rest and shows it; returns the shapes that have something new. */
  commit(): Shape[] {
    const changed: Shape[] = [];
    for (const { shape, operations } of this.#all) {
      shape.gathered = undefined;
      if (!operations || operations.length === 0 || !shape.isTaking) {
        shape.noteLeftOut();
        continue;
      }
      this.#write(shape, operations, operations.length, true);
      changed.push(shape);
    }
    for (const shape of changed) shape.publish();
    return changed;
  }

  #gatheredOf(shape: Shape): Gathered {
    const known = shape.gathered;
    if (known?.transaction === this) return known;
    const isLeftOut = !shape.isTaking || this.#isInSnapshotOf(shape);
    const gathered = new Gathered(this, shape, isLeftOut ? undefined : []);
    shape.gathered = gathered;
    this.#all.push(gathered);
    return gathered;
  }

  #isInSnapshotOf({ visibility }: Shape): boolean {
    if (this.isFresh) return false;
    return visibility !== undefined && isInSnapshot(visibility, this);
  }

  #write(shape: Shape, operations: readonly Operation[], count: number, isEnd: boolean): void {
    const writer = this.#writer;
    let first = -1, last = -1;
    for (let i = 0; i < count; i++) {
      const { op } = operations[i];
      if (first < 0 && this.#isWritten(shape, op)) continue;
      const before = writer.length;
      const items = this.#item(shape, operations[i], isEnd && i === count - 1);
      if (first < 0) first = op;
      last = op + items - 1;
      const isChunkEnd = shape.countItem(writer.length - before - items);
      if (!isChunkEnd && writer.length < ENTRY_BYTES) continue;
      this.#cut(shape, first, last, isChunkEnd);
      first = -1;
    }
    if (first >= 0) this.#cut(shape, first, last, false);
  }

  /** Sent again after a lost connection: the log may have it already. */
  #isWritten(shape: Shape, op: number): boolean {
    return !this.isFresh && compareOffsets({ lsn: this.commitLsn, op }, shape.appended) <= 0;
  }

  #cut(shape: Shape, firstOp: number, lastOp: number, isChunkEnd: boolean): void {
    const lsn = this.commitLsn, first = { lsn, op: firstOp };
    const last = lastOp === firstOp ? first : { lsn, op: lastOp };
    shape.append({ first, last, bytes: this.#writer.take() }, isChunkEnd);
  }

  /** Writes one operation; how many items it became. */
  #item(shape: Shape, { kind, encoder, old, row, op }: Operation, isLast: boolean): number {
    const writer = this.#writer;
    const header = this.#header ??= transactionHeader(this.commitLsn, this.xid);
    if (kind === "insert" && row) encoder.insert(writer, row, header, op, isLast);
    else if (kind === "delete" && old) encoder.delete(writer, old, header, op, isLast);
    else if (row && old && !encoder.hasSameKey(old, row)) {
      encoder.keyChange(writer, old, row, header, op, isLast);
      return 2;
    } else if (row) {
      // While a log is being read for a reconcile, what is added should not depend on what it has.
      const isWhole = shape.isFrozen && shape.definition.replica !== "full";
      encoder.update(writer, isWhole ? undefined : old, row, header, op, isLast);
    }
    return 1;
  }
}
