/** Keeps a failure that comes again and again from filling the log. */

/** How long what was logged is not logged again. */
const QUIET_MS = 30_000;
/** Causes remembered: more than there are, unless their texts change all the time. */
const CAUSES_MAX = 100;

interface Cause {
  loggedMs: number;
  unlogged: number;
}

/** Lets each distinct cause through once, and then at most every 30 s. */
export class LogLimiter {
  readonly #causes = new Map<string, Cause>();

  /**
   * How often the cause came since it was last let through, this time included; undefined when it
   * is not to be logged now.
   */
  admit(cause: string, nowMs: number): number | undefined {
    const known = this.#causes.get(cause);
    if (known && nowMs - known.loggedMs < QUIET_MS) {
      known.unlogged += 1;
      return undefined;
    }
    const [oldest] = this.#causes.keys();
    if (!known && this.#causes.size >= CAUSES_MAX) this.#causes.delete(oldest);
    this.#causes.set(cause, { loggedMs: nowMs, unlogged: 0 });
    return (known?.unlogged ?? 0) + 1;
  }
}
