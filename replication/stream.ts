/** One run of the replication stream: reads, delivers, reports. */

import type { Duplex } from "node:stream";
import type { StreamEvent } from "../shapes/change.ts";
import { assemble, type Assembler, createAssembler, isInTransaction } from "./assemble.ts";
import type { ReplicationConnection } from "./connection.ts";
import { copyMessageEnd, MESSAGE_HEADER_BYTES } from "./copy_bundle.ts";
import {
  createLiveness,
  isSilent,
  judgeTrouble,
  type Liveness,
  mustRequestReply,
  statusDueMs,
  type Trouble,
} from "./liveness.ts";
import { nextTurn } from "./next_turn.ts";
import { decodePgoutput } from "./pgoutput.ts";
import { ConnectionError } from "./postgres_error.ts";
import { decodeStandby, encodeStatusUpdate } from "./standby.ts";

/** Where a stream comes from. */
export interface StreamOrigin {
  readonly systemId: string;
  readonly timeline: number;
  /** Process id of the walsender. */
  readonly backendPid: number;
}

export interface StreamOptions {
  readonly origin: StreamOrigin;
  readonly connection: ReplicationConnection;
  readonly duplex: Duplex;
  readonly walSenderTimeoutMs: number;
  /** Where the slot stands: reported until more is confirmed. */
  readonly confirmedLsn: bigint;
  readonly accept: (events: readonly StreamEvent[]) => Promise<void> | undefined;
  /** What it brings is not the present state, or is again. */
  readonly onTrouble?: (trouble: Trouble | undefined) => void;
  readonly now: () => number;
}

/** How far a stream has come. */
export interface StreamProgress {
  readonly receivedLsn: bigint;
  readonly confirmedLsn: bigint;
  /** When anything came last, a keepalive too. */
  readonly lastReceivedMs: number;
  /** The sink is busy: silence is our own doing. */
  readonly isPaused: boolean;
}

/**
 * How long a goodbye may take, of which closing the connection gets the rest: the server ends the
 * transaction that it is sending before it answers.
 */
const GOODBYE_MS = 1500;

/**
 * A batch of as many message bytes goes out at once, and the rest waits for the next turn of the
 * event loop: newer runtimes read a socket many times before anything else gets its turn.
 */
const BATCH_BYTES_MAX = 64 * 1024;

/**
 * Reads the copy-both stream until it fails or is told to stop. What one read of the socket brought
 * becomes one batch of events; while the sink works on a batch the socket is paused, so that at
 * most the stream's own buffer and one read wait in memory. Reports go on meanwhile.
 */
export class ReplicationStream {
  readonly #options: StreamOptions;
  readonly #assembler: Assembler = createAssembler();
  readonly #liveness: Liveness;
  readonly #done = Promise.withResolvers<void>();
  #batch: StreamEvent[] = [];
  #batchBytes = 0;
  #isFlushScheduled = false;
  #isOver = false;
  /** Silent at the last tick. */
  #wasSilent = false;
  /** As told. */
  #trouble: Trouble | undefined;
  /** When the last change was sent, by the server's clock; undefined when no more were to be sent. */
  #sentAtMs: number | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #receivedLsn: bigint;
  #confirmedLsn: bigint;

  constructor(options: StreamOptions) {
    this.#options = options;
    this.#liveness = createLiveness(options.walSenderTimeoutMs, options.now());
    this.#receivedLsn = options.confirmedLsn;
    this.#confirmedLsn = options.confirmedLsn;
  }

  get origin(): StreamOrigin {
    return this.#options.origin;
  }

  get walSenderTimeoutMs(): number {
    return this.#options.walSenderTimeoutMs;
  }

  get progress(): StreamProgress {
    return {
      receivedLsn: this.#receivedLsn,
      confirmedLsn: this.#confirmedLsn,
      lastReceivedMs: this.#liveness.lastReceivedMs,
      isPaused: this.#liveness.isPaused,
    };
  }

