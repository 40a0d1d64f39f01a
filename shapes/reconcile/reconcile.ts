/**
 * One reconcile of one shape: its rows as the database has them now are compared with what its log
 * materialises to, and the differences are appended to the log as ordinary items.
 *
 * It may run while the stream brings changes. From the moment that the rows' snapshot has been taken
 * the stream's transactions that it saw are left out of the log, and the keys of the others, which
 * tell of what is newer than the rows, are left out of the comparison. Nothing that is appended is
 * shown before all of it is durable: a restart in between finds the shape frozen, and reconciles it
 * again.
 */

import { ShapeGoneError } from "../errors.ts";
import type { Ingest } from "../ingest.ts";
import { ItemEncoder } from "../log/item_encoder.ts";
import { QUEUED_BYTES_HIGH, type ShapeStore, type StoredIdentity } from "../log/store.ts";
import type { SnapshotRequest, SnapshotSink, Source, SourceOrigin, Visibility } from "../ports.ts";
import type { Shape } from "../shape.ts";
import { isInSnapshot, newlySeen } from "../visibility.ts";
import { Comparison } from "./comparison.ts";
import { DifferenceLog } from "./difference_log.ts";
import { Fold, type IsSeen } from "./fold.ts";

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
  readonly signal: AbortSignal;
}

export interface Reconciled {
  /** For the next time; undefined if it is of no more use. */
  readonly fold: Fold | undefined;
  readonly rows: number;
  readonly differences: number;
}

/** The source shows an earlier moment than the log does already: nothing goes back in time. */
export class LaggingSourceError extends Error {
  override readonly name = "LaggingSourceError";
}

/** The source is of another history than the logs. */
export class ForeignHistoryError extends Error {
  override readonly name = "ForeignHistoryError";
  readonly origin: SourceOrigin;
  /** As the source counts. */
  readonly walPosition: bigint;

  constructor(origin: SourceOrigin, walPosition: bigint) {
    super(`The database is of another history: timeline ${origin.timeline}`);
    this.origin = origin;
    this.walPosition = walPosition;
  }
}

/** The stream lost changes of the shape while it was being reconciled: it must be again. */
export class LostMeanwhileError extends Error {
  override readonly name = "LostMeanwhileError";
}

/** From being reserved to having taken its snapshot it holds up the stream, no longer than this. */
const SNAPSHOT_START_MS = 5_000;

/** More transactions than this are not named as the makers of deletes. */
const DELETED_XIDS_MAX = 100;

/** Rejects with the errors above, with what the source rejects with, or with `ShapeGoneError`. */
export function reconcileShape(shape: Shape, options: ReconcileOptions): Promise<Reconciled> {
  return new Reconcile(shape, options).run();
}

class Reconcile implements SnapshotSink {
  readonly #shape: Shape;
  readonly #options: ReconcileOptions;
  readonly #losses: number;
  readonly #taken = Promise.withResolvers<void>();
  readonly #differences: DifferenceLog;
  readonly #encoder: ItemEncoder;
  #fold: Fold;
  /** The log leaves out what the rows' snapshot saw. */
  #isVisible = false;
  /** The stream has appended to the log meanwhile. */
  #isStreaming = false;
  #comparison: Comparison | undefined;
  #deletedXids: readonly number[] = [];

