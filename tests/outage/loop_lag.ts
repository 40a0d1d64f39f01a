/** How late this process' own timers were: what it measures can be late by as much. */

const INTERVAL_MS = 50;
/** Below it nobody has to know. */
const WORTH_NOTING_MS = 500;

export class LoopLag implements Disposable {
  readonly #timer: ReturnType<typeof setInterval>;
  #lastMs = performance.now();
  #longestMs = 0;

  constructor() {
    this.#timer = setInterval(() => {
      const nowMs = performance.now();
      this.#longestMs = Math.max(this.#longestMs, nowMs - this.#lastMs - INTERVAL_MS);
      this.#lastMs = nowMs;
    }, INTERVAL_MS);
  }

  notes(): readonly string[] {
    if (this.#longestMs < WORTH_NOTING_MS) return [];
    return [`the measuring process was up to ${(this.#longestMs / 1_000).toFixed(1)} s late`];
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }
}
