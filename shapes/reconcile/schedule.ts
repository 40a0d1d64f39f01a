/** When a shape's turn to be reconciled comes. Pure: times are arguments. */

/** What is remembered of a shape between its reconciles. */
export interface Turn {
  /** When the last one began and ended; -Infinity before the first. */
  startedMs: number;
  endedMs: number;
  /** How long of that the database was at work for it; all of it if it failed. */
  queryMs: number;
  /** How many in a row have failed for the shape's own sake. */
  failures: number;
  /** The database's WAL position right before the last one. */
  position: bigint | undefined;
}

export function firstTurn(): Turn {
  return { startedMs: -Infinity, endedMs: -Infinity, queryMs: 0, failures: 0, position: undefined };
}

/** A query is followed by this many times its own length without one. */
const PAUSE_FACTOR = 4;
const RETRY_MAX_MS = 30_000;

/**
 * The earliest moment for the next one: an interval after the last began, but long queries keep to a
 * fifth of the time. `random` in [0, 1) brings it forward by up to a tenth, so that many shapes do
 * not stay in step.
 */
export function dueMs(turn: Turn, intervalMs: number, random: number): number {
  const regular = turn.startedMs + intervalMs * (1 - random / 10);
  const paused = turn.endedMs + turn.queryMs * PAUSE_FACTOR;
  if (turn.failures === 0) return Math.max(regular, paused);
  const backoff = Math.min(RETRY_MAX_MS, intervalMs * 2 ** (turn.failures - 1));
  return Math.max(regular, paused, turn.endedMs + backoff);
}

/** What decides who comes first. */
export interface Candidate {
  readonly isWatched: boolean;
  readonly lastUsedMs: number;
}

/** Those that somebody waits for, then the most recently used. */
export function compareCandidates(a: Candidate, b: Candidate): number {
  if (a.isWatched !== b.isWatched) return a.isWatched ? -1 : 1;
  return b.lastUsedMs - a.lastUsedMs;
}
