/** The stream and the looks at the server beside it, joined into one mode and one report. */

import type { Mode } from "../shapes/mode.ts";
import type { Logger } from "../shapes/ports.ts";
import type { ConnectionStatus, ReplicationStatus } from "../shapes/status.ts";
import type { DatabaseUrl } from "./database_url.ts";
import { LogLimiter } from "./log_limiter.ts";
import { createModeState, type ModeEvent, type ModeState, nextModeState } from "./mode_machine.ts";
import { modeReasonOf } from "./mode_reason.ts";
import { classifyPostgresError, describePostgresError } from "./postgres_error.ts";
import type { Probe } from "./probe.ts";
import { Prober } from "./prober.ts";
import { Replicator, WAITING_FOR_CLIENT, WAITING_FOR_LOCK } from "./replicator.ts";
import { ServerWatch } from "./server_watch.ts";
import { setupNames } from "./setup_plan.ts";
import { Sleeper } from "./sleeper.ts";
import { connectionStatus, replicationStatus } from "./status_report.ts";
import type { StreamSink } from "./stream_sink.ts";
import { budgetBytes, retainedBytes } from "./wal_budget.ts";

export interface HealthOptions {
  /** Straight to the database, not through a pooler. */
  readonly url: DatabaseUrl;
  /** See `setupNames`. */
  readonly streamId: string;
  /** Never create the publication. */
  readonly isManual: boolean;
  /** WAL that our slot may make the server keep; undefined for no limit of ours. */
  readonly maxRetainedBytes?: number;
  /** How long another instance that holds the lock may give no sign of life. */
  readonly holderSilenceMs?: number;
  /** See `STILL_MAX_MS`. */
  readonly stillMaxMs?: number;
  /** Without transactions and requests for so long all connections are closed; 0 for never. */
  readonly idleTimeoutMs?: number;
  /** Between looks at the WAL that the server keeps meanwhile. */
  readonly wakeIntervalMs?: number;
  /** Changes are found by queries for good: no slot, no publication, no stream. */
  readonly isQueryOnly?: boolean;
  /** Of a replica to ask while the primary does not answer. */
  readonly replicaUrl?: DatabaseUrl;
  /** What else uses the database all the time: until the signal fires, and again after a sleep. */
  readonly whileAwake?: (signal: AbortSignal) => Promise<void>;
  /** Nothing is answered for so long that connections from before are dead; once an outage. */
  readonly onLongSilence?: () => void;
  readonly sink: StreamSink;
  readonly logger: Logger;
  /** Called whenever anything of the mode changes. */
  readonly onMode?: (mode: Mode) => void;
  readonly now?: () => number;
}

const QUERY_MODE: ModeEvent = {
  kind: "interrupted",
  reason: "query_mode",
  detail: "Changes are found by queries (--change-source=query)",
};

const WAKE_INTERVAL_MS = 5 * 60_000;
/** WAL that a sleeping server may pile up where nothing else says how much. */
const SLEEP_RETAINED_BYTES = 2 ** 30;

/** Owns the replicator and the watch over it. */
export class ReplicationHealth {
  readonly #options: HealthOptions;
  readonly #now: () => number;
  readonly #replicator: Replicator;
  readonly #watch: ServerWatch;
  readonly #sleeper: Sleeper;
  readonly #limiter = new LogLimiter();
  readonly #replica: Prober | undefined;
  #state: ModeState;
  #probe: Probe | undefined;
  /** When the stream was last seen to have all that the server had. */
  #caughtUpMs: number | undefined;
  /** When all that the server had was last seen to be durable here. */
  #confirmedUpMs: number | undefined;

