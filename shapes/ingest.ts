/**
 * The stream's events become log entries: in order, one transaction after the other, all shapes
 * together. Everything here is synchronous but for four waits: for the snapshot of a shape that is
 * just being made, for the catalog when an unknown partition shows up, for Postgres when only it can
 * evaluate a filter, and for the store when it falls behind.
 */

import { addBlindChange, type BlindChange } from "./blind_change.ts";
import type { Change, Relation, StreamEvent } from "./change.ts";
import { type EndKind, IntakeCounters } from "./counters.ts";
import { type ExternalOptions, ExternalStage } from "./external_stage.ts";
import { JsonWriter } from "./log/json_writer.ts";
import { QUEUED_BYTES_HIGH, type ShapeStore } from "./log/store.ts";
import type { Joint } from "./operation.ts";
import type { Visibility } from "./ports.ts";
import { RelationRoutes, type Target } from "./routing/relation_routes.ts";
import type { Row } from "./row.ts";
import type { Shape } from "./shape.ts";
import { StreamPositions } from "./stream_positions.ts";
import type { Table } from "./table.ts";
import { TableShapes } from "./table_shapes.ts";
import { TransactionLog } from "./transaction_log.ts";
import { isInSnapshot } from "./visibility.ts";

export interface IngestOptions {
  readonly store: ShapeStore;
  /** The last transaction that the store holds. */
  readonly appliedLsn: bigint;
  /** Acknowledges the stream. */
  confirm(position: bigint): void;
  /** Tables that a partition belongs to. */
  ancestors(relationOid: number): Promise<readonly number[]>;
  /** What is added to the WAL positions of the stream (`history.ts`). */
  readonly shift: bigint;
  /** The shape is no longer what its table says, or its log can't go on. */
  rotate(shape: Shape, reason: string, kind: EndKind): void;
  /** The stream has left out something of the shape, which must be reconciled. */
  lose(shape: Shape, reason: string): void;
  /** Changes of the relation came without their old rows. */
  unprepared(relation: Relation): void;
  /** How the conditions are evaluated that only Postgres can. */
  readonly external: ExternalOptions;
}

export class Ingest {
  readonly #options: IngestOptions;
  readonly positions: StreamPositions;
  readonly counters: IntakeCounters = new IntakeCounters();
  readonly #external: ExternalStage;
  readonly #writer = new JsonWriter();
  readonly #shapes = new Set<Shape>();
  readonly #tables = new TableShapes();
  readonly #relations = new Map<number, Relation>();
  readonly #routes = new Map<number, RelationRoutes>();
  readonly #awaitedSnapshots = new Set<Promise<void>>();
  #transaction: TransactionLog | undefined;
  #op = 0;
  /** To be run once the transaction that is open is over. */
  #atBoundary: (() => void)[] = [];
  /** No snapshot and no log has any of a transaction beyond this one. */
  #reachedLsn: bigint;
  /** Counts streams: what an earlier one left waiting must not go on in the next. */
  #stream = 0;
  #sequence = 0;