  constructor(shape: Shape, options: ReconcileOptions) {
    this.#shape = shape;
    this.#options = options;
    this.#losses = shape.losses;
    this.#fold = options.fold ?? this.#newFold();
    const { columns } = shape.definition;
    const placeOf = (name: string) => columns.findIndex((column) => column.name === name);
    this.#encoder = new ItemEncoder(shape.definition, placeOf);
    const { ingest, store } = options;
    this.#differences = new DifferenceLog({
      shape,
      encoder: this.#encoder,
      committedLsn: () => ingest.positions.committedLsn,
      atBoundary: (run) => ingest.atBoundary(run),
      ready: () => store.queuedBytes > QUEUED_BYTES_HIGH ? store.flushed() : Promise.resolve(),
      isLater: (lo, hi) => {
        const { table } = this.#fold;
        const at = table.find(lo, hi);
        return at >= 0 && table.isLater(at);
      },
    });
  }

  async run(): Promise<Reconciled> {
    const { source, signal } = this.#options;
    const shape = this.#shape;
    const wasFrozen = shape.isFrozen;
    shape.freeze();
    try {
      await source.snapshot(this.#request(), this, { onReserved: this.#onReserved, signal });
      await this.#comparison?.finish(this.#deletedXids);
      await this.#settle();
    } catch (error) {
      this.#abandon(wasFrozen);
      throw error;
    } finally {
      this.#taken.resolve();
      shape.observe(undefined);
    }
    return this.#result();
  }

  visible(visibility: Visibility, origin: SourceOrigin | undefined): Promise<void> {
    const { ingest } = this.#options;
    const shape = this.#shape;
    if (origin) this.#assertHistory(origin, visibility.walPosition);
    const placed = ingest.positions.place(visibility);
    if (shape.visibility && placed.walPosition < shape.visibility.walPosition) {
      throw new LaggingSourceError("The database is behind what the shape's log has");
    }
    if (shape.visibility) {
      this.#deletedXids = newlySeen(shape.visibility, placed, DELETED_XIDS_MAX);
    }
    shape.markVisible(placed);
    ingest.revise(shape);
    this.#isVisible = true;
    shape.observe((entry) => {
      if (this.#differences.isAppending) return;
      this.#isStreaming = true;
      this.#fold.markLater(entry);
    });
    this.#taken.resolve();
    return this.#readLog(placed);
  }

  rows(copyText: Uint8Array): Promise<void> | undefined {
    return this.#comparison?.add(copyText);
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
    const timer = setTimeout(() => this.#taken.resolve(), SNAPSHOT_START_MS);
    this.#options.ingest.pauseFor(this.#taken.promise.finally(() => clearTimeout(timer)));
  };

  #assertHistory(origin: SourceOrigin, walPosition: bigint): void {
    const identity = this.#options.identity();
    if (identity === undefined) return;
    const isSame = origin.systemId === identity.systemId &&
      (origin.isReplica || origin.timeline === identity.timeline);
    if (!isSame) throw new ForeignHistoryError(origin, walPosition);
  }

  #newFold(): Fold {
    return new Fold(this.#shape.storedLog(), { seed: this.#options.seed });
  }

  async #readLog(placed: Visibility): Promise<void> {
    const shape = this.#shape;
    const until = shape.appended;
    const isSeen = this.#isSeenBy(placed);
    const known = this.#options.fold;
    if (!known || !await known.extend(until, isSeen)) {
      const later = this.#fold;
      this.#fold = this.#newFold();
      await this.#fold.read(until, isSeen);
      // What came while an earlier fold was still in use.
      later.table.eachLater((lo, hi) => this.#fold.table.markLater(this.#fold.table.enter(lo, hi)));
    }
    this.#comparison = new Comparison(shape, this.#fold, this.#differences, this.#encoder);
  }

  #isSeenBy(placed: Visibility): IsSeen {
    const beganAt = this.#options.identity()?.beganAt ?? 0n;
    return (lsn, xid) => {
      // Items of reconciles lie at odd positions: the source is never behind them.
      if (lsn < beganAt || (lsn & 1n) === 1n || lsn < placed.walPosition - NEAR_BYTES) return true;
      if (xid === undefined) return lsn < placed.walPosition;
      return isInSnapshot(placed, { xid, commitLsn: lsn });
    };
  }

  /** All differences are appended: makes them durable, then shows them. */
  async #settle(): Promise<void> {
    const { store, ingest, isStreamed } = this.#options;
    const shape = this.#shape;
    if (shape.isGone) throw new ShapeGoneError(shape.handle);
    const isFollowed = shape.isFollowed || isStreamed;
    const hasGap = this.#isStreaming && !isFollowed;
    if (hasGap || shape.losses !== this.#losses) {
      throw new LostMeanwhileError("The stream left changes out meanwhile");
    }
    if (this.#differences.count > 0 || shape.isFollowed !== isFollowed) {
      shape.markReconciled(isFollowed, this.#differences.first);
      ingest.positions.markApplied();
      await store.flushed();
    }
    shape.thaw();
  }

  /** What has been appended makes no sense alone: the shape stays frozen until the next time. */
  #abandon(wasFrozen: boolean): void {
    const shape = this.#shape;
    if (this.#isVisible) shape.lose();
    else if (!wasFrozen) shape.thaw();
  }

  async #result(): Promise<Reconciled> {
    const { rows = 0 } = this.#comparison ?? {};
    const differences = this.#differences.count;
    const hasLater = this.#fold.table.settle();
    const isKept = !hasLater && await this.#fold.extend(this.#shape.appended, () => true);
    return { fold: isKept ? this.#fold : undefined, rows, differences };
  }
}

/**
 * Transactions so far apart in the WAL can't both be under way, and their ids may be too far apart
 * to be compared: 2^31 of them write more than this.
 */
const NEAR_BYTES = 64n * 1024n * 1024n * 1024n;
