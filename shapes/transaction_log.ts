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

export class TransactionLog {
  readonly commitLsn: bigint;
  readonly xid: number;
  readonly #header: TransactionHeader;
  readonly #writer: JsonWriter;
  /**
   * Shapes that the transaction concerns; undefined: their snapshot has seen it already, or they lack
   * changes, and reconciling will bring what it did.
   */
  readonly #operations = new Map<Shape, Operation[] | undefined>();
  #gathered = 0;
  #gatheredBytes = 0;

  constructor(commitLsn: bigint, xid: number, writer: JsonWriter) {
    this.commitLsn = commitLsn;
    this.xid = xid;
    this.#header = transactionHeader(commitLsn, xid);
    this.#writer = writer;
  }

  /** Whether so much has been gathered that it should be written out. */
  get isFull(): boolean {
    return this.#gathered >= GATHERED_OPERATIONS_MAX || this.#gatheredBytes >= GATHERED_BYTES_MAX;
  }

  add(shape: Shape, operation: Operation): void {
    const operations = this.#operationsOf(shape);
    if (!operations) return;
    if (shape.joint) operations.push(...shape.joint.fit(operation));
    else operations.push(operation);
    this.#gathered++;
    this.#gatheredBytes += (operation.row?.bytes.length ?? 0) + (operation.old?.bytes.length ?? 0);
  }

  /** True if the shape's snapshot, or its log, has the transaction already, or need not have it. */
  isSeenBy(shape: Shape): boolean {
    return this.#operationsOf(shape) === undefined;
  }

  forget(shape: Shape): void {
    this.#operations.set(shape, undefined);
  }

  /** The shape has another visibility, and is being reconciled, from now on. */
  revise(shape: Shape): void {
    if (shape.visibility && isInSnapshot(shape.visibility, this)) return this.forget(shape);
    const operations = this.#operations.get(shape), { joint } = shape;
    if (!operations || !joint) return;
    this.#operations.set(shape, operations.flatMap((operation) => joint.fit(operation)));
  }

  /** It ends unfinished: it will come again. */
  breakOff(): void {
    for (const [shape, operations] of this.#operations) if (operations) shape.joint?.breakOff();
  }

  /** Writes what has been gathered, but for each shape's last operation: it may be its last of all. */
  writeSome(): void {
    for (const [shape, operations] of this.#operations) {
      if (!operations || operations.length < 2 || !shape.isTaking) continue;
      this.#write(shape, operations, operations.length - 1, false);
      operations.splice(0, operations.length - 1);
    }
    this.#gathered = this.#gatheredBytes = 0;
  }

  /** Writes the rest and shows it; returns the shapes that have something new. */
  commit(): Shape[] {
    const changed: Shape[] = [];
    for (const [shape, operations] of this.#operations) {
      if (!operations || operations.length === 0 || !shape.isTaking) continue;
      this.#write(shape, operations, operations.length, true);
      changed.push(shape);
    }
    for (const shape of changed) shape.publish();
    return changed;
  }

  #operationsOf(shape: Shape): Operation[] | undefined {
    const known = this.#operations.get(shape);
    if (known || this.#operations.has(shape)) return known;
    const isSeen = shape.visibility !== undefined && isInSnapshot(shape.visibility, this);
    const operations = isSeen || !shape.isTaking ? undefined : [];
    this.#operations.set(shape, operations);
    return operations;
  }

  #write(shape: Shape, operations: readonly Operation[], count: number, isEnd: boolean): void {
    const writer = this.#writer, lsn = this.commitLsn;
    let first = -1, last = -1;
    const cut = (isChunkEnd: boolean) => {
      shape.append(
        { first: { lsn, op: first }, last: { lsn, op: last }, bytes: writer.take() },
        isChunkEnd,
      );
      first = -1;
    };
    for (let i = 0; i < count; i++) {
      const { op } = operations[i];
      // Sent again after a lost connection: the log may have it already.
      if (compareOffsets({ lsn, op }, shape.appended) <= 0 && first < 0) continue;
      const before = writer.length;
      const items = this.#item(shape, operations[i], isEnd && i === count - 1);
      if (first < 0) first = op;
      last = op + items - 1;
      const isChunkEnd = shape.countItem(writer.length - before - items);
      if (isChunkEnd || writer.length >= ENTRY_BYTES) cut(isChunkEnd);
    }
    if (first >= 0) cut(false);
  }

  /** Writes one operation; how many items it became. */
  #item(shape: Shape, { kind, encoder, old, row, op }: Operation, isLast: boolean): number {
    const writer = this.#writer, header = this.#header;
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
