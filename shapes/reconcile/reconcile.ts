/**
 * One reconcile of one shape: its rows as the database has them now are compared with what its log
 * materialises to, and the differences are appended to the log as ordinary items.
 *
 * It may run while the stream brings changes. From the moment that the rows' snapshot has been taken
 * the stream's transactions that it saw are left out of the log, and the others are joined to it
 * (`overlap.ts`). Nothing that is appended is shown before all of it is durable: a restart in between
 * finds the shape frozen, and reconciles it again.
 */

import { ShapeGoneError } from "../errors.ts";
import type { Ingest } from "../ingest.ts";
import { ItemEncoder } from "../log/item_encoder.ts";
import { QUEUED_BYTES_HIGH, type ShapeStore, type StoredIdentity } from "../log/store.ts";
import { compareOffsets } from "../offset.ts";
import type { SnapshotRequest, SnapshotSink, Source, SourceOrigin, Visibility } from "../ports.ts";
import type { Shape } from "../shape.ts";
import { isInSnapshot, newlySeen } from "../visibility.ts";
import { Comparison } from "./comparison.ts";
import { DifferenceLog } from "./difference_log.ts";
import { Fold, type IsSeen } from "./fold.ts";
import { Overlap } from "./overlap.ts";
import {
  AheadError,
  ForeignHistoryError,
  LaggingSourceError,
  LostMeanwhileError,
} from "./reconcile_errors.ts";

export interface ReconcileOptions {
  readonly source: Source;
  readonly ingest: Ingest;
  readonly store: ShapeStore;
  /** The history that the logs tell of; undefined before there is one. */
  readonly identity: () => StoredIdentity | undefined;
  /** Any 32 bits. */
  readonly seed: number;
  /** What an earlier reconcile of the shape returned. */
  readonly fold: Fold | undefined;
  /** The stream runs and brings the table's changes: once reconciled the shape can go on with it. */
  readonly isStreamed: boolean;
  readonly nowMs: () => number;
  readonly signal: AbortSignal;
}

export interface Reconciled {
  /** For the next time; undefined if it is of no more use. */
  readonly fold: Fold | undefined;
  readonly rows: number;
  readonly differences: number;
  /** How long the database was at work: without waits for a connection, and for our own storage. */
  readonly queryMs: number;
}

/** What the log had before the rows' snapshot was taken. */
interface Before {
  readonly visibility: Visibility | undefined;
  readonly committed: bigint;
}

/** From being reserved to having taken its snapshot it holds up the stream, no longer than this. */
const SNAPSHOT_START_MS = 5_000;

/** The stream is ahead of what can be seen for as long as a commit takes after it is on disk. */
const AHEAD_ATTEMPTS = 20;
const AHEAD_PAUSE_MS = 10;

/** More transactions than this are not named as the makers of deletes. */
const DELETED_XIDS_MAX = 100;

/**
 * Rejects with the errors of `reconcile_errors.ts`, with what the source or the store rejects with,
 * or with `ShapeGoneError`.
 */
export async function reconcileShape(
  shape: Shape,
  options: ReconcileOptions,
): Promise<Reconciled> {
  const wasFrozen = shape.isFrozen;
  shape.freeze();
  let fold: Fold;
  try {
    fold = await readLog(shape, options);
  } catch (error) {
    if (!wasFrozen) shape.thaw();
    throw error;
  }
  return await new Reconcile(shape, fold, wasFrozen, options).run();
}

async function readLog(shape: Shape, { fold: known, seed }: ReconcileOptions): Promise<Fold> {
  if (shape.isGone) throw new ShapeGoneError(shape.handle);
  if (known && await known.extend(shape.appended)) return known;
  const fold = new Fold(shape.storedLog(), { seed });
  await fold.read(shape.appended);
  return fold;
}

class Reconcile implements SnapshotSink {
  readonly #shape: Shape;
  readonly #fold: Fold;
  readonly #options: ReconcileOptions;
  readonly #wasFrozen: boolean;
  readonly #losses: number;
  readonly #taken = Promise.withResolvers<void>();
  readonly #differences: DifferenceLog;
  readonly #comparison: Comparison;
  readonly #overlap: Overlap;
  /** Set once the log has another visibility. */
  #before: Before | undefined;
  #isPausing = false;
  #reservedMs = 0;
  #queryMs = 0;
  #deletedXids: readonly number[] = [];

