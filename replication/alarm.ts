/** Waiting that something else can cut short. */

export class Alarm {
  #wake: (() => void) | undefined;

  /** Resolves after the time or when it rings, whichever is first; rejects with the signal's reason. */
  async sleep(ms: number, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, ms);
    const abort = () => reject(signal.reason);
    signal.addEventListener("abort", abort, { once: true });
    this.#wake = resolve;
    try {
      await promise;
    } finally {
      clearTimeout(timer);
      signal.removeEventListener("abort", abort);
      this.#wake = undefined;
    }
  }

  /** Ends the sleep that is under way, if one is. */
  ring(): void {
    this.#wake?.();
  }
}
