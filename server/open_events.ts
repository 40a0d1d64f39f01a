/**
 * The event streams that are open. Their headers were sent when they were opened, and can't say any
 * more that the service has fallen back, or is live again. So each ends then, when it has nothing
 * to send, and its client comes back at once from where it is.
 */

import type { Deadlines, DeadlineTarget } from "./deadlines.ts";
import { EVENTS_AGE_MIN_MS, EVENTS_LEAVE_SPREAD_MS, EVENTS_LOOK_MS } from "./limits.ts";

export interface OpenStream {
  readonly openedMs: number;
  /** Whether its headers still say what is so. */
  readonly isAsOpened: boolean;
  /** Ends it as soon as all that there is has been sent. */
  leave(): void;
}

export class OpenEvents implements DeadlineTarget {
  readonly #deadlines: Deadlines;
  readonly #random: () => number;
  /** With the time to end; undefined while there is no reason to. */
  readonly #streams = new Map<OpenStream, number | undefined>();
  #isLooking = false;

  constructor(deadlines: Deadlines, random: () => number) {
    this.#deadlines = deadlines;
    this.#random = random;
  }

  get size(): number {
    return this.#streams.size;
  }

  add(stream: OpenStream): void {
    this.#streams.set(stream, undefined);
    this.#lookLater();
  }

  remove(stream: OpenStream): void {
    this.#streams.delete(stream);
  }

  due(): void {
    this.#isLooking = false;
    for (const [stream, leaveMs] of this.#streams) {
      if (stream.isAsOpened) this.#streams.set(stream, undefined);
      else if (leaveMs === undefined) this.#streams.set(stream, this.#timeToLeave(stream));
      else if (leaveMs <= this.#deadlines.now) stream.leave();
    }
    this.#lookLater();
  }

  /** Official clients take streams that end early for a proxy that can't stream, and poll instead. */
  #timeToLeave({ openedMs }: OpenStream): number {
    const spreadMs = this.#deadlines.now + this.#random() * EVENTS_LEAVE_SPREAD_MS;
    return Math.max(openedMs + EVENTS_AGE_MIN_MS, spreadMs);
  }

  #lookLater(): void {
    if (this.#isLooking || this.#streams.size === 0) return;
    this.#isLooking = true;
    this.#deadlines.add(this.#deadlines.now + EVENTS_LOOK_MS, this);
  }
}