  /** Throws `RangeError` for a stream id that can't name a slot. */
  constructor(options: HealthOptions) {
    const { url, streamId, isManual, logger } = options;
    const now = options.now ?? Date.now;
    this.#options = options;
    this.#now = now;
    this.#state = createModeState(WAITING_FOR_LOCK, now());
    const onEvent = (event: ModeEvent) => this.#apply(event);
    const sink = this.#listenTo(options.sink);
    const replicator = new Replicator({ url, streamId, isManual, sink, logger, now, onEvent });
    this.#replicator = replicator;
    this.#watch = new ServerWatch({
      url,
      names: setupNames(streamId),
      maxRetainedBytes: options.maxRetainedBytes,
      holderSilenceMs: options.holderSilenceMs,
      stillMaxMs: options.stillMaxMs,
      isQueryOnly: options.isQueryOnly === true,
      logger,
      now,
      replicator,
      onAnswer: (probe) => this.#noteAnswer(probe),
      onSilence: (error) => this.#noteSilence(error),
      onLongSilence: () => options.onLongSilence?.(),
    });
    const { replicaUrl } = options;
    this.#replica = replicaUrl && new Prober(replicaUrl, setupNames(streamId));
    this.#sleeper = new Sleeper({
      idleTimeoutMs: options.idleTimeoutMs ?? 0,
      wakeIntervalMs: options.wakeIntervalMs ?? WAKE_INTERVAL_MS,
      now,
      maySleep: () => this.mode.kind === "live",
      work: (signal) => this.#work(signal),
      onSleep: () => this.#halt("sleeping"),
      look: () => this.#mustWake(),
    });
  }

  get mode(): Mode {
    return this.#state.mode;
  }

  /** Queries must go to the replica. */
  get isOnReplica(): boolean {
    return this.#state.isOnReplica;
  }

  /** Everything before `lsn` is durable: see `Replicator.confirm`. */
  confirm(lsn: bigint): void {
    this.#replicator.confirm(lsn);
  }

  /** Streams and looks until the signal fires; never rejects. */
  async run(signal: AbortSignal): Promise<void> {
    await this.#sleeper.run(signal);
    await this.#replica?.[Symbol.asyncDispose]();
    this.#halt("stopping");
  }

  /**
   * A request begins: it keeps the connections open, and opens them if they are closed. What is
   * returned tells that it has ended.
   */
  beginRequest(): () => void {
    return this.#sleeper.activity.begin();
  }

  async #work(signal: AbortSignal): Promise<void> {
    const { whileAwake, isQueryOnly } = this.#options;
    if (isQueryOnly) this.#apply(QUERY_MODE);
    await Promise.all([
      isQueryOnly ? undefined : this.#replicator.run(signal),
      this.#watch.run(signal),
      whileAwake?.(signal),
    ]);
  }

  #halt(reason: "sleeping" | "stopping"): void {
    this.#apply({ kind: "halted", reason, detail: WAITING_FOR_CLIENT });
  }

  /** Whether so much WAL is kept for us that it has to be read now. */
  async #mustWake(): Promise<boolean> {
    try {
      const probe = await this.#watch.peek();
      const budget = budgetBytes(probe, this.#options.maxRetainedBytes);
      const limit = budget === undefined ? SLEEP_RETAINED_BYTES : budget / 2;
      return (retainedBytes(probe) ?? 0) > limit;
    } catch (error) {
      this.#options.logger.info("Cannot look at the slot while asleep", {
        error: describePostgresError(error),
      });
      return false;
    }
  }

  /** The sink, with an ear for changes. */
  #listenTo(sink: StreamSink): StreamSink {
    return {
      beforeGap: (cause) => sink.beforeGap(cause),
      begin: (session) => sink.begin(session),
      end: () => sink.end(),
      accept: (events) => {
        if (events.some(({ kind }) => kind === "change")) this.#sleeper.activity.note();
        return sink.accept(events);
      },
    };
  }

  report(): { connection: ConnectionStatus; replication: ReplicationStatus } {
    const view = {
      state: this.#state,
      probe: this.#probe,
      stream: this.#replicator.stream?.progress,
      names: this.#replicator.names,
      maxRetainedBytes: this.#options.maxRetainedBytes,
      caughtUpMs: this.#caughtUpMs,
      confirmedUpMs: this.#confirmedUpMs,
      nowMs: this.#now(),
    };
    return { connection: connectionStatus(view), replication: replicationStatus(view) };
  }

  #noteAnswer(probe: Probe): void {
    this.#probe = probe;
    this.#apply({ kind: "reachable" });
    const progress = this.#replicator.stream?.progress;
    if (!progress) return;
    if (progress.receivedLsn >= probe.lsn) this.#caughtUpMs = this.#now();
    if (progress.confirmedLsn >= probe.lsn) this.#confirmedUpMs = this.#now();
  }

  async #noteSilence(error: unknown): Promise<void> {
    if (await this.#isReplicaThere()) return this.#apply({ kind: "reachable", isByReplica: true });
    const code = classifyPostgresError(error);
    const text = describePostgresError(error);
    this.#apply({ kind: "unreachable", reason: modeReasonOf(code) });
    const times = this.#limiter.admit(`${code} ${text}`, this.#now());
    if (times === undefined) return;
    this.#options.logger.warn("Postgres does not answer queries", {
      error: text,
      code,
      ...(times === 1 ? {} : { times }),
    });
  }

  async #isReplicaThere(): Promise<boolean> {
    if (!this.#replica) return false;
    try {
      await this.#replica.query("SELECT");
      return true;
    } catch {
      // The primary's error says why nothing answers.
      return false;
    }
  }

  #apply(event: ModeEvent): void {
    const before = this.#state.mode;
    this.#state = nextModeState(this.#state, event, this.#now());
    const { mode } = this.#state;
    if (event.kind === "interrupted" || event.kind === "troubled") this.#watch.lookNow();
    const { kind, reason, detail } = mode;
    if (kind === before.kind && reason === before.reason && detail === before.detail) return;
    if (kind !== before.kind || reason !== before.reason) this.#logMode(before, mode);
    this.#options.onMode?.(mode);
  }

  #logMode(before: Mode, { kind, reason, detail, sinceMs }: Mode): void {
    // A start and an end in which nothing is wrong are no news.
    const isFirst = kind === "live" &&
      (before.reason === "starting" || before.reason === "sleeping");
    const isAsMeant = reason === "query_mode" && before.kind === "starting";
    if (isFirst || isAsMeant || reason === "starting" || reason === "stopping") return;
    const times = this.#limiter.admit(`${kind} ${reason}`, this.#now());
    if (times === undefined) return;
    this.#options.logger.warn(`Mode is ${kind}`, {
      ...(reason === undefined ? {} : { reason, detail }),
      before: before.reason === undefined ? before.kind : `${before.kind}: ${before.reason}`,
      ...(kind === before.kind ? {} : { beforeMs: Math.round(sinceMs - before.sinceMs) }),
      ...(kind === "live" ? { outageMs: Math.round(sinceMs - this.#state.outageSinceMs) } : {}),
      ...(times === 1 ? {} : { times }),
    });
  }
}
