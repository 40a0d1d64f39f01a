/** Keeps the replication stream running: connects, sets up, streams, and starts again, for ever. */

import type { StreamEvent } from "../shapes/change.ts";
import type { Logger } from "../shapes/ports.ts";
import { openReplication, type ReplicationConnection } from "./connection.ts";
import type { DatabaseUrl } from "./database_url.ts";
import { retryDelayMs, STREAM_PROVEN_MS } from "./liveness.ts";
import {
  classifyPostgresError,
  ConnectionError,
  describePostgresError,
  policyFor,
} from "./postgres_error.ts";
import { delay, runSetup } from "./setup.ts";
import { setupNames, type SetupState, startReplicationCommand } from "./setup_plan.ts";
import { ReplicationStream } from "./stream.ts";

/** What a stream that is about to start belongs to. */
export interface Session {
  /** With the timeline, the identity of the database's history. */
  readonly systemId: string;
  readonly timeline: number;
  readonly database: string;
  /** `server_version_num`: 180004 is 18.4. */
  readonly serverVersion: number;
  /**
   * The slot was made since the last `begin` that resolved: changes may be missing before
   * `confirmedLsn`. After a crash in between only the sink can know, when `confirmedLsn` is beyond
   * what it has stored.
   */
  readonly isSlotNew: boolean;
  /** The stream brings every transaction whose commit ends after this, some of them again. */
  readonly confirmedLsn: bigint;
}

export interface StreamSink {
  /**
   * Called before each (re)start of the stream, which waits for it. What the previous stream left
   * unfinished must be settled or dropped when it resolves; relations will be announced anew. A
   * rejection makes the replicator try again.
   */
  begin(session: Session): Promise<void>;
  /**
   * Events in order. A returned promise is back-pressure: no more are delivered until it resolves.
   * An error or rejection ends the stream, which starts again from what was confirmed.
   */
  accept(events: readonly StreamEvent[]): Promise<void> | undefined;
}

/** `waiting`: another instance holds the lock. */
export interface ReplicatorState {
  readonly kind: "starting" | "waiting" | "streaming";
  /** Why it does not stream, in the words of WIRE.md 6.3; empty when it does. */
  readonly reason: string;
  readonly sinceMs: number;
}

export interface ReplicatorOptions {
  readonly url: DatabaseUrl;
  /** See `setupNames`. */
  readonly streamId: string;
  /** Never create the publication. */
  readonly isManual: boolean;
  readonly sink: StreamSink;
  readonly logger: Logger;
  readonly onState?: (state: ReplicatorState) => void;
  readonly now?: () => number;
  /** In [0, 1). */
  readonly random?: () => number;
}

const WAITING_FOR_LOCK = "Timeout waiting for Postgres lock acquisition";
const WAITING_FOR_CLIENT = "Timeout waiting for replication client to be ready";
const PENDING_TRANSACTIONS =
  ". Check that you don't have pending transactions in the database. Electric has to wait for all " +
  "pending transactions to commit or rollback before it can create the replication slot.";

export class Replicator {
  readonly #options: ReplicatorOptions;
  readonly #now: () => number;
  #state: ReplicatorState;
  #stream: ReplicationStream | undefined;
  #hasLock = false;
  #lastError: string | undefined;
  #failures = 0;
  #isSlotStale = false;
  #isSlotNew = false;

  /** Throws `RangeError` for a stream id that can't name a slot. */
  constructor(options: ReplicatorOptions) {
    setupNames(options.streamId);
    this.#options = options;
    this.#now = options.now ?? Date.now;
    this.#state = { kind: "starting", reason: WAITING_FOR_LOCK, sinceMs: this.#now() };
  }

  get state(): ReplicatorState {
    return this.#state;
  }

  /**
   * Everything before `lsn` is durable: the server may drop its WAL. Reported soon after. Has no
   * effect unless a stream runs, which then starts from where the slot stands.
   */
  confirm(lsn: bigint): void {
    this.#stream?.confirm(lsn);
  }

  /** Runs until the signal fires; closes the stream in an orderly way then. Never rejects. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        await this.#runSession(signal);
      } catch (error) {
        if (signal.aborted) break;
        await delay(this.#noteFailure(error), signal).catch(() => {});
      }
    }
    this.#setState("starting", WAITING_FOR_CLIENT);
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
    try {
      const setup = await runSetup(connection, this.#setupOptions(), signal);
      await this.#begin(setup, signal);
      await this.#runStream(connection, setup, signal);
    } finally {
      signal.removeEventListener("abort", abandon);
      await connection.close(500);
    }
  }

  #setupOptions() {
    const { url, streamId, isManual, logger } = this.#options;
    return {
      url,
      streamId,
      isManual,
      isSlotStale: this.#isSlotStale,
      logger,
      onStep: (state: SetupState, isWaiting: boolean) => this.#noteStep(state, isWaiting),
    };
  }

  async #begin(setup: SetupState, signal: AbortSignal): Promise<void> {
    if (setup.isSlotNew) {
      this.#isSlotNew = true;
      this.#isSlotStale = false;
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
      connection,
      duplex,
      walSenderTimeoutMs: setup.walSenderTimeoutMs,
      confirmedLsn: setup.confirmedLsn,
      accept: (events) => this.#options.sink.accept(events),
      now: this.#now,
    });
    this.#stream = stream;
    this.#lastError = undefined;
    this.#setState("streaming", "");
    this.#options.logger.info("Replication stream runs", { slot: setup.names.slot });
    try {
      await stream.run(signal);
    } catch (error) {
      connection.terminate(error instanceof Error ? error : new Error(String(error)));
      throw error;
    } finally {
      this.#stream = undefined;
    }
  }

  #noteStep(setup: SetupState, isWaiting: boolean): void {
    if (isWaiting) return this.#setState("waiting", WAITING_FOR_LOCK);
    if (setup.step === "findPublication") this.#hasLock = true;
    if (setup.step === "createSlot") {
      return this.#setState("starting", WAITING_FOR_CLIENT + PENDING_TRANSACTIONS);
    }
    this.#setState("starting", this.#reason());
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
    const policy = policyFor(code);
    const wasStreaming = this.#state.kind === "streaming";
    if (wasStreaming && this.#now() - this.#state.sinceMs >= STREAM_PROVEN_MS) this.#failures = 0;
    this.#failures += 1;
    // The server decodes with the catalog of the past: an old slot never gets over either of them.
    const isStale = code === "slotLost" || (wasStreaming && code === "publicationMissing");
    if (isStale) this.#isSlotStale = true;
    this.#lastError = describePostgresError(error);
    this.#setState("starting", this.#reason());
    const waitMs = retryDelayMs(
      isStale ? "soon" : policy.retry,
      this.#failures,
      (this.#options.random ?? Math.random)(),
    );
    this.#options.logger.warn("Replication is interrupted", {
      error: this.#lastError,
      code,
      retryInMs: Math.round(waitMs),
      ...(policy.hint === undefined ? {} : { hint: policy.hint }),
    });
    return waitMs;
  }

  #setState(kind: ReplicatorState["kind"], reason: string): void {
    if (kind === this.#state.kind && reason === this.#state.reason) return;
    const sinceMs = kind === this.#state.kind ? this.#state.sinceMs : this.#now();
    this.#state = { kind, reason, sinceMs };
    this.#options.onState?.(this.#state);
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
