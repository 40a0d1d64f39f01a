/**
 * The stream's events become log entries: in order, one transaction after the other, all shapes
 * together. Everything here is synchronous but for three waits: for the snapshot of a shape that is
 * just being made, for the catalog when an unknown partition shows up, and for the store when it
 * falls behind.
 */

import { Acknowledger } from "./acknowledger.ts";
import type { Change, Relation, StreamEvent } from "./change.ts";
import { JsonWriter } from "./log/json_writer.ts";
import { QUEUED_BYTES_HIGH, type ShapeStore } from "./log/store.ts";
import { RelationRoutes, type Target } from "./routing/relation_routes.ts";
import type { Row } from "./row.ts";
import type { Shape } from "./shape.ts";
import { TransactionLog } from "./transaction_log.ts";

export interface IngestOptions {
  readonly store: ShapeStore;
  /** The last transaction that the store holds. */
  readonly appliedLsn: bigint;
  /** Acknowledges the stream. */
  confirm(position: bigint): void;
  /** Tables that a partition belongs to. */
  ancestors(relationOid: number): Promise<readonly number[]>;
  /** The shape is no longer what its table says, or its log can't go on. */
  rotate(shape: Shape, reason: string): void;
  /** Changes of the relation came without their old rows. */
  unprepared(relation: Relation): void;
}

export class Ingest {
  readonly #options: IngestOptions;
  readonly #acknowledger: Acknowledger;
  readonly #writer = new JsonWriter();
  readonly #shapes = new Set<Shape>();
  readonly #byTable = new Map<number, Set<Shape>>();
  readonly #relations = new Map<number, Relation>();
  readonly #routes = new Map<number, RelationRoutes>();
  readonly #ancestors = new Map<number, readonly number[]>();
  readonly #awaitedSnapshots = new Set<Promise<void>>();
  #transaction: TransactionLog | undefined;
  #op = 0;
  #lastSeenLsn: bigint;
  #sequence = 0;

