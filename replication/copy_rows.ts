/** Reads `COPY … TO STDOUT` and hands its rows on in pieces. */

import type { Readable } from "node:stream";
import type { SnapshotSink } from "../shapes/ports.ts";
import { nextTurn } from "./next_turn.ts";
import { cancelQuery, type Transaction } from "./transaction.ts";

/** Rows are gathered to pieces of up to this size; longer rows come alone. */
const PIECE_BYTES = 64 * 1024;

/**
 * Rows taken in one turn of the event loop: newer runtimes read a socket many times before anything
 * else gets its turn, and for so long nobody would be answered, nor the store given its next commit.
 */
const TURN_BYTES = 32 * 1024;

export interface CopyOptions {
  readonly sink: Pick<SnapshotSink, "rows">;
  readonly signal: AbortSignal;
  /** Until the first row, or the end if there is none. */
  readonly firstRowTimeoutMs: number;
  /** What to reject with when it is over. */
  readonly onTimeout: () => Error;
}

/**
 * Hands all rows to the sink; resolves after the last. Rejects with the server's error, what the sink
 * threw, or the signal's reason; the statement is then cancelled and the sink left alone. `drained`
 * resolves (never rejects) when the connection has nothing more of it: only then can it be used again.
 */
export function copyRows(
  transaction: Transaction,
  text: string,
  options: CopyOptions,
): { readonly done: Promise<void>; readonly drained: Promise<void> } {
  const query = transaction.copy(text);
  const reader = new CopyReader(options);
  const drained = reader.read(query.readable(), () => cancelQuery(query));
  return { done: reader.done, drained };
}

class CopyReader {
  readonly #options: CopyOptions;
  readonly #done = Promise.withResolvers<void>();
  readonly #piece = new Uint8Array(PIECE_BYTES);
  #length = 0;
  /** Bytes handed on in this turn. */
  #handed = 0;
  #isFlushPlanned = false;
  #isDiscarding = false;
  /** What the sink asked to wait for; undefined while it takes more. */
  #waiting: Promise<void> | undefined;
  #stream: Readable | undefined;
  #cancel: () => Promise<void> = () => Promise.resolve();
  #cancelling: Promise<void> | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(options: CopyOptions) {
    this.#options = options;
  }

  get done(): Promise<void> {
    return this.#done.promise;
  }

  async read(opening: Promise<Readable>, cancel: () => Promise<void>): Promise<void> {
    const { signal, firstRowTimeoutMs, onTimeout } = this.#options;
    this.#cancel = cancel;
    const abort = () => this.#abandon(signal.reason);
    signal.addEventListener("abort", abort, { once: true });
    this.#timer = setTimeout(() => this.#abandon(onTimeout()), firstRowTimeoutMs);
    if (signal.aborted) abort();
    try {
      await this.#flow(await opening);
      await this.#sinkIsReady();
      this.#flush();
      await this.#sinkIsReady();
      this.#done.resolve();
    } catch (error) {
      this.#discard(error);
    } finally {
      clearTimeout(this.#timer);
      signal.removeEventListener("abort", abort);
    }
    // A request to cancel that is still on its way would hit the connection's next query.
    await this.#cancelling;
  }

  /** Rejects when it is given up: the sink may never be ready then. */
  #sinkIsReady(): Promise<void> {
    return Promise.race([this.#waiting ?? Promise.resolve(), this.done]);
  }

  /** Resolves at the end of the data, rejects with the server's error. */
  #flow(stream: Readable): Promise<void> {
    this.#stream = stream;
    return new Promise((resolve, reject) => {
      stream.on("data", (row: Uint8Array) => this.#add(row));
      stream.on("error", (error) => {
        wakeSocket(stream);
        reject(error);
      });
      stream.on("end", () => {
        wakeSocket(stream);
        resolve();
      });
    });
  }

  /** One message is one row: a rule of COPY's text format. */
  #add(row: Uint8Array): void {
    if (this.#isDiscarding) return;
    if (this.#length + row.length > PIECE_BYTES) {
      this.#flush();
      if (this.#isDiscarding) return;
    }
    if (row.length > PIECE_BYTES) return this.#hand(row);
    this.#piece.set(row, this.#length);
    this.#length += row.length;
    if (this.#isFlushPlanned) return;
    // After all rows that the socket has at hand: none of them waits for others to come.
    this.#isFlushPlanned = true;
    queueMicrotask(this.#flushPlanned);
  }

  readonly #flushPlanned = (): void => {
    this.#isFlushPlanned = false;
    if (!this.#waiting) this.#flush();
  };

  #flush(): void {
    if (this.#length === 0) return;
    const piece = this.#piece.subarray(0, this.#length);
    this.#length = 0;
    this.#hand(piece);
  }

  #hand(piece: Uint8Array): void {
    clearTimeout(this.#timer);
    try {
      const wait = this.#options.sink.rows(piece);
      // The sink may have given it up: nothing more is waited for.
      if (this.#isDiscarding) return;
      this.#handed += piece.length;
      if (wait) this.#waitFor(wait);
      else if (this.#handed >= TURN_BYTES) this.#waitFor(nextTurn());
    } catch (error) {
      this.#abandon(error);
    }
  }

  /** Back-pressure: the stream fills, then the driver stops the socket, then Postgres waits. */
  #waitFor(wait: Promise<void>): void {
    this.#stream?.pause();
    this.#waiting = wait;
    wait.then(() => {
      if (this.#waiting !== wait || this.#isDiscarding) return;
      this.#waiting = undefined;
      this.#handed = 0;
      this.#flush();
      if (!this.#waiting) this.#stream?.resume();
    }, (error) => this.#abandon(error));
  }

  #abandon(error: unknown): void {
    if (this.#isDiscarding) return;
    this.#discard(error);
    this.#cancelling = this.#cancel();
  }

  /** What still comes is thrown away, at full speed. */
  #discard(error: unknown): void {
    this.#isDiscarding = true;
    this.#waiting = undefined;
    this.#length = 0;
    this.#done.reject(error);
    this.#stream?.resume();
  }
}

/**
 * The driver stops the socket when the stream is full, and starts it only when the stream asks for
 * more. A stream that has been given its end, or an error, never asks again: the connection would stay
 * mute for ever.
 */
function wakeSocket(stream: Readable): void {
  try {
    stream._read(0);
  } catch {
    // The connection is gone, and with it what could be woken.
  }
}
