/**
 * How many large answers are sent at a time. The runtime holds over 100 KB of each that is under way:
 * thousands at once would take hundreds of megabytes, and none of them would be done any sooner. An
 * answer whose client is slow to take it gives its slot to the next, and goes on without one.
 */

import { SEND_PATIENCE_MS, SEND_SLOTS } from "./limits.ts";
import type { Delivery } from "./respond.ts";

export class SendSlots {
  readonly #count: number;
  readonly #patienceMs: number;
  readonly #now: () => number;
  /** Those that have a slot, with the time they got it, oldest first. */
  readonly #holders = new Map<Delivery, number>();
  readonly #waiting = new Map<Delivery, () => void>();
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(options: { count?: number; patienceMs?: number; now?: () => number } = {}) {
    this.#count = options.count ?? SEND_SLOTS;
    this.#patienceMs = options.patienceMs ?? SEND_PATIENCE_MS;
    this.#now = options.now ?? (() => performance.now());
  }

  /** Waits for a slot, which is given back when the answer has been sent or its client has gone. */
  turn(delivery: Delivery): Promise<void> | undefined {
    const leave = () => this.#leave(delivery);
    delivery.completed.then(leave, leave);
    if (this.#holders.size < this.#count) return void this.#hold(delivery);
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#waiting.set(delivery, resolve);
    this.#watch();
    return promise;
  }

  #hold(delivery: Delivery): void {
    this.#holders.set(delivery, this.#now());
  }

  #leave(delivery: Delivery): void {
    const begin = this.#waiting.get(delivery);
    this.#waiting.delete(delivery);
    begin?.();
    if (this.#holders.delete(delivery)) this.#admit();
  }

  #admit(): void {
    for (const [delivery, begin] of this.#waiting) {
      if (this.#holders.size >= this.#count) return;
      this.#waiting.delete(delivery);
      this.#hold(delivery);
      begin();
    }
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  /** While somebody waits: takes the slots of those whose clients are slow. */
  #watch(): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      const heldSince = this.#now() - this.#patienceMs;
      for (const [delivery, since] of this.#holders) {
        if (since > heldSince) break;
        this.#holders.delete(delivery);
      }
      this.#admit();
      if (this.#waiting.size > 0) this.#watch();
    }, this.#patienceMs);
  }
}
