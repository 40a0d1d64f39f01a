/**
 * How often something has happened lately, in two numbers: what was counted fades away with time, so
 * that the last half minute counts and nothing needs to be remembered of what lies before.
 */

/** What happened so long ago counts as e⁻¹ of what happens now. */
export const RATE_WINDOW_MS = 30_000;

/** Times are milliseconds since the process started, before which nothing can have happened. */
export class RecentRate {
  #count = 0;
  #atMs = 0;

  add(count: number, nowMs: number): void {
    this.#count = this.#countAt(nowMs) + count;
    this.#atMs = nowMs;
  }

  perSecond(nowMs: number): number {
    // A young process has seen only a part of what the window would hold.
    const seenMs = RATE_WINDOW_MS * -Math.expm1(-Math.max(1, nowMs) / RATE_WINDOW_MS);
    return this.#countAt(nowMs) * 1000 / seenMs;
  }

  #countAt(nowMs: number): number {
    return this.#count * Math.exp(Math.min(0, this.#atMs - nowMs) / RATE_WINDOW_MS);
  }
}