  constructor(options: IngestOptions) {
    this.#options = options;
    this.#external = new ExternalStage(options.external, this.#routes);
    this.#reachedLsn = options.appliedLsn;
    this.positions = new StreamPositions({
      ...options,
      confirm: (position) => options.confirm(position),
      onResumed: () => {
        // Others have left out what was sent again.
        for (const shape of this.#shapes) if (shape.isFollowed) shape.earlierReaders.settle();
      },
    });
  }

  /** Commit LSN of the last transaction that all shapes have seen. */
  get lastSeenLsn(): bigint {
    return this.positions.lastSeenLsn;
  }

  /** The last position that a log, an answer or a snapshot may have named. */
  get reached(): bigint {
    const { lastSeenLsn, committedLsn } = this.positions;
    let reached = lastSeenLsn > committedLsn ? lastSeenLsn : committedLsn;
    for (const { appended, visibility } of this.#shapes) {
      if (appended.lsn > reached) reached = appended.lsn;
      if (visibility && visibility.walPosition > reached) reached = visibility.walPosition;
    }
    return reached;
  }

  /** Runs it when the shape's log is not in the middle of a transaction: now, or right after it. */
  atBoundary(shape: Shape, run: () => void): void {
    if (this.isWriting(shape)) this.#atBoundary.push(run);
    else run();
  }

  /** Part of the transaction that is being taken in lies in the shape's log already. */
  isWriting({ appended }: Shape): boolean {
    return this.#transaction?.commitLsn === appended.lsn;
  }

  /** Looks at no change until a snapshot has been taken (`taken` settles). */
  pauseFor(taken: Promise<void>): void {
    const settled = taken.catch(() => {}).finally(() => this.#awaitedSnapshots.delete(settled));
    this.#awaitedSnapshots.add(settled);
  }

  /** The shape's visibility is another now: the open transaction may be part of it. */
  revise(shape: Shape, visibility: Visibility, joint: Joint | undefined): void {
    shape.revise(visibility);
    shape.join(joint);
    this.#reach(shape);
    this.#transaction?.revise(shape);
  }

  /** Whether the stream has brought changes that a snapshot, as placed, has not seen. */
  isAhead(visibility: Visibility): boolean {
    const open = this.#transaction;
    return open !== undefined && !isInSnapshot(visibility, open) ||
      this.positions.isAhead(visibility);
  }

  /** Commit LSN of the transaction that is being taken in. */
  get openLsn(): bigint | undefined {
    return this.#transaction?.commitLsn;
  }

  /**
   * A stream begins: what an earlier one left unfinished is sent again from its beginning. The
   * confirmed position is where a commit record ended, and the next may begin right there: it does
   * not tell which transactions have been taken in.
   */
  restart(confirmedLsn: bigint, serverLsn?: bigint): void {
    this.suspend();
    this.#relations.clear();
    this.#routes.clear();
    this.#tables.forgetAncestors();
    this.positions.restart(confirmedLsn, serverLsn);
  }

  /** The stream has ended: what it left unfinished comes again. */
  suspend(): void {
    this.#stream++;
    this.#external.cancel();
    this.#transaction?.breakOff();
    this.#transaction = undefined;
    this.#reachBoundary();
  }

  #reachBoundary(): void {
    if (this.#atBoundary.length === 0) return;
    const waiting = this.#atBoundary;
    this.#atBoundary = [];
    for (const run of waiting) run();
  }

  /**
   * From now on changes concern the shape. Until its snapshot has been taken (`taken` settles) no
   * change is looked at: only then is it known which ones the snapshot has.
   */
  add(shape: Shape, taken: Promise<void> | undefined): void {
    this.#shapes.add(shape);
    const { oid } = shape.definition.table;
    this.#external.add(shape);
    this.#tables.add(shape);
    for (const routes of this.#routes.values()) {
      if (this.#tables.concerns(routes.relation.oid, oid)) routes.add(shape);
    }
    // A partition that no shape was on has no routes yet.
    for (const relation of this.#relations.values()) {
      if (!this.#routes.has(relation.oid) && this.#tables.concerns(relation.oid, oid)) {
        this.#build(relation);
      }
    }
    if (taken) this.pauseFor(taken.finally(() => this.#reach(shape)));
    else this.#reach(shape);
  }

  /** From now on the shape may have what the stream still brings. */
  #reach({ appended: { lsn }, visibility }: Shape): void {
    const seen = visibility?.walPosition ?? 0n, reached = seen > lsn ? seen : lsn;
    if (reached > this.#reachedLsn) this.#reachedLsn = reached;
    if (this.#transaction) this.#transaction.isFresh = false;
  }

  /** The table has other partitions, and all shapes on it know them. */
  refresh(table: Table): void {
    this.#tables.setPartitions(table);
    for (const shape of this.#tables.onTable(table.oid)) {
      for (const routes of this.#routes.values()) {
        if (!this.#tables.concerns(routes.relation.oid, table.oid)) routes.remove(shape);
      }
      this.add(shape, undefined);
    }
  }

  remove(shape: Shape): void {
    if (!this.#shapes.delete(shape)) return;
    this.#external.remove(shape);
    this.#tables.remove(shape);
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
    const { store } = this.#options;
    const before = store.queuedBytes;
    for (let i = from, ready = from; i < events.length; i++) {
      if (i === ready) {
        const isTaken = this.#transaction !== undefined;
        const prepared = this.#external.prepare(
          events,
          i,
          isTaken,
          this.positions.committedLsn - this.positions.shift,
        );
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
    // What puts nothing into the store need not wait for what others have put there.
    return store.queuedBytes > Math.max(QUEUED_BYTES_HIGH, before) ? store.flushed() : undefined;
  }

  #boundary(event: Exclude<StreamEvent, { kind: "change" | "relation" }>): void {
    if (event.kind === "begin") {
      this.#op = 0;
      const commitLsn = event.commitLsn + this.positions.shift;
      const isFresh = commitLsn > this.#reachedLsn;
      this.#transaction = commitLsn > this.positions.committedLsn
        ? new TransactionLog(commitLsn, event.xid, this.#writer, isFresh)
        : undefined;
      if (isFresh) this.#reachedLsn = commitLsn;
    } else if (event.kind === "commit") this.#commit(event.endLsn + this.positions.shift);
    else this.positions.reached(event.walEnd + this.positions.shift);
  }

  #commit(endLsn: bigint): void {
    const transaction = this.#transaction;
    if (!transaction) return this.positions.reached(endLsn);
    this.#transaction = undefined;
    this.counters.transactions++;
    this.counters.changes += this.#op / 2;
    const changed = transaction.commit();
    this.positions.committed(transaction, endLsn);
    for (const shape of changed) shape.wake();
    this.#reachBoundary();
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
        if (change.isKeyOnly) this.#blind(transaction, routes, { ...change, row: undefined, op });
        else this.#delete(transaction, routes, change.old, op);
        break;
      case "update":
        if (change.old === undefined || change.isKeyOnly) {
          this.#blind(transaction, routes, { ...change, op });
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

  #blind(transaction: TransactionLog, routes: RelationRoutes, change: BlindChange): void {
    this.#options.unprepared(routes.relation);
    for (const target of [...routes.targets]) {
      if (addBlindChange(transaction, routes, target, change)) continue;
      this.#options.lose(target.shape, "A change came without its old row");
      transaction.forget(target.shape);
    }
  }

  /** Truncation is never a message: it ends the shapes of the table, and of those it is part of. */
  #truncate(transaction: TransactionLog, relations: readonly Relation[]): void {
    for (const { oid } of relations) {
      for (const shape of this.#tables.concernedBy(oid)) {
        if (!transaction.isSeenBy(shape)) {
          this.#options.rotate(shape, "The table was truncated", "truncated");
        }
      }
    }
  }

  /** A table is announced: shapes that it no longer fits end, the others are bound to it anew. */
  #announce(relation: Relation): Promise<void> | undefined {
    this.#relations.set(relation.oid, relation);
    if (!this.#tables.hasPartitioned) return void this.#build(relation);
    const stream = this.#stream;
    return this.#options.ancestors(relation.oid).then((oids) => {
      if (stream !== this.#stream) return;
      this.#tables.setAncestors(relation.oid, oids);
      this.#build(relation);
    });
  }

  #build(relation: Relation): void {
    const routes = new RelationRoutes(relation);
    for (const shape of this.#tables.concernedBy(relation.oid)) {
      const problem = routes.tryAdd(shape);
      if (problem && this.#transaction?.isSeenBy(shape) === false) {
        this.#options.rotate(shape, ...problem);
      }
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
      this.#options.rotate(shape, "The table was replaced by another of its name", "table_changed");
    }
  }
}
