/** Keeps the replication stream running: connects, sets up, streams, and starts again, for ever. */

import type { ModeReason } from "../shapes/mode.ts";
import type { Logger } from "../shapes/ports.ts";
import { Alarm } from "./alarm.ts";
import { openReplication, type ReplicationConnection } from "./connection.ts";
import type { DatabaseUrl } from "./database_url.ts";
import { retryDelayMs, STREAM_PROVEN_MS, type Trouble } from "./liveness.ts";
import { LogLimiter } from "./log_limiter.ts";
import type { ModeEvent } from "./mode_machine.ts";
import { modeReasonOf } from "./mode_reason.ts";
import {
  classifyPostgresError,
  ConnectionError,
  describePostgresError,
  policyFor,
  type PostgresErrorCode,
} from "./postgres_error.ts";
import { runSetup } from "./setup.ts";
import {
  type GapCause,
  type SetupNames,
  setupNames,
  type SetupState,
  type SetupStep,
  startReplicationCommand,
} from "./setup_plan.ts";
import { ReplicationStream } from "./stream.ts";
import type { StreamSink } from "./stream_sink.ts";

export interface ReplicatorOptions {
  readonly url: DatabaseUrl;
  /** See `setupNames`. */
  readonly streamId: string;
  /** Never create the publication. */
  readonly isManual: boolean;
  readonly sink: StreamSink;
  readonly logger: Logger;
  /** What it goes through, as it happens; why it does not stream in the words of WIRE.md 6.3. */
  readonly onEvent?: (event: ModeEvent) => void;
  readonly now?: () => number;
  /** In [0, 1). */
  readonly random?: () => number;
}

/** What clients are told before anything is known. */
export const WAITING_FOR_LOCK = "Timeout waiting for Postgres lock acquisition";
/** A try without an answer for so long began when there was none to be had. */
const ANSWER_PATIENCE_MS = 1000;
/** And while there is no stream on purpose. */
export const WAITING_FOR_CLIENT = "Timeout waiting for replication client to be ready";
const TROUBLES: Readonly<Record<Trouble, ModeEvent>> = {
  silent: {
    kind: "troubled",
    reason: "stream_stalled",
    detail: "The replication stream gives no answer",
  },
  late: {
    kind: "troubled",
    reason: "stream_late",
    detail: "The replication stream brings changes long after they were made",
  },
};
const PENDING_TRANSACTIONS =
  ". Check that you don't have pending transactions in the database. Electric has to wait for all " +
  "pending transactions to commit or rollback before it can create the replication slot.";

const GAP_REASONS: Readonly<Record<GapCause, ModeReason>> = {
  slotMissing: "slot_lost",
  slotLost: "slot_lost",
  walBudget: "wal_budget",
  publicationMissing: "publication_missing",
  publicationIncomplete: "publication_incomplete",
};

export class Replicator {
  readonly #options: ReplicatorOptions;
  readonly #now: () => number;
  readonly #retry = new Alarm();
  readonly #limiter = new LogLimiter();
  #stream: ReplicationStream | undefined;
  #streamingSinceMs: number | undefined;
  /** When the outage began; one that a stream of a moment interrupted goes on. */
  #outageSinceMs: number;
  #hasLock = false;
  #lastError: string | undefined;
  #stale: GapCause | undefined;
  #hasStreamed = false;
  #connection: ReplicationConnection | undefined;
  #current: { readonly step: SetupStep; readonly stepSinceMs: number } | undefined;
  #isWaitingForLock = false;
  #isHurried = false;
  #backendPid: number | undefined;
  #ghostPid: number | undefined;
  #isSlotNew = false;

  /** Throws `RangeError` for a stream id that can't name a slot. */
  constructor(options: ReplicatorOptions) {
    setupNames(options.streamId);
    this.#options = options;
    this.#now = options.now ?? Date.now;
    this.#outageSinceMs = this.#now();
  }