  /** Resolves when it was stopped in an orderly way, within 2 s of the signal; else rejects. */
  async run(signal: AbortSignal): Promise<void> {
    const { duplex, connection } = this.#options;
    const stop = () => this.#stop();
    signal.addEventListener("abort", stop, { once: true });
    duplex.on("data", this.#onData);
    duplex.once("end", () => this.fail(new ConnectionError("closed", "Server ended the stream")));
    connection.closed.then((reason) => this.fail(reason));
    this.#sendStatus();
    if (signal.aborted) stop();
    try {
      await this.#done.promise;
    } finally {
      signal.removeEventListener("abort", stop);
    }
  }

  /** Lets the server drop the WAL before `lsn`: everything before it is durable. Never goes back. */
  confirm(lsn: bigint): void {
    if (lsn <= this.#confirmedLsn || this.#isOver) return;
    this.#confirmedLsn = lsn;
    if (this.#liveness.unreportedSinceMs !== undefined) return;
    this.#liveness.unreportedSinceMs = this.#options.now();
    this.#arm();
  }

  /** Gives the stream up: `run` rejects with the error. */
  fail(error: unknown): void {
    if (this.#isOver) return;
    this.#end();
    this.#done.reject(error);
  }

  #end(): void {
    this.#isOver = true;
    clearTimeout(this.#timer);
    this.#batch = [];
    this.#options.duplex.off("data", this.#onData);
  }

  readonly #onData = (bundle: Uint8Array): void => {
    try {
      for (let at = 0; at < bundle.length;) {
        const end = copyMessageEnd(bundle, at);
        this.#read(bundle.subarray(at + MESSAGE_HEADER_BYTES, end));
        at = end;
      }
    } catch (error) {
      return this.fail(error);
    }
    this.#batchBytes += bundle.length;
    if (this.#batchBytes >= BATCH_BYTES_MAX) return this.#endTurn();
    if (this.#isFlushScheduled) return;
    this.#isFlushScheduled = true;
    queueMicrotask(this.#flushLater);
  };

  readonly #flushLater = (): void => {
    this.#isFlushScheduled = false;
    this.#flush();
  };

  /** Requests and the store's commits are not kept waiting by what is already in the socket. */
  #endTurn(): void {
    this.#flush();
    if (this.#isOver || this.#liveness.isPaused) return;
    this.#pause();
    nextTurn().then(this.#resume);
  }

  #read(bytes: Uint8Array): void {
    const message = decodeStandby(bytes);
    if (message.walEnd > this.#receivedLsn) this.#receivedLsn = message.walEnd;
    if (message.kind === "xlogData") {
      this.#sentAtMs = message.sentAtMs;
      const event = assemble(this.#assembler, decodePgoutput(message.data));
      if (event === undefined) return;
      this.#batch.push(event);
      if (event.kind === "commit" && event.endLsn > this.#receivedLsn) {
        this.#receivedLsn = event.endLsn;
      }
      return;
    }
    if (message.isReplyRequested) this.#liveness.isReplyRequested = true;
    // Inside a transaction the server's position says nothing about what we have.
    if (isInTransaction(this.#assembler)) return;
    this.#sentAtMs = undefined;
    this.#batch.push({ kind: "progress", walEnd: message.walEnd });
  }

  #flush(): void {
    // While the sink is busy, what came before the pause took hold waits for it.
    if (this.#isOver || this.#liveness.isPaused) return;
    this.#batchBytes = 0;
    this.#liveness.lastReceivedMs = this.#options.now();
    this.#noteTrouble(false);
    if (this.#liveness.isReplyRequested) this.#sendStatus();
    if (this.#batch.length > 0) this.#deliver();
  }

  #deliver(): void {
    const events = this.#batch;
    this.#batch = [];
    try {
      const accepted = this.#options.accept(events);
      if (accepted === undefined) return;
      this.#pause();
      accepted.then(this.#resume, (error) => this.fail(error));
    } catch (error) {
      this.fail(error);
    }
  }

  #pause(): void {
    this.#liveness.isPaused = true;
    this.#options.duplex.pause();
  }

  readonly #resume = (): void => {
    if (this.#isOver) return;
    this.#liveness.isPaused = false;
    this.#flush();
    if (!this.#isOver && !this.#liveness.isPaused) this.#options.duplex.resume();
  };

  #sendStatus(): void {
    const nowMs = this.#options.now();
    const isReplyRequested = mustRequestReply(this.#liveness, nowMs);
    // The server believes whatever it is told: never more than it has sent.
    const flushed = this.#confirmedLsn < this.#receivedLsn ? this.#confirmedLsn : this.#receivedLsn;
    const written = this.#receivedLsn;
    this.#options.duplex.write(
      encodeStatusUpdate({ written, flushed, applied: flushed, nowMs, isReplyRequested }),
    );
    this.#liveness.lastStatusMs = nowMs;
    this.#liveness.unreportedSinceMs = undefined;
    this.#liveness.isReplyRequested = false;
    this.#arm();
  }

  #arm(): void {
    clearTimeout(this.#timer);
    const dueInMs = statusDueMs(this.#liveness) - this.#options.now();
    this.#timer = setTimeout(this.#tick, Math.max(0, dueInMs));
  }

  readonly #tick = (): void => {
    if (this.#isOver) return;
    const nowMs = this.#options.now();
    this.#noteTrouble(isSilent(this.#liveness, nowMs));
    if (statusDueMs(this.#liveness) <= nowMs) this.#sendStatus();
    else this.#arm();
  };

  /** Silence is told at the second tick in a row: between them what was at hand has been read. */
  #noteTrouble(isSilentNow: boolean): void {
    const { committedAtMs } = this.#assembler;
    const lateMs = this.#sentAtMs === undefined ? 0 : this.#sentAtMs - committedAtMs;
    const trouble = judgeTrouble(this.#trouble, isSilentNow && this.#wasSilent, lateMs);
    this.#wasSilent = isSilentNow;
    if (trouble === this.#trouble) return;
    // A silence that has begun may go on: it is over when something comes.
    if (isSilentNow && this.#trouble === "silent") return;
    this.#trouble = trouble;
    this.#options.onTrouble?.(trouble);
  }

  /** Says what is confirmed, ends our side, and reads on until the server has ended its own. */
  #stop(): void {
    if (this.#isOver) return;
    const { duplex, connection } = this.#options;
    this.#sendStatus();
    this.#end();
    const timer = setTimeout(this.#done.resolve, GOODBYE_MS);
    const finish = () => {
      clearTimeout(timer);
      this.#done.resolve();
    };
    duplex.once("end", finish);
    connection.closed.then(finish);
    duplex.end();
    duplex.resume();
  }
}