  constructor(options: IngestOptions) {
    this.#options = options;
    this.#lastSeenLsn = options.appliedLsn;
    this.#acknowledger = new Acknowledger(options.appliedLsn, options.confirm);
    options.store.onDurable((applied) => this.#acknowledger.durable(applied));
  }

  /** Commit LSN of the last transaction that all shapes have seen. */
  get lastSeenLsn(): bigint {
    return this.#lastSeenLsn;
  }

  /** A stream begins: what an earlier one left unfinished is sent again from its beginning. */
  restart(confirmedLsn: bigint): void {
    this.#transaction = undefined;
    this.#relations.clear();
    this.#routes.clear();
    this.#ancestors.clear();
    if (confirmedLsn > this.#lastSeenLsn) this.#lastSeenLsn = confirmedLsn;
  }

  /**
   * From now on changes concern the shape. Until its snapshot has been taken (`taken` settles) no
   * change is looked at: only then is it known which ones the snapshot has.
   */
  add(shape: Shape, taken: Promise<void> | undefined): void {
    this.#shapes.add(shape);
    const { oid } = shape.definition.table;
    const shapes = this.#byTable.get(oid) ?? new Set();
    this.#byTable.set(oid, shapes.add(shape));
    for (const routes of this.#routes.values()) {
      if (this.#concerns(routes.relation.oid, oid)) routes.add(shape);
    }
    // A partition that no shape was on has no routes yet.
    for (const relation of this.#relations.values()) {
      if (!this.#routes.has(relation.oid) && this.#concerns(relation.oid, oid)) {
        this.#build(relation);
      }
    }
    if (!taken) return;
    const settled = taken.catch(() => {}).finally(() => this.#awaitedSnapshots.delete(settled));
    this.#awaitedSnapshots.add(settled);
  }

  /** The table of the shape has other partitions than before. */
  refresh(shape: Shape): void {
    this.#ancestors.clear();
    this.add(shape, undefined);
  }

  remove(shape: Shape): void {
    if (!this.#shapes.delete(shape)) return;
    const { oid } = shape.definition.table;
    const shapes = this.#byTable.get(oid);
    shapes?.delete(shape);
    if (shapes?.size === 0) this.#byTable.delete(oid);
    for (const [relationOid, routes] of this.#routes) {
      if (this.#concerns(relationOid, oid)) routes.remove(shape);
    }
    this.#transaction?.forget(shape);
  }

  accept(events: readonly StreamEvent[]): Promise<void> | undefined {
    return this.#resume(events, 0);
  }

  /** Goes on from an event, once no shape is between being added and its snapshot being taken. */
  #resume(events: readonly StreamEvent[], from: number): Promise<void> | undefined {
    if (this.#awaitedSnapshots.size === 0) return this.#run(events, from);
    return Promise.all(this.#awaitedSnapshots).then(() => this.#resume(events, from));
  }

  #run(events: readonly StreamEvent[], from: number): Promise<void> | undefined {
    for (let i = from; i < events.length; i++) {
      const event = events[i];
      if (event.kind === "change") this.#change(event.change);
      else if (event.kind === "relation") {
        const wait = this.#announce(event.relation);
        if (wait) return wait.then(() => this.#resume(events, i + 1));
      } else this.#boundary(event);
    }
    const { store } = this.#options;
    return store.queuedBytes > QUEUED_BYTES_HIGH ? store.flushed() : undefined;
  }

  #boundary(event: Exclude<StreamEvent, { kind: "change" | "relation" }>): void {
    if (event.kind === "begin") {
      this.#op = 0;
      const isNew = event.commitLsn > this.#lastSeenLsn;
      this.#transaction = isNew
        ? new TransactionLog(event.commitLsn, event.xid, this.#writer)
        : undefined;
    } else if (event.kind === "commit") this.#commit(event.endLsn);
    else this.#acknowledger.reached(event.walEnd);
  }

  #commit(endLsn: bigint): void {
    const transaction = this.#transaction;
    if (!transaction) return this.#acknowledger.reached(endLsn);
    this.#transaction = undefined;
    const changed = transaction.commit();
    this.#lastSeenLsn = transaction.commitLsn;
    const isStored = changed.length > 0;
    this.#acknowledger.committed(transaction.commitLsn, endLsn, isStored);
    if (isStored) this.#options.store.setAppliedLsn(transaction.commitLsn);
    for (const shape of changed) shape.wake();
  }

  #change(change: Change): void {
    const transaction = this.#transaction;
    const op = this.#op;
    this.#op += 2;
    if (!transaction) return;
    if (change.kind === "truncate") return this.#truncate(transaction, change.relations);
    const routes = this.#routes.get(change.relation.oid);
    if (!routes || routes.size === 0) return;
    switch (change.kind) {
      case "insert":
        this.#insert(transaction, routes, change.row, op);
        break;
      case "delete":
        if (change.isKeyOnly) this.#blind(transaction, routes, change.old, undefined, op);
        else this.#delete(transaction, routes, change.old, op);
        break;
      case "update":
        if (change.old === undefined || change.isKeyOnly) {
          this.#blind(transaction, routes, change.old, change.row, op);
        } else this.#update(transaction, routes, change.old, change.row, op);
    }
    if (transaction.isFull) transaction.writeSome();
  }

  #insert(transaction: TransactionLog, routes: RelationRoutes, row: Row, op: number): void {
    routes.route(row, ({ shape, encoder }) => {
      transaction.add(shape, { kind: "insert", encoder, old: undefined, row, op });
    });
  }

  #delete(transaction: TransactionLog, routes: RelationRoutes, old: Row, op: number): void {
    routes.route(old, ({ shape, encoder }) => {
      transaction.add(shape, { kind: "delete", encoder, old, row: undefined, op });
    });
  }

  /** Shapes that had the row, then those that have it: in both an update, else a move out or in. */
  #update(
    transaction: TransactionLog,
    routes: RelationRoutes,
    old: Row,
    row: Row,
    op: number,
  ): void {
    const mark = ++this.#sequence;
    const before: Target[] = [];
    routes.route(old, (target) => {
      target.mark = mark;
      before.push(target);
    });
    routes.route(row, (target) => {
      const { shape, encoder } = target;
      if (target.mark !== mark) {
        return transaction.add(shape, { kind: "insert", encoder, old: undefined, row, op });
      }
      target.mark = 0;
      if (encoder.hasSameValues(old, row)) return;
      transaction.add(shape, { kind: "update", encoder, old, row, op });
    });
    for (const { shape, encoder, mark: left } of before) {
      if (left !== mark) continue;
      transaction.add(shape, { kind: "delete", encoder, old, row: undefined, op });
    }
  }

  /**
   * A change without its old row, because the table lacks REPLICA IDENTITY FULL. A shape of the
   * whole table can go on with what is there; for others nobody knows whether they had the row.
   */
  #blind(
    transaction: TransactionLog,
    routes: RelationRoutes,
    old: Row | undefined,
    row: Row | undefined,
    op: number,
  ): void {
    this.#options.unprepared(routes.relation);
    for (const target of [...routes.targets]) {
      const { shape, encoder } = target;
      if (transaction.isSeenBy(shape)) continue;
      const { where, replica, table } = shape.definition;
      const isKeyKnown = routes.relation.identity === "default" &&
        table.columns.some(({ keyIndex }) => keyIndex !== null);
      const lacksValues = row !== undefined && routes.lacksColumns(target, row);
      if (where || replica === "full" || !isKeyKnown || lacksValues) {
        this.#options.rotate(shape, "A change came without its old row");
      } else {
        const kind = row ? "update" : "delete";
        const isMove = old !== undefined && (!row || !encoder.hasSameKey(old, row));
        transaction.add(shape, { kind, encoder, old: isMove ? old : undefined, row, op });
      }
    }
  }

  /** Truncation is never a message: it ends the shapes of the table, and of those it is part of. */
  #truncate(transaction: TransactionLog, relations: readonly Relation[]): void {
    for (const { oid } of relations) {
      for (const shape of this.#shapesOn(oid)) {
        if (!transaction.isSeenBy(shape)) this.#options.rotate(shape, "The table was truncated");
      }
    }
  }

