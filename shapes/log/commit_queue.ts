/**
 * Group commit: what is queued while a commit runs goes into the next one, in order, one commit at
 * a time, so that the stored state is always a prefix of the queue. (Two commits in flight were
 * measured to be no faster, and would not keep the prefix.)
 */

import type { Kv } from "@deno/kv";
import { CommitCounters } from "../counters.ts";
import type { TraceWork } from "../tracing.ts";
import { type Commit, openCommit } from "./kv_engine.ts";
import {
  COMMIT_BYTES_MAX,
  COMMIT_KEY_BYTES_MAX,
  COMMIT_MUTATIONS_MAX,
  keyBytes,
} from "./kv_keys.ts";
import type { Mutation } from "./kv_wire.ts";

/** Mutations that are durable together or not at all. */
export interface QueuedWrite {
  readonly mutations: readonly Mutation[];
  readonly keyBytes: number;
  /** Of keys and values. */
  readonly bytes: number;
}

export interface CommitLimits {
  readonly mutations: number;
  readonly bytes: number;
  readonly keyBytes: number;
}

export const KV_COMMIT_LIMITS: CommitLimits = {
  mutations: COMMIT_MUTATIONS_MAX,
  bytes: COMMIT_BYTES_MAX,
  keyBytes: COMMIT_KEY_BYTES_MAX,
};

export function queuedWrite(mutations: readonly Mutation[]): QueuedWrite {
  let keys = 0;
  let bytes = 0;
  for (const mutation of mutations) {
    keys += keyBytes(mutation.key);
    bytes += mutation.value?.length ?? 0;
  }
  return { mutations, keyBytes: keys, bytes: keys + bytes };
}

/** How many writes from the head of the queue one commit takes: at least one if there is any. */
export function planCommit(queue: readonly QueuedWrite[], limits: CommitLimits): number {
  let mutations = 0;
  let bytes = 0;
  let keys = 0;
  let count = 0;
  for (const write of queue) {
    mutations += write.mutations.length;
    bytes += write.bytes;
    keys += write.keyBytes;
    const fits = mutations <= limits.mutations && bytes <= limits.bytes && keys <= limits.keyBytes;
    if (!fits && count > 0) return count;
    count++;
  }
  return count;
}

export interface CommitQueueOptions {
  readonly limits?: CommitLimits;
  /** Pauses before a failed commit is tried again; after the last one storage has failed. */
  readonly retryDelaysMs?: readonly number[];
  readonly wait?: (ms: number) => Promise<void>;
  readonly trace?: TraceWork | undefined;
  /** Queues what is still being collected; called before each commit. */
  readonly collect: () => void;
  /** Called after each durable commit with the number of the last durable write. */
  readonly onCommit: (durable: number) => void;
  /** Called once, when a commit failed for good. */
  readonly onFailure: (error: Error) => void;
}

const RETRY_DELAYS_MS = [50, 250, 1_000, 3_000];

/**
 * Nobody waits for the entries of a log to be durable, so that a queue that was empty waits for some
 * more: each commit is an fsync, for which Postgres' next commit on the same disk may have to wait.
 */
const LINGER_MS = 5;
/** So much is committed at once. */
const LINGER_BYTES = 128 * 1024;

interface Waiter {
  readonly number: number;
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

export class CommitQueue {
  readonly counters: CommitCounters = new CommitCounters();
  readonly #write: Commit;
  readonly #options: CommitQueueOptions;
  readonly #limits: CommitLimits;
  #queue: QueuedWrite[] = [];
  #queuedBytes = 0;
  #queued = 0;
  #durable = 0;
  #waiters: Waiter[] = [];
  #isRunning = false;
  /** Ends the wait for more. */
  #hurry = () => {};
  #failure: Error | undefined;

  constructor(kv: Kv, options: CommitQueueOptions) {
    const write = openCommit(kv), { trace } = options;
    this.#write = trace
      ? (writes) => trace("commit", { writes: writes.length }, () => write(writes))
      : write;
    this.#options = options;
    this.#limits = options.limits ?? KV_COMMIT_LIMITS;
  }

  /** Number of the last write queued; writes count from 1. */
  get queued(): number {
    return this.#queued;
  }

  /** Bytes queued and not yet durable. */
  get queuedBytes(): number {
    return this.#queuedBytes;
  }

  /** Queues a write and answers its number. It is committed soon, at once if somebody waits. */
  push(mutations: readonly Mutation[]): number {
    const write = queuedWrite(mutations);
    this.#queue.push(write);
    this.#queuedBytes += write.bytes;
    if (this.#queuedBytes >= LINGER_BYTES) this.#hurry();
    this.wake();
    return ++this.#queued;
  }

  /** Starts committing soon after the current turn, if nothing is under way. */
  wake(): void {
    if (this.#isRunning || this.#failure !== undefined) return;
    this.#isRunning = true;
    void this.#run();
  }

  /** Resolves when this write, queued or still to come, is durable. Rejects if storage failed. */
  durable(number: number): Promise<void> {
    if (number <= this.#durable) return Promise.resolve();
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    this.#hurry();
    return new Promise((resolve, reject) => this.#waiters.push({ number, resolve, reject }));
  }

  async #run(): Promise<void> {
    await null;
    if (this.#waiters.length === 0 && this.#queuedBytes < LINGER_BYTES) await this.#linger();
    for (;;) {
      this.#options.collect();
      const count = planCommit(this.#queue, this.#limits);
      if (count === 0) break;
      const error = await this.#commit(this.#queue.slice(0, count));
      if (error !== undefined) return this.#fail(error);
      this.#settle(count);
    }
    this.#isRunning = false;
  }

  #linger(): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, LINGER_MS);
      this.#hurry = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  /** Answers the error of the last attempt if none succeeded. */
  async #commit(writes: readonly QueuedWrite[]): Promise<Error | undefined> {
    const delays = this.#options.retryDelaysMs ?? RETRY_DELAYS_MS;
    for (let attempt = 0;; attempt++) {
      const startMs = performance.now();
      try {
        await this.#write(writes);
        this.counters.seconds.observe((performance.now() - startMs) / 1000);
        return undefined;
      } catch (error) {
        this.counters.failures++;
        if (attempt >= delays.length) {
          return new Error("Storage cannot be written", { cause: error });
        }
        await (this.#options.wait ?? sleep)(delays[attempt]);
      }
    }
  }

  #settle(count: number): void {
    let bytes = 0;
    for (const write of this.#queue.splice(0, count)) bytes += write.bytes;
    this.#queuedBytes -= bytes;
    this.counters.bytes += bytes;
    this.#durable += count;
    this.#options.onCommit(this.#durable);
    const done = this.#waiters.findIndex((waiter) => waiter.number > this.#durable);
    const settled = this.#waiters.splice(0, done < 0 ? this.#waiters.length : done);
    for (const waiter of settled) waiter.resolve();
  }

  #fail(error: Error): void {
    this.#failure = error;
    const waiters = this.#waiters;
    this.#waiters = [];
    for (const waiter of waiters) waiter.reject(error);
    this.#options.onFailure(error);
  }
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
