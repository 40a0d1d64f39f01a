/** An official client that follows a shape and remembers how old what it shows has been. */

import {
  type BackoffOptions,
  type Message,
  type Row as ClientRow,
  ShapeStream,
} from "@electric-sql/client";
import type { CommitLog } from "./commit_log.ts";
import { Fold, type FoldMessage, type Row, RowComparison, type RowFaults } from "./fold.ts";
import type { FollowedShape } from "./schema.ts";
import type { ServiceClock } from "./service_clock.ts";

export interface LiveClientOptions {
  readonly url: string;
  readonly shape: FollowedShape;
  readonly commits: CommitLog;
  readonly clock: ServiceClock;
  readonly backoff?: BackoffOptions;
}

export class LiveClient implements Disposable {
  readonly shape: FollowedShape;
  readonly fold = new Fold();
  /** The greatest marker that it has seen. */
  seen = -1;
  readonly #options: LiveClientOptions;
  readonly #stop = new AbortController();
  #stalestMs = 0;
  #isMeasuring = false;

  constructor(options: LiveClientOptions) {
    this.shape = options.shape;
    this.#options = options;
    const stream = new ShapeStream({
      url: `${options.url}/v1/shape`,
      params: options.shape.params,
      signal: this.#stop.signal,
      onError: () => ({}),
      ...options.backoff ? { backoffOptions: options.backoff } : {},
    });
    stream.subscribe((messages) => this.#accept(messages));
  }

  /** From now on ages count. */
  startMeasuring(): void {
    this.#isMeasuring = true;
  }

  /** The greatest age so far of a write that it had not seen, in ms. */
  get stalestMs(): number {
    this.#measure();
    return this.#stalestMs;
  }

  /** How its rows differ from the table's, which come in pieces. */
  async compare(pieces: AsyncIterable<readonly Row[]>): Promise<RowFaults> {
    const comparison = new RowComparison(this.fold.rows(), this.shape.idColumn);
    for await (const rows of pieces) comparison.expect(rows);
    return comparison.finish();
  }

  #accept(messages: readonly Message<ClientRow>[]): void {
    for (const message of messages) {
      this.fold.apply(message as FoldMessage);
      if ("value" in message && this.shape.isMarker(message.value)) {
        this.#see(Number(message.value.n));
      }
    }
  }

  #see(marker: number): void {
    if (marker <= this.seen) return;
    this.#measure();
    this.seen = marker;
  }

  /** An age is greatest just before it ends: measuring then and in the end misses nothing. */
  #measure(): void {
    if (!this.#isMeasuring) return;
    const { commits, clock } = this.#options;
    const age = commits.age(this.seen, clock.read(performance.now()));
    this.#stalestMs = Math.max(this.#stalestMs, age);
  }

  [Symbol.dispose](): void {
    this.#stop.abort();
  }
}