  /** A table is announced: shapes that it no longer fits end, the others are bound to it anew. */
  #announce(relation: Relation): Promise<void> | undefined {
    this.#relations.set(relation.oid, relation);
    const isKnown = this.#ancestors.has(relation.oid) || !this.#hasPartitionedTables();
    if (isKnown) return void this.#build(relation);
    return this.#options.ancestors(relation.oid).then((oids) => {
      this.#ancestors.set(relation.oid, oids);
      this.#build(relation);
    });
  }

  #build(relation: Relation): void {
    const routes = new RelationRoutes(relation);
    for (const shape of this.#shapesOn(relation.oid)) {
      if (routes.add(shape) || this.#transaction?.isSeenBy(shape) !== false) continue;
      this.#options.rotate(shape, "The table's definition changed");
    }
    this.#routes.set(relation.oid, routes);
    this.#endReplaced(relation);
  }

  /** Another table by the same name: the one that shapes were made for is gone. */
  #endReplaced(relation: Relation): void {
    for (const shape of this.#shapes) {
      const { oid, schema, name } = shape.definition.table;
      if (oid === relation.oid || schema !== relation.schema || name !== relation.name) continue;
      if (this.#transaction?.isSeenBy(shape) !== false) continue;
      this.#options.rotate(shape, "The table was replaced by another of its name");
    }
  }

  #hasPartitionedTables(): boolean {
    for (const [shape] of this.#byTable.values()) {
      if (shape.definition.table.kind === "partitioned") return true;
    }
    return false;
  }

  #shapesOn(relationOid: number): Shape[] {
    const found: Shape[] = [];
    for (const [tableOid, shapes] of this.#byTable) {
      if (this.#concerns(relationOid, tableOid)) found.push(...shapes);
    }
    return found;
  }

  #concerns(relationOid: number, tableOid: number): boolean {
    if (relationOid === tableOid) return true;
    if (this.#ancestors.get(relationOid)?.includes(tableOid)) return true;
    for (const shape of this.#byTable.get(tableOid) ?? []) {
      return shape.definition.table.partitions.includes(relationOid);
    }
    return false;
  }
}
