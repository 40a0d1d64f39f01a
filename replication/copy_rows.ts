/** Reads `COPY … TO STDOUT` and hands its rows on in pieces. */

import type { Readable } from "node:stream";
import type { SnapshotSink } from "../shapes/ports.ts";
import { copyMessageEnd, MESSAGE_HEADER_BYTES } from "./copy_bundle.ts";
import { nextTurn } from "./next_turn.ts";
import { cancelQuery, type Transaction } from "./transaction.ts";

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
  /** Bytes handed on in this turn. */
  #handed = 0;
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
      stream.on("data", (bundle: Uint8Array) => this.#hand(bundle));
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

  #hand(bundle: Uint8Array): void {
    if (this.#isDiscarding) return;
    clearTimeout(this.#timer);
    const rows = joinRows(bundle);
    try {
      const wait = this.#options.sink.rows(rows);
      // The sink may have given it up: nothing more is waited for.
      if (this.#isDiscarding) return;
      this.#handed += rows.length;
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
      this.#stream?.resume();
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
    this.#done.reject(error);
    this.#stream?.resume();
  }
}

/** The rows of a bundle, one right after the other: in COPY's text format each message is one. */
function joinRows(bundle: Uint8Array): Uint8Array {
  let length = 0;
  for (let at = 0; at < bundle.length;) {
    const row = at + MESSAGE_HEADER_BYTES, end = copyMessageEnd(bundle, at);
    bundle.copyWithin(length, row, end);
    length += end - row;
    at = end;
  }
  return bundle.subarray(0, length);
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