  get names(): SetupNames {
    return setupNames(this.#options.streamId);
  }

  /** The stream that runs. */
  get stream(): ReplicationStream | undefined {
    return this.#stream;
  }

  /** The step of the set-up that waits for the server, and since when. */
  get current(): { readonly step: SetupStep; readonly stepSinceMs: number } | undefined {
    return this.#current;
  }

  /** Another instance holds the lock. */
  get isWaitingForLock(): boolean {
    return this.#isWaitingForLock;
  }

  /** Process id of the server's end of the connection that is open. */
  get backendPid(): number | undefined {
    return this.#backendPid;
  }

  /** Process id of the backend of the connection that was given up last. */
  get ghostPid(): number | undefined {
    return this.#ghostPid;
  }

  /**
   * Everything before `lsn` is durable: the server may drop its WAL. Reported soon after. Has no
   * effect unless a stream runs, which then starts from where the slot stands.
   */
  confirm(lsn: bigint): void {
    this.#stream?.confirm(lsn);
  }

  /**
   * Runs until the signal fires; closes the stream in an orderly way then. Never rejects. May be run
   * again afterwards.
   */
  async run(signal: AbortSignal): Promise<void> {
    this.#outageSinceMs = this.#now();
    while (!signal.aborted) {
      try {
        await this.#runSession(signal);
      } catch (error) {
        if (signal.aborted) break;
        const waitMs = this.#noteFailure(error);
        await this.#retry.sleep(this.#isHurried ? 0 : waitMs, signal).catch(() => {});
        this.#isHurried = false;
      }
    }
    this.#streamingSinceMs = undefined;
    this.#lastError = undefined;
  }

  /** Something has changed: ends the wait before the next try, and a try that got no answer. */
  retryNow(): void {
    this.#retry.ring();
    const current = this.#current;
    if (current === undefined || this.#stream !== undefined || current.step === "createSlot") {
      return;
    }
    if (this.#now() - current.stepSinceMs < ANSWER_PATIENCE_MS) return;
    this.giveUp(new ConnectionError("timeout", `Server does not answer in "${current.step}"`));
    this.#isHurried = true;
  }

  /**
   * The slot is about to be dropped without a connection in replication mode: waits for the sink.
   * Rejects when the sink does.
   */
  async abandonSlot(error: ConnectionError): Promise<void> {
    this.#lastError = error.message;
    this.#emit({ kind: "interrupted", reason: modeReasonOf(error.code), detail: this.#reason() });
    await this.#options.sink.beforeGap("walBudget");
  }

  /** Drops the connection for a reason that the server does not tell; the next try follows. */
  giveUp(error: ConnectionError): void {
    if (this.#stream) this.#stream.fail(error);
    else this.#connection?.terminate(error);
  }

  async #runSession(signal: AbortSignal): Promise<void> {
    const connection = openReplication({
      url: this.#options.url,
      onNotice: (notice) => this.#noteNotice(notice),
    });
    // Wakes a set-up that waits in the server; a stream has its own goodbye.
    const abandon = () => void (this.#stream ?? connection.close());
    signal.addEventListener("abort", abandon, { once: true });
    this.#hasLock = false;
    this.#connection = connection;
    try {
      const setup = await runSetup(connection, this.#setupOptions(signal), signal);
      this.#current = undefined;
      await this.#begin(setup, signal);
      await this.#runStream(connection, setup, signal);
    } finally {
      signal.removeEventListener("abort", abandon);
      await connection.close(500);
      this.#ghostPid = this.#backendPid ?? this.#ghostPid;
      this.#backendPid = undefined;
      this.#connection = undefined;
      this.#current = undefined;
      this.#isWaitingForLock = false;
    }
  }

  #setupOptions(signal: AbortSignal) {
    const { url, streamId, isManual, logger } = this.#options;
    return {
      url,
      streamId,
      isManual,
      stale: this.#stale,
      logger,
      beforeGap: (state: SetupState) => this.#beforeGap(state, signal),
      onStep: (state: SetupState, isWaiting: boolean) => this.#noteStep(state, isWaiting),
    };
  }

  async #beforeGap({ step, gap: cause }: SetupState, signal: AbortSignal): Promise<void> {
    if (cause === undefined) return;
    if (cause !== "slotMissing" || this.#hasStreamed) {
      this.#options.logger.warn("Changes are missed: the slot is made anew", { cause });
      const reason = GAP_REASONS[cause];
      this.#emit({ kind: "settingUp", step, detail: this.#reason(), cause: reason });
    }
    await unlessAborted(this.#options.sink.beforeGap(cause), signal);
  }

  async #begin(setup: SetupState, signal: AbortSignal): Promise<void> {
    if (setup.isSlotNew) {
      this.#isSlotNew = true;
      this.#stale = undefined;
    }
    const { systemId, timeline, database, serverVersion, confirmedLsn } = setup;
    const begun = this.#options.sink.begin({
      systemId,
      timeline,
      database,
      serverVersion,
      isSlotNew: this.#isSlotNew,
      confirmedLsn,
    });
    await unlessAborted(begun, signal);
    this.#isSlotNew = false;
  }

