/** An official client that follows a shape, and how old what it shows has been. */

import { Worker } from "node:worker_threads";
import type { BackoffOptions } from "@electric-sql/client";
import type { Comparison, FromClient, Progress, ToClient } from "./client_messages.ts";
import type { CommitLog } from "./commit_log.ts";
import type { FollowedShape } from "./schema.ts";
import type { ServiceClock } from "./service_clock.ts";

export interface LiveClientOptions {
  readonly url: string;
  readonly shape: FollowedShape;
  readonly commits: CommitLog;
  readonly clock: ServiceClock;
  readonly backoff?: BackoffOptions;
}

const WORKER = new URL("./client_worker.ts", import.meta.url);

export class LiveClient implements AsyncDisposable {
  readonly shape: FollowedShape;
  /** The greatest marker that it has seen. */
  seen = -1;
  /** Rows that it holds. */
  rows = 0;
  /** How often it was sent back to start. */
  refetches = 0;
  readonly #options: LiveClientOptions;
  readonly #worker = new Worker(WORKER);
  readonly #waiting: ((comparison: Comparison) => void)[] = [];
  #stalestMs = 0;
  #isMeasuring = false;

  constructor(options: LiveClientOptions) {
    this.shape = options.shape;
    this.#options = options;
    this.#worker.on("message", (message: FromClient) => {
      if (message.kind === "progress") this.#note(message);
      else this.#waiting.shift()?.(message);
    });
    const { url, shape, backoff } = options;
    this.#send({ kind: "start", url, shape: shape.name, backoff });
  }

  /** From now on ages count. */
  startMeasuring(): void {
    this.#isMeasuring = true;
  }

  /** The greatest age so far of a write that it had not seen, in ms. */
  get stalestMs(): number {
    this.#measure(performance.now());
    return this.#stalestMs;
  }

  /** How its rows differ from the table's. */
  compare(databaseUrl: string): Promise<Comparison> {
    return new Promise((resolve) => {
      this.#waiting.push(resolve);
      this.#send({ kind: "compare", databaseUrl });
    });
  }

  #send(message: ToClient): void {
    this.#worker.postMessage(message);
  }

  #note({ seen, rows, refetches, atMs }: Progress): void {
    if (seen > this.seen) this.#measure(atMs - performance.timeOrigin);
    this.seen = seen;
    this.rows = rows;
    this.refetches = refetches;
  }

  /** An age is greatest just before it ends: measuring then and in the end misses nothing. */
  #measure(nowMs: number): void {
    if (!this.#isMeasuring) return;
    const { commits, clock } = this.#options;
    this.#stalestMs = Math.max(this.#stalestMs, commits.age(this.seen, clock.read(nowMs)));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#worker.terminate();
  }
}
