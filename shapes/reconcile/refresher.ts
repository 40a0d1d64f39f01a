/**
 * Keeps shapes fresh that the stream does not: in fallback those that somebody wants, and while the
 * stream runs those that it has left changes out of, until they can go on with it.
 */

import { type EndKind, ReconcileCounters } from "../counters.ts";
import { InvalidRequestError, ShapeGoneError, TooSlowError, UnavailableError } from "../errors.ts";
import type { Ingest } from "../ingest.ts";
import type { ShapeStore, StoredIdentity } from "../log/store.ts";
import type { Mode } from "../mode.ts";
import { type Logger, type Source, type SourceOrigin, TableChangedError } from "../ports.ts";
import { SnapshotError } from "../service.ts";
import type { Shape } from "../shape.ts";
import type { Table } from "../table.ts";
import { type TraceWork, untraced } from "../tracing.ts";
import { FoldCache } from "./fold_cache.ts";
import { ForeignHistoryError, LaggingSourceError, LostMeanwhileError } from "./reconcile_errors.ts";
import { reconcileShape } from "./reconcile.ts";
import { compareCandidates, dueMs, firstTurn, type Turn } from "./schedule.ts";
import { SlowShapes } from "./slow_shapes.ts";

export interface RefresherOptions {
  readonly source: Source;
  readonly ingest: Ingest;
  readonly store: ShapeStore;
  readonly logger: Logger;
  readonly shapes: () => Iterable<Shape>;
  readonly mode: () => Mode;
  readonly identity: () => StoredIdentity | undefined;
  /** A source of another history was met: the logs must go on with it. */
  readonly onForeign: (origin: SourceOrigin, walPosition: bigint) => Promise<void>;
  /** The shape can't be reconciled: its clients start again. */
  readonly rotate: (shape: Shape, reason: string, kind: EndKind) => void;
  readonly intervalMs: number;
  /** Reconciles at a time. */
  readonly concurrency: number;
  readonly nowMs: () => number;
  /** In [0, 1). */
  readonly random: () => number;
  readonly trace?: TraceWork | undefined;
}

/** How often it is looked for shapes whose turn has come. */
const LOOK_MS = 100;
/** So long after that others may have to come first. */
const QUEUE_MAX_MS = 1_000;
/** A shape that fails for its own sake this many times in a row starts again. */
const FAILURES_MAX = 3;
/** After a restart a reader that is ahead of what was stored is waited for so long. */
const AHEAD_PATIENCE_MS = 10_000;
/**
 * A stream that catches up leaves the rest of the process little time. It waits for so long when
 * shapes are reconciled beside it, and then goes on for four times as long at least.
 */
const STREAM_HOLD_MS = 400;
const STREAM_HOLD_EVERY_MS = 5 * STREAM_HOLD_MS;
/** Only once it has been late for so long: holding it up costs memory, 80 MB of it at most. */
const STREAM_HOLD_AFTER_MS = 3_000;
/** Who asked this many intervals ago may ask again. */
const WANTED_INTERVALS = 2;

export class Refresher {
  readonly #options: RefresherOptions;
  readonly #turns = new WeakMap<Shape, Turn>();
  readonly #running = new Map<Shape, Promise<void>>();
  readonly #folds = new FoldCache();
  readonly #slow = new SlowShapes();
  readonly #seed: number;
  /** Tables that could not be prepared, each mentioned once. */
  readonly #reported = new WeakSet<Table>();
  /** Shapes whose turn it is, the first one last; found at a moment, at a WAL position. */
  #queue: Shape[] = [];
  #queuedMs = -Infinity;
  #position: bigint | undefined;
  #isLooking = false;
  #startedMs = 0;
  #nextHoldMs = -Infinity;
  #signal = AbortSignal.abort();
  readonly counters: ReconcileCounters = new ReconcileCounters();

  constructor(options: RefresherOptions) {
    this.#options = options;
    this.#seed = options.random() * 2 ** 32;
  }

  /** Shapes being reconciled right now. */
  get running(): number {
    return this.#running.size;
  }

  isRunning(shape: Shape): boolean {
    return this.#running.has(shape);
  }

  /** Shapes that nothing keeps fresh: reconciling them took too long the last time. */
  get slow(): number {
    return this.#slow.count((shape) => this.isSlow(shape));
  }

  isSlow(shape: Shape): boolean {
    return this.#slow.has(shape) && this.#isNeeded(shape);
  }