  constructor(shape: Shape, fold: Fold, wasFrozen: boolean, options: ReconcileOptions) {
    this.#shape = shape;
    this.#fold = fold;
    this.#options = options;
    this.#wasFrozen = wasFrozen;
    this.#losses = shape.losses;
    this.#overlap = new Overlap(fold, shape.definition.replica);
    const { columns } = shape.definition;
    const placeOf = (name: string) => columns.findIndex((column) => column.name === name);
    const encoder = new ItemEncoder(shape.definition, placeOf);
    const { ingest, store } = options;
    this.#differences = new DifferenceLog({
      shape,
      encoder,
      table: fold.table,
      committedLsn: () => ingest.positions.committedLsn,
      atBoundary: (run) => ingest.atBoundary(shape, run),
      ready: () => store.queuedBytes > QUEUED_BYTES_HIGH ? store.flushed() : Promise.resolve(),
    });
    this.#comparison = new Comparison(shape, fold, this.#differences, encoder);
  }

  async run(): Promise<Reconciled> {
    const shape = this.#shape;
    try {
      await this.#readRows();
      await this.#comparison.finish(this.#deletedXids);
      await this.#settle();
    } catch (error) {
      this.#abandon();
      throw error;
    } finally {
      this.#taken.resolve();
      shape.join(undefined);
    }
    return this.#result();
  }

  /** The stream is held up until a snapshot shows all that it brought, but not for long. */
  async #readRows(): Promise<void> {
    const { source, signal, nowMs } = this.#options;
    for (let attempt = 1;; attempt++) {
      try {
        const onReserved = this.#onReserved;
        await source.snapshot(this.#request(), this, { onReserved, signal });
        this.#queryMs = nowMs() - this.#reservedMs;
        return;
      } catch (error) {
        if (!(error instanceof AheadError) || attempt === AHEAD_ATTEMPTS) throw error;
      }
      await new Promise((resolve) => setTimeout(resolve, AHEAD_PAUSE_MS));
    }
  }

  async visible(visibility: Visibility, origin: SourceOrigin | undefined): Promise<void> {
    const { ingest, isStreamed } = this.#options;
    const shape = this.#shape, { visibility: before } = shape;
    if (origin) this.#assertHistory(origin, visibility.walPosition);
    const placed = ingest.positions.place(visibility);
    if (before && placed.walPosition < before.walPosition) {
      throw new LaggingSourceError("The database is behind what the shape's log has");
    }
    const isSeen: IsSeen = (transaction) => this.#isSeen(placed, transaction);
    await this.#catchUp(isSeen);
    this.#assertWhole(isSeen);
    if (!shape.isFollowed && isStreamed && ingest.isAhead(placed)) {
      throw new AheadError("The stream is ahead of what can be seen of the database");
    }
    if (before) this.#deletedXids = newlySeen(before, placed, DELETED_XIDS_MAX);
    this.#before = { visibility: before, committed: ingest.positions.committedLsn };
    ingest.revise(shape, placed, shape.isFollowed || isStreamed ? this.#overlap : undefined);
    this.#taken.resolve();
  }

  rows(copyText: Uint8Array): Promise<void> | undefined {
    return this.#comparison.add(copyText);
  }

  #request(): SnapshotRequest {
    const { table, columns, where } = this.#shape.definition;
    return {
      table,
      columns: columns.map(({ name }) => name),
      where: where?.sql,
      hasRows: true,
      purpose: "reconcile",
    };
  }

  readonly #onReserved = (): void => {
    this.#reservedMs = this.#options.nowMs();
    if (this.#isPausing) return;
    this.#isPausing = true;
    const timer = setTimeout(() => this.#taken.resolve(), SNAPSHOT_START_MS);
    this.#options.ingest.pauseFor(this.#taken.promise.finally(() => clearTimeout(timer)));
  };

  #assertHistory(origin: SourceOrigin, walPosition: bigint): void {
    const identity = this.#options.identity();
    // Nothing was followed yet that a replica could be behind of.
    if (!identity && origin.isReplica) return;
    const isSame = identity !== undefined &&
      (origin.systemId ?? identity.systemId) === identity.systemId &&
      (origin.isReplica || origin.timeline === identity.timeline);
    if (!isSame) throw new ForeignHistoryError(origin, walPosition);
  }

  /** Reads what the stream has brought since the log was read, and finds what is too new in it. */
  async #catchUp(isSeen: IsSeen): Promise<void> {
    const shape = this.#shape, fold = this.#fold;
    do {
      if (shape.isGone) throw new ShapeGoneError(shape.handle);
      if (!await fold.extend(shape.appended)) {
        throw new LostMeanwhileError("The stream went on while the log was being read");
      }
      await fold.markLater(isSeen);
    } while (compareOffsets(shape.appended, fold.until) !== 0);
  }

  /** What would follow an unfinished transaction must not come before the rest of it. */
  #assertWhole(isSeen: IsSeen): void {
    const { ingest } = this.#options;
    const { lastTransaction: last, until } = this.#fold;
    if (!last || last.commitLsn !== until.lsn) return;
    const { commitLsn } = last;
    if (commitLsn <= ingest.positions.committedLsn || commitLsn === ingest.openLsn) return;
    if (!isSeen(last)) throw new LaggingSourceError("A transaction has come only in part");
  }

  #isSeen(placed: Visibility, transaction: Parameters<IsSeen>[0]): boolean {
    const { commitLsn } = transaction;
    const beganAt = this.#options.identity()?.beganAt ?? 0n;
    if (commitLsn < beganAt || commitLsn < placed.walPosition - NEAR_BYTES) return true;
    return isInSnapshot(placed, transaction);
  }

  /** All differences are appended: makes them durable, then shows them. */
  async #settle(): Promise<void> {
    const { store, ingest, isStreamed } = this.#options;
    const shape = this.#shape;
    this.#assertKept();
    const isFollowed = shape.isFollowed || isStreamed;
    const isChanged = this.#differences.count > 0 || shape.isStandingOld;
    if (isChanged || shape.isFollowed !== isFollowed) {
      // Before the standing: with it alone a restart would miss what it says has been shown.
      ingest.positions.markApplied();
      const { timelineBeganAt = 0n } = this.#options.identity() ?? {};
      shape.markReconciled(isFollowed, this.#differences.first, timelineBeganAt);
      await store.flushed();
      this.#assertKept();
    }
    shape.thaw();
  }

  #assertKept(): void {
    const shape = this.#shape;
    if (shape.isGone) throw new ShapeGoneError(shape.handle);
    if (shape.losses !== this.#losses) {
      throw new LostMeanwhileError("The stream left changes out meanwhile");
    }
  }

  /**
   * The log has other transactions than its visibility says, unless nothing has happened since: then
   * the shape stays frozen until the next time. What this one has seen a crash of the database may
   * have taken back, so it is nothing to measure the next one by.
   */
  #abandon(): void {
    const shape = this.#shape, before = this.#before;
    if (before?.visibility) this.#options.ingest.revise(shape, before.visibility, undefined);
    if (before && !this.#isUntouched(before)) return shape.lose();
    if (!this.#wasFrozen) shape.thaw();
  }

  #isUntouched({ visibility, committed }: Before): boolean {
    const { positions, openLsn } = this.#options.ingest;
    return visibility !== undefined && this.#differences.count === 0 &&
      this.#shape.losses === this.#losses &&
      positions.committedLsn === committed && openLsn === undefined;
  }

  async #result(): Promise<Reconciled> {
    const { rows } = this.#comparison;
    const differences = this.#differences.count;
    const hasLater = this.#fold.table.settle();
    const isKept = !hasLater && !this.#options.isStreamed &&
      await this.#fold.extend(this.#shape.appended);
    const queryMs = this.#queryMs;
    return { fold: isKept ? this.#fold : undefined, rows, differences, queryMs };
  }
}

/**
 * Transactions so far apart in the WAL can't both be under way, and their ids may be too far apart
 * to be compared: 2^31 of them write more than this.
 */
const NEAR_BYTES = 64n * 1024n * 1024n * 1024n;
