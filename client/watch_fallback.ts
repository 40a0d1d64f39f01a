/**
 * Tells an app when the server serves without Postgres' replication stream, so that it can show
 * "degraded". For use with `ShapeStream` of `@electric-sql/client`, in browsers and on servers.
 */

import { type FallbackMode, parseStatus, statusUrlFor } from "./status.ts";

/** What is needed of a `ShapeStream`. */
export interface RefreshableStream {
  /** Ends a long poll that waits and asks again at once. */
  forceDisconnectAndRefresh(): Promise<void>;
}

export interface WatchFallbackOptions {
  /** Where shapes are served, as given to `ShapeStream`, or the server's address without a path. */
  readonly url: string | URL;
  /** Where the status is served, if that is not beside the shapes (`/v1/status`). */
  readonly statusUrl?: string | URL;
  /** Time between two looks at the status while degraded, 60 s by default; up to a quarter less. */
  readonly statusIntervalMs?: number;
  /** Sends the requests; `fetch` by default. */
  readonly fetchClient?: typeof fetch;
  /** Called with each new mode. */
  readonly onMode?: (mode: FallbackMode) => void;
}

export interface FallbackWatch {
  /** Give it to each `ShapeStream`. */
  readonly fetchClient: typeof fetch;
  readonly mode: FallbackMode;
  /** Calls back with each new mode, until the returned function is called. */
  subscribe(callback: (mode: FallbackMode) => void): () => void;
  /** Refreshes the stream whenever the server is live again, until the returned function is called. */
  attach(stream: RefreshableStream): () => void;
  /** Ends looking at the status for good. `fetchClient` goes on, without watching. */
  close(): void;
}

const STATUS_INTERVAL_MS = 60_000;
/** Clients that were told at the same moment ask at different ones. */
const INTERVAL_SPREAD = 0.25;
const MODE_HEADER = "electric-fallback-mode";

/**
 * Watches the answers that pass through its `fetchClient`. The mode is `fallback` from the first one
 * that says so; from then on the status is asked for at intervals, as long as anyone listens: `onMode`,
 * a subscriber or an attached stream. It is `live` again when the status or an answer says so.
 */
export function watchFallback(options: WatchFallbackOptions): FallbackWatch {
  return new Watch(options);
}

class Watch implements FallbackWatch {
  readonly fetchClient: typeof fetch;
  readonly #fetch: typeof fetch;
  readonly #statusUrl: string;
  readonly #intervalMs: number;
  readonly #subscribers = new Set<{ readonly callback: (mode: FallbackMode) => void }>();
  readonly #streams = new Set<RefreshableStream>();
  #mode: FallbackMode = "live";
  /** Answers so far that said that the server is not live. */
  #sightings = 0;
  #poll:
    | { readonly timer: ReturnType<typeof setTimeout>; readonly abort: AbortController }
    | undefined;
  #isClosed = false;

  constructor(options: WatchFallbackOptions) {
    this.#fetch = options.fetchClient ?? ((input, init) => fetch(input, init));
    this.#statusUrl = options.statusUrl ? `${options.statusUrl}` : statusUrlFor(options.url);
    this.#intervalMs = options.statusIntervalMs ?? STATUS_INTERVAL_MS;
    if (options.onMode) this.#subscribers.add({ callback: options.onMode });
    this.fetchClient = (input, init) => this.#fetchWatched(input, init);
  }

  get mode(): FallbackMode {
    return this.#mode;
  }

  subscribe(callback: (mode: FallbackMode) => void): () => void {
    // Wrapped: the same function may subscribe twice.
    return this.#join(this.#subscribers, { callback });
  }

  attach(stream: RefreshableStream): () => void {
    return this.#join(this.#streams, stream);
  }

  close(): void {
    this.#isClosed = true;
    this.#subscribers.clear();
    this.#streams.clear();
    this.#schedule();
  }

  #join<T>(members: Set<T>, member: T): () => void {
    if (this.#isClosed) return () => {};
    members.add(member);
    this.#schedule();
    return () => {
      members.delete(member);
      this.#schedule();
    };
  }

  async #fetchWatched(...[input, init]: Parameters<typeof fetch>): Promise<Response> {
    const before = this.#sightings;
    const response = await this.#fetch(input, init);
    if (this.#isClosed) return response;
    if (response.headers.get(MODE_HEADER) === "true") this.#seeDegraded();
    // A cache may hold answers of better times, but hardly to a live request. And one that was sent
    // before another answer said otherwise tells nothing new.
    else if (response.ok && before === this.#sightings && isLiveRequest(input)) this.#enter("live");
    return response;
  }

  #seeDegraded(): void {
    this.#sightings++;
    // Which of the two it is only the status tells.
    if (this.#mode === "live") this.#enter("fallback");
  }

  #enter(mode: FallbackMode): void {
    if (mode === this.#mode) return;
    this.#mode = mode;
    this.#schedule();
    for (const { callback } of [...this.#subscribers]) report(callback, mode);
    if (mode === "live") { for (const stream of [...this.#streams]) refresh(stream); }
  }

  /** Keeps a look at the status planned exactly while one is wanted. */
  #schedule(): void {
    const isWanted = this.#subscribers.size + this.#streams.size > 0;
    if (this.#mode !== "live" && isWanted) this.#poll ??= this.#plan();
    else this.#cancel();
  }

  #plan() {
    const abort = new AbortController();
    const delayMs = this.#intervalMs * (1 - INTERVAL_SPREAD * Math.random());
    return { timer: setTimeout(() => void this.#look(abort.signal), delayMs), abort };
  }

  #cancel(): void {
    clearTimeout(this.#poll?.timer);
    this.#poll?.abort.abort();
    this.#poll = undefined;
  }

  async #look(signal: AbortSignal): Promise<void> {
    const mode = await this.#readStatus(signal);
    if (signal.aborted) return;
    this.#poll = undefined;
    if (mode) this.#enter(mode);
    this.#schedule();
  }

  /** Undefined if there was no answer, or none that can be read: the next look may bring one. */
  async #readStatus(signal: AbortSignal): Promise<FallbackMode | undefined> {
    try {
      const response = await this.#fetch(this.#statusUrl, { signal });
      return parseStatus(await response.json());
    } catch {
      return undefined;
    }
  }
}

function isLiveRequest(input: Parameters<typeof fetch>[0]): boolean {
  const url = input instanceof Request ? input.url : `${input}`;
  return /[?&]live=true(?:&|$)/.test(url);
}

/** A subscriber's error is its own: it is thrown where the runtime reports it. */
function report(callback: (mode: FallbackMode) => void, mode: FallbackMode): void {
  try {
    callback(mode);
  } catch (error) {
    queueMicrotask(() => {
      throw error;
    });
  }
}

function refresh(stream: RefreshableStream): void {
  // It rejects when the stream ends meanwhile or is paused: then there is nothing to refresh.
  stream.forceDisconnectAndRefresh().catch(() => {});
}
