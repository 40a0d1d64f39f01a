/**
 * The stream's events become log entries: in order, one transaction after the other, all shapes
 * together. Everything here is synchronous but for four waits: for the snapshot of a shape that is
 * just being made, for the catalog when an unknown partition shows up, for Postgres when only it can
 * evaluate a filter, and for the store when it falls behind.
 */

import { Acknowledger } from "./acknowledger.ts";
import type { Change, Relation, StreamEvent } from "./change.ts";
import { type ExternalOptions, ExternalStage } from "./external_stage.ts";
import { JsonWriter } from "./log/json_writer.ts";
import { QUEUED_BYTES_HIGH, type ShapeStore } from "./log/store.ts";
import { RelationRoutes, type Target } from "./routing/relation_routes.ts";
import type { Row } from "./row.ts";
import type { Shape } from "./shape.ts";
import type { Table } from "./table.ts";
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
  /** How the conditions are evaluated that only Postgres can. */
  readonly external: ExternalOptions;
}

/** The shapes on one table, and its partitions as last heard of, at every level. */
interface ShapesOnTable {
  readonly shapes: Set<Shape>;
  partitions: Set<number>;
  readonly isPartitioned: boolean;
}

export class Ingest {
  readonly #options: IngestOptions;
  #acknowledger: Acknowledger;
  readonly #external: ExternalStage;
  readonly #writer = new JsonWriter();
  readonly #shapes = new Set<Shape>();
  readonly #byTable = new Map<number, ShapesOnTable>();
  readonly #relations = new Map<number, Relation>();
  readonly #routes = new Map<number, RelationRoutes>();
  readonly #ancestors = new Map<number, readonly number[]>();
  readonly #awaitedSnapshots = new Set<Promise<void>>();
  #transaction: TransactionLog | undefined;
  #op = 0;
  #lastSeenLsn: bigint;
  /** Commit LSN of the last transaction taken in: what is not beyond it is being sent again. */
  #committedLsn: bigint;
  /** No snapshot and no log has any of a transaction beyond this one. */
  #reachedLsn: bigint;
  /** A shape was ended and no position that a crash returns to lies behind that yet. */
  #hasEnded = false;
  /** Counts streams: what an earlier one left waiting must not go on in the next. */
  #stream = 0;
  #sequence = 0;