  async #runStream(
    connection: ReplicationConnection,
    setup: SetupState,
    signal: AbortSignal,
  ): Promise<void> {
    const duplex = await connection.stream(startReplicationCommand(setup.names));
    const stream = new ReplicationStream({
      origin: setup,
      connection,
      duplex,
      walSenderTimeoutMs: setup.walSenderTimeoutMs,
      confirmedLsn: setup.confirmedLsn,
      accept: (events) => this.#options.sink.accept(events),
      onTrouble: (trouble) => this.#emit(trouble ? TROUBLES[trouble] : { kind: "streaming" }),
      now: this.#now,
    });
    this.#stream = stream;
    this.#noteStreaming(setup);
    try {
      await stream.run(signal);
    } catch (error) {
      connection.terminate(error instanceof Error ? error : new Error(String(error)));
      throw error;
    } finally {
      this.#options.sink.end();
      this.#stream = undefined;
    }
  }

  #noteStreaming(setup: SetupState): void {
    this.#lastError = undefined;
    this.#hasStreamed = true;
    this.#streamingSinceMs = this.#now();
    this.#emit({ kind: "streaming" });
    this.#options.logger.info("Replication stream runs", { slot: setup.names.slot });
  }

  #noteStep(setup: SetupState, isWaiting: boolean): void {
    // Between two tries nobody is to answer.
    if (isWaiting) this.#current = undefined;
    this.#isWaitingForLock = isWaiting || (setup.step === "lock" && this.#isWaitingForLock);
    if (isWaiting) return this.#emit({ kind: "waitingForLock", detail: WAITING_FOR_LOCK });
    const { step } = setup;
    this.#current = { step, stepSinceMs: this.#now() };
    if (setup.backendPid !== 0) this.#backendPid = setup.backendPid;
    if (step === "findPublication") this.#hasLock = true;
    const isSlow = step === "createSlot";
    const detail = isSlow ? WAITING_FOR_CLIENT + PENDING_TRANSACTIONS : this.#reason();
    this.#emit({ kind: "settingUp", step, detail });
  }

  #reason(): string {
    const text = this.#hasLock ? WAITING_FOR_CLIENT : WAITING_FOR_LOCK;
    return this.#lastError === undefined ? text : `${text}: ${this.#lastError}`;
  }

  /**
   * From version 18 on the server only warns about a publication that is gone, and leaves its
   * tables' changes out.
   */
  #noteNotice(notice: { message?: string }): void {
    if (!notice.message?.startsWith("skipped loading publication")) return;
    this.#stream?.fail(new ConnectionError("publicationMissing", notice.message));
  }

  /** Records a failure; answers how long to wait. */
  #noteFailure(error: unknown): number {
    const code = classifyPostgresError(error);
    const nowMs = this.#now();
    const wasStreaming = this.#streamingSinceMs !== undefined;
    const streamedMs = nowMs - (this.#streamingSinceMs ?? nowMs);
    if (streamedMs >= STREAM_PROVEN_MS) this.#outageSinceMs = nowMs;
    this.#streamingSinceMs = undefined;
    if (code === "slotLost" || code === "walBudget") this.#stale = code;
    // The server decodes with the catalog of the past: an old slot never gets over either of them.
    if (code === "publicationIncomplete") this.#stale = code;
    if (wasStreaming && code === "publicationMissing") this.#stale = code;
    this.#lastError = describePostgresError(error);
    this.#emit({ kind: "interrupted", reason: modeReasonOf(code), detail: this.#reason() });
    this.#logFailure(code, this.#lastError, nowMs);
    return retryDelayMs(nowMs - this.#outageSinceMs, (this.#options.random ?? Math.random)());
  }

  #logFailure(code: PostgresErrorCode, error: string, nowMs: number): void {
    const times = this.#limiter.admit(`${code} ${error}`, nowMs);
    if (times === undefined) return;
    const { hint } = policyFor(code);
    this.#options.logger.warn("Replication is interrupted", {
      error,
      code,
      ...(times === 1 ? {} : { times }),
      ...(hint === undefined ? {} : { hint }),
    });
  }

  #emit(event: ModeEvent): void {
    this.#options.onEvent?.(event);
  }
}

/** The promise's outcome, or the signal's reason if that comes first. */
async function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  signal.throwIfAborted();
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const abort = () => reject(signal.reason);
  signal.addEventListener("abort", abort, { once: true });
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    signal.removeEventListener("abort", abort);
  }
}
