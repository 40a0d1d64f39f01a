/**
 * A clock that runs only while the server under test could do its duty: Postgres answers and the
 * server's process is there. Ages measured by it leave out what no server could have helped.
 */

export type Precondition = "postgres" | "server";

export class ServiceClock {
  /** Which preconditions are missing now. */
  readonly #missing = new Set<Precondition>();
  /** Spans in which something was missing; the last may be open. */
  readonly #gaps: { readonly startMs: number; endMs: number }[] = [];

  /** Notes that it is there or missing from now on. Times must not go back. */
  note(what: Precondition, isThere: boolean, nowMs: number): void {
    const wasRunning = this.#missing.size === 0;
    if (isThere) this.#missing.delete(what);
    else this.#missing.add(what);
    const isRunning = this.#missing.size === 0;
    if (wasRunning && !isRunning) this.#gaps.push({ startMs: nowMs, endMs: Infinity });
    const last = this.#gaps.at(-1);
    if (!wasRunning && isRunning && last) last.endMs = nowMs;
  }

  get isRunning(): boolean {
    return this.#missing.size === 0;
  }

  /** What the clock shows at the moment. */
  read(atMs: number): number {
    const stood = this.#gaps.reduce(
      (sum, { startMs, endMs }) => sum + Math.max(0, Math.min(endMs, atMs) - startMs),
      0,
    );
    return atMs - stood;
  }

  /** True if it ran all the time from start to end, and for the margin before and after. */
  ranThroughout(startMs: number, endMs: number, marginMs = 0): boolean {
    return !this.#gaps.some((gap) =>
      gap.startMs < endMs + marginMs && gap.endMs > startMs - marginMs
    );
  }
}