  /** Runs until the signal fires and what is under way has ended; never rejects. */
  async run(signal: AbortSignal): Promise<void> {
    this.#signal = signal;
    this.#startedMs = this.#options.nowMs();
    const timer = setInterval(() => this.#look(), LOOK_MS);
    await new Promise<void>((resolve) => {
      if (signal.aborted) resolve();
      else signal.addEventListener("abort", () => resolve(), { once: true });
    });
    clearInterval(timer);
    await Promise.all(this.#running.values());
  }

  /**
   * Sees to it that the shape is no staler than an interval. Undefined if that needs nothing; else
   * resolves when it has been done or could not be.
   */
  refresh(shape: Shape): Promise<void> | undefined {
    if (this.#signal.aborted || !this.#isNeeded(shape)) return undefined;
    const running = this.#running.get(shape);
    if (running) return running;
    if (this.#dueMs(shape) > this.#options.nowMs()) return undefined;
    if (!this.#hasRoom(shape)) return undefined;
    return this.#start(shape, undefined);
  }

  async #look(): Promise<void> {
    const { mode, logger, nowMs } = this.#options;
    if (this.#isLooking || mode().kind === "starting") return;
    this.#isLooking = true;
    try {
      const isOld = nowMs() - this.#queuedMs >= QUEUE_MAX_MS;
      if (this.#queue.length === 0 || isOld) await this.#enqueue();
      this.#startNext();
    } catch (error) {
      if (!(error instanceof UnavailableError)) {
        logger.error("Looking for shapes to reconcile failed", { reason: reasonOf(error) });
      }
    } finally {
      this.#isLooking = false;
    }
  }

  /** Finds the shapes whose turn it is. */
  async #enqueue(): Promise<void> {
    const { shapes, nowMs, source } = this.#options;
    const now = this.#queuedMs = nowMs();
    const due: Shape[] = [];
    for (const shape of shapes()) {
      if (!this.#isNeeded(shape) || !this.#isWanted(shape, now)) continue;
      if (!this.#running.has(shape) && this.#dueMs(shape) <= now) due.push(shape);
    }
    this.#queue = due;
    if (due.length === 0) return;
    this.#holdStream();
    const position = this.#position = await source.position();
    const isSlow = (shape: Shape) => Number(this.#slow.has(shape));
    this.#queue = due.filter((shape) => !this.#isUnmoved(shape, position))
      .sort((a, b) => isSlow(a) - isSlow(b) || compareCandidates(a, b)).reverse();
  }

  /** Starts as many as may run; called again whenever one has ended. */
  #startNext(): void {
    while (this.#running.size < this.#options.concurrency && !this.#signal.aborted) {
      const shape = this.#queue.pop();
      if (!shape) return;
      const isRunning = this.#running.has(shape);
      if (this.#isNeeded(shape) && !isRunning && this.#hasRoom(shape)) {
        this.#start(shape, this.#position);
      }
    }
  }

  /** Those that were too slow leave room for one that may not be. */
  #hasRoom(shape: Shape): boolean {
    const { concurrency } = this.#options;
    if (this.#running.size >= concurrency) return false;
    if (!this.#slow.has(shape)) return true;
    return this.#slow.count((each) => this.#running.has(each)) < Math.max(1, concurrency - 1);
  }

  /** Whether reconciling is what keeps it fresh. */
  #isNeeded(shape: Shape): boolean {
    if (!shape.isComplete || shape.isGone || shape.definition.log !== "full") return false;
    // Its clients get the rest of the transaction, all at once.
    if (this.#options.ingest.isWriting(shape)) return false;
    // The stream may come in a moment, and bring again what such a reader has.
    const { nowMs } = this.#options;
    if (shape.earlierReaders.isAwaited && nowMs() - this.#startedMs < AHEAD_PATIENCE_MS) {
      return false;
    }
    const { kind } = this.#options.mode();
    return kind === "fallback" || (kind === "live" && shape.isBehind);
  }

  /** While the stream runs all who lack changes are brought back to it, also if nobody asks. */
  #isWanted(shape: Shape, nowMs: number): boolean {
    if (shape.isWatched || this.#options.mode().kind === "live") return true;
    // Restoring it was no use of it: its readers may be ahead of what was stored, and yet to come.
    if (shape.lastUsedMs < this.#startedMs) return false;
    return nowMs - shape.lastUsedMs < this.#options.intervalMs * WANTED_INTERVALS;
  }

  #dueMs(shape: Shape): number {
    const { intervalMs, random } = this.#options;
    return dueMs(this.#turnOf(shape), intervalMs, random());
  }

  /** Nothing has been written since the last time: there is nothing to find. */
  #isUnmoved(shape: Shape, position: bigint): boolean {
    const turn = this.#turnOf(shape);
    if (turn.position !== position || shape.isFrozen) return false;
    // What a view shows may be stored elsewhere.
    if (shape.definition.table.kind === "view") return false;
    if (this.#options.mode().kind === "live") return false;
    turn.startedMs = turn.endedMs = this.#options.nowMs();
    turn.queryMs = 0;
    return true;
  }

  #turnOf(shape: Shape): Turn {
    let turn = this.#turns.get(shape);
    if (!turn) this.#turns.set(shape, turn = firstTurn());
    return turn;
  }

  #start(shape: Shape, position: bigint | undefined): Promise<void> {
    const turn = this.#turnOf(shape);
    turn.startedMs = this.#options.nowMs();
    this.#holdStream();
    const { trace = untraced } = this.#options;
    const fields = { table: shape.definition.table.name, handle: shape.handle };
    const run = trace("reconcile", fields, () => this.#reconcile(shape)).then(
      (queryMs) => {
        turn.queryMs = queryMs;
        turn.failures = 0;
        turn.position = position;
        this.#slow.forget(shape);
      },
      (error) => {
        turn.queryMs = this.#options.nowMs() - turn.startedMs;
        return this.#noteFailure(shape, turn, error);
      },
    ).finally(() => {
      turn.endedMs = this.#options.nowMs();
      this.#running.delete(shape);
      this.#startNext();
    });
    this.#running.set(shape, run);
    return run;
  }

  #holdStream(): void {
    const { mode, ingest, nowMs } = this.#options;
    const { reason, sinceMs } = mode(), now = nowMs();
    const isLong = reason === "stream_late" && now - sinceMs >= STREAM_HOLD_AFTER_MS;
    if (!isLong || now < this.#nextHoldMs) return;
    this.#nextHoldMs = now + STREAM_HOLD_EVERY_MS;
    ingest.pauseFor(new Promise((resolve) => setTimeout(resolve, STREAM_HOLD_MS)));
  }

  /** Resolves to how long the database was at work. */
  async #reconcile(shape: Shape): Promise<number> {
    const { source, ingest, store, identity, nowMs } = this.#options;
    const isStreamed = await this.#isStreamed(shape);
    const { counters } = this;
    counters.queries++;
    const startMs = performance.now();
    const { fold, rows, differences, queryMs } = await reconcileShape(shape, {
      source,
      ingest,
      store,
      identity,
      isStreamed,
      nowMs,
      seed: this.#seed,
      fold: this.#folds.take(shape),
      signal: this.#signal,
    });
    counters.seconds.observe((performance.now() - startMs) / 1000);
    counters.readRows += rows;
    counters.appendedRows += differences;
    const { handle, definition: { table } } = shape;
    this.#options.logger.debug("Reconciled a shape", {
      handle,
      table: table.name,
      rows,
      differences,
      tookMs: Math.round(performance.now() - startMs),
    });
    // While the stream runs the log grows without us.
    if (fold && !isStreamed) this.#folds.keep(shape, fold);
    return queryMs;
  }

  /** Whether the stream brings the table's changes from now on. */
  async #isStreamed({ definition: { table } }: Shape): Promise<boolean> {
    const { source, mode, logger } = this.#options;
    if (mode().kind !== "live") return false;
    try {
      await source.prepare(table);
      return mode().kind === "live";
    } catch (error) {
      if (!(error instanceof UnavailableError)) throw error;
      if (!this.#reported.has(table)) {
        this.#reported.add(table);
        const { message: reason } = error;
        logger.warn("The stream does not bring a table: it is queried", {
          table: table.name,
          reason,
        });
      }
      return false;
    }
  }

  async #noteFailure(shape: Shape, turn: Turn, error: unknown): Promise<void> {
    const { onForeign, rotate, logger } = this.#options;
    if (this.#signal.aborted || shape.isGone || error instanceof ShapeGoneError) return;
    this.counters.failures++;
    if (error instanceof ForeignHistoryError) {
      return await onForeign(error.origin, error.walPosition).catch(() => {});
    }
    if (error instanceof TooSlowError) return this.#noteSlow(shape, error);
    const isTransient = error instanceof UnavailableError || error instanceof LaggingSourceError ||
      error instanceof LostMeanwhileError || error instanceof TableChangedError;
    logger.warn("Could not reconcile a shape", {
      handle: shape.handle,
      table: shape.definition.table.name,
      reason: reasonOf(error),
    });
    if (isTransient) return;
    turn.failures++;
    const isOwn = error instanceof InvalidRequestError || error instanceof SnapshotError;
    if (turn.failures < FAILURES_MAX && !isOwn) return;
    rotate(shape, "It can't be reconciled", "reconcile_failed");
  }

  /** It would be for others, too, so that its clients need not start again. */
  #noteSlow(shape: Shape, { message: reason }: TooSlowError): void {
    this.counters.timeouts++;
    const { handle, definition: { table } } = shape, { logger } = this.#options;
    const times = this.#slow.note(shape);
    const fields = { handle, table: table.name, reason, times };
    if (times < FAILURES_MAX) logger.warn("Could not reconcile a shape", fields);
    else logger.error("A shape is not kept fresh", fields);
  }
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : `${error}`;
}