  constructor(options: IngestOptions) {
    this.#options = options;
    this.#external = new ExternalStage(options.external, this.#routes);
    this.#lastSeenLsn = this.#committedLsn = this.#reachedLsn = options.appliedLsn;
    this.#acknowledger = new Acknowledger(options.appliedLsn, options.confirm);
    options.store.onDurable((applied) => this.#acknowledger.durable(applied));
  }

  /** Commit LSN of the last transaction that all shapes have seen. */
  get lastSeenLsn(): bigint {
    return this.#lastSeenLsn;
  }

  /**
   * A stream begins: what an earlier one left unfinished is sent again from its beginning. The
   * confirmed position is where a commit record ended, and the next may begin right there: it does
   * not tell which transactions have been taken in.
   */
  restart(confirmedLsn: bigint): void {
    this.#stream++;
    this.#external.cancel();
    this.#transaction = undefined;
    this.#relations.clear();
    this.#routes.clear();
    this.#ancestors.clear();
    if (confirmedLsn > this.#lastSeenLsn) this.#lastSeenLsn = confirmedLsn;
  }

  /**
   * The next stream is of another history, whose positions may be lower; no shape is left of the
   * earlier one. Rejects if storage failed.
   */
  async startOver(confirmedLsn: bigint): Promise<void> {
    const { store, confirm } = this.#options;
    // The first commit record may begin right at the confirmed position.
    const applied = confirmedLsn - 1n;
    store.setAppliedLsn(applied);
    // What becomes durable of the earlier history must not count for this one.
    await store.flushed();
    this.#acknowledger = new Acknowledger(applied, confirm);
    this.#lastSeenLsn = confirmedLsn;
    this.#committedLsn = applied;
    this.#hasEnded = false;
  }

  /**
   * From now on changes concern the shape. Until its snapshot has been taken (`taken` settles) no
   * change is looked at: only then is it known which ones the snapshot has.
   */
  add(shape: Shape, taken: Promise<void> | undefined): void {
    this.#shapes.add(shape);
    const { oid } = shape.definition.table;
    this.#external.add(shape);
    this.#onTable(shape.definition.table).shapes.add(shape);
    for (const routes of this.#routes.values()) {
      if (this.#concerns(routes.relation.oid, oid)) routes.add(shape);
    }
    // A partition that no shape was on has no routes yet.
    for (const relation of this.#relations.values()) {
      if (!this.#routes.has(relation.oid) && this.#concerns(relation.oid, oid)) {
        this.#build(relation);
      }
    }
    if (!taken) return this.#reach(shape);
    const settled = taken.catch(() => {}).finally(() => {
      this.#awaitedSnapshots.delete(settled);
      this.#reach(shape);
    });
    this.#awaitedSnapshots.add(settled);
  }

  /** From now on the shape may have what the stream still brings. */
  #reach({ appended: { lsn }, visibility }: Shape): void {
    const seen = visibility?.walPosition ?? 0n, reached = seen > lsn ? seen : lsn;
    if (reached > this.#reachedLsn) this.#reachedLsn = reached;
    if (this.#transaction) this.#transaction.isFresh = false;
  }

  /** The table has other partitions, and all shapes on it know them. */
  refresh(table: Table): void {
    const onTable = this.#byTable.get(table.oid);
    if (!onTable) return;
    onTable.partitions = new Set(table.partitions);
    for (const [relationOid, oids] of this.#ancestors) {
      if (onTable.partitions.has(relationOid)) continue;
      this.#ancestors.set(relationOid, oids.filter((oid) => oid !== table.oid));
    }
    for (const shape of [...onTable.shapes]) {
      for (const routes of this.#routes.values()) {
        if (!this.#concerns(routes.relation.oid, table.oid)) routes.remove(shape);
      }
      this.add(shape, undefined);
    }
  }

  remove(shape: Shape): void {
    if (!this.#shapes.delete(shape)) return;
    this.#external.remove(shape);
    const { oid } = shape.definition.table;
    const onTable = this.#byTable.get(oid);
    onTable?.shapes.delete(shape);
    if (onTable?.shapes.size === 0) this.#byTable.delete(oid);
    for (const routes of this.#routes.values()) routes.remove(shape);
    this.#transaction?.forget(shape);
  }

  accept(events: readonly StreamEvent[]): Promise<void> | undefined {
    return this.#resume(events, 0);
  }

  /** Goes on from an event, once no shape is between being added and its snapshot being taken. */
  #resume(events: readonly StreamEvent[], from: number): Promise<void> | undefined {
    if (this.#awaitedSnapshots.size === 0) return this.#run(events, from);
    return this.#after(Promise.all(this.#awaitedSnapshots), events, from);
  }

  async #after(wait: Promise<unknown>, events: readonly StreamEvent[], from: number) {
    const stream = this.#stream;
    await wait;
    if (stream === this.#stream) await this.#resume(events, from);
  }

  #run(events: readonly StreamEvent[], from: number): Promise<void> | undefined {
    for (let i = from, ready = from; i < events.length; i++) {
      if (i === ready) {
        const isTaken = this.#transaction !== undefined;
        const prepared = this.#external.prepare(events, i, isTaken, this.#committedLsn);
        if (typeof prepared !== "number") return this.#after(prepared, events, i);
        ready = prepared;
      }
      const event = events[i];
      if (event.kind === "change") this.#change(event.change);
      else if (event.kind === "relation") {
        const wait = this.#announce(event.relation);
        if (wait) return this.#after(wait, events, i + 1);
      } else this.#boundary(event);
    }
    const { store } = this.#options;
    return store.queuedBytes > QUEUED_BYTES_HIGH ? store.flushed() : undefined;
  }

  #boundary(event: Exclude<StreamEvent, { kind: "change" | "relation" }>): void {
    if (event.kind === "begin") {
      this.#op = 0;
      const { commitLsn, xid } = event, isFresh = commitLsn > this.#reachedLsn;
      this.#transaction = commitLsn > this.#committedLsn
        ? new TransactionLog(commitLsn, xid, this.#writer, isFresh)
        : undefined;
      if (isFresh) this.#reachedLsn = commitLsn;
    } else if (event.kind === "commit") this.#commit(event.endLsn);
    else this.#acknowledger.reached(event.walEnd);
  }

  #commit(endLsn: bigint): void {
    const transaction = this.#transaction;
    if (!transaction) return this.#acknowledger.reached(endLsn);
    this.#transaction = undefined;
    const changed = transaction.commit();
    this.#committedLsn = transaction.commitLsn;
    if (transaction.commitLsn > this.#lastSeenLsn) this.#lastSeenLsn = transaction.commitLsn;
    // That a shape ended must be durable too before its cause is acknowledged.
    const isStored = changed.length > 0 || this.#hasEnded;
    this.#hasEnded = false;
    this.#acknowledger.committed(transaction.commitLsn, endLsn, isStored);
    if (isStored) this.#options.store.setAppliedLsn(transaction.commitLsn);
    for (const shape of changed) shape.wake();
  }

  #change(change: Change): void {
    const transaction = this.#transaction, op = this.#op;
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
    const mark = ++this.#sequence, before: Target[] = [];
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
        this.#rotate(shape, "A change came without its old row");
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
        if (!transaction.isSeenBy(shape)) this.#rotate(shape, "The table was truncated");
      }
    }
  }

  /** A table is announced: shapes that it no longer fits end, the others are bound to it anew. */
  #announce(relation: Relation): Promise<void> | undefined {
    this.#relations.set(relation.oid, relation);
    if (!this.#hasPartitionedTables()) return void this.#build(relation);
    const stream = this.#stream;
    return this.#options.ancestors(relation.oid).then((oids) => {
      if (stream !== this.#stream) return;
      this.#ancestors.set(relation.oid, oids);
      this.#build(relation);
    });
  }

  #build(relation: Relation): void {
    const routes = new RelationRoutes(relation);
    for (const shape of this.#shapesOn(relation.oid)) {
      const problem = routes.tryAdd(shape);
      if (problem && this.#transaction?.isSeenBy(shape) === false) this.#rotate(shape, problem);
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
      this.#rotate(shape, "The table was replaced by another of its name");
    }
  }

  #rotate(shape: Shape, reason: string): void {
    this.#hasEnded = true;
    this.#options.rotate(shape, reason);
  }

  #hasPartitionedTables(): boolean {
    for (const { isPartitioned } of this.#byTable.values()) if (isPartitioned) return true;
    return false;
  }

  #onTable({ oid, kind, partitions }: Table): ShapesOnTable {
    let onTable = this.#byTable.get(oid);
    if (!onTable) {
      onTable = { shapes: new Set(), partitions: new Set(), isPartitioned: kind === "partitioned" };
      this.#byTable.set(oid, onTable);
    }
    for (const partition of partitions) onTable.partitions.add(partition);
    return onTable;
  }

  #shapesOn(relationOid: number): Shape[] {
    const found: Shape[] = [];
    for (const [tableOid, { shapes }] of this.#byTable) {
      if (this.#concerns(relationOid, tableOid)) found.push(...shapes);
    }
    return found;
  }

  #concerns(relationOid: number, tableOid: number): boolean {
    if (relationOid === tableOid) return true;
    if (this.#ancestors.get(relationOid)?.includes(tableOid)) return true;
    return this.#byTable.get(tableOid)?.partitions.has(relationOid) ?? false;
  }
}
