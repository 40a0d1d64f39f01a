/** When to report to the server, and how long to wait before the next try. */

/**
 * Others tell by the time of our last status whether we live (lock_breaker.ts), and we by what comes
 * back whether the server does.
 */
const STATUS_INTERVAL_MAX_MS = 500;
/** Silence of a server that was asked for an answer twice. */
const SILENT_MS = 1200;
/** So old are changes when they come that those who read them should be told; and when no more. */
const LATE_MS = 1200;
const ON_TIME_MS = 500;
const STATUS_INTERVAL_MIN_MS = 100;
/** How long confirmations gather before they are reported. */
const CONFIRM_DELAY_MS = 100;
const RETRY_MS = 1000;
const RETRY_LATE_MS = 5000;
const OUTAGE_FRESH_MS = 10 * 60_000;
/** A stream that lived this long was a working one. */
export const STREAM_PROVEN_MS = 5000;

/** What the rules look at. Times are `nowMs` values. */
export interface Liveness {
  /** The server's `wal_sender_timeout`; 0 when it is off. */
  readonly walSenderTimeoutMs: number;
  lastStatusMs: number;
  lastReceivedMs: number;
  /** When a confirmation that was not reported yet came first. */
  unreportedSinceMs: number | undefined;
  isReplyRequested: boolean;
  /** While the reader is held back, silence is its own doing. */
  isPaused: boolean;
}

export function createLiveness(walSenderTimeoutMs: number, nowMs: number): Liveness {
  return {
    walSenderTimeoutMs,
    lastStatusMs: nowMs,
    lastReceivedMs: nowMs,
    unreportedSinceMs: undefined,
    isReplyRequested: false,
    isPaused: false,
  };
}

/** A third of the server's patience, so that one lost turn of ours does no harm; 0.5 s at most. */
export function statusIntervalMs(walSenderTimeoutMs: number): number {
  if (walSenderTimeoutMs <= 0) return STATUS_INTERVAL_MAX_MS;
  const third = Math.floor(walSenderTimeoutMs / 3);
  return Math.max(STATUS_INTERVAL_MIN_MS, Math.min(STATUS_INTERVAL_MAX_MS, third));
}

/** When the next status must go out; in the past if it is due. */
export function statusDueMs(liveness: Liveness): number {
  if (liveness.isReplyRequested) return -Infinity;
  const regular = liveness.lastStatusMs + statusIntervalMs(liveness.walSenderTimeoutMs);
  if (liveness.unreportedSinceMs === undefined) return regular;
  return Math.min(regular, liveness.unreportedSinceMs + CONFIRM_DELAY_MS);
}

/**
 * Whether a status should ask the server to answer. A server that hears from us regularly has no
 * reason of its own to speak, so silence proves nothing until it was asked.
 */
export function mustRequestReply(liveness: Liveness, nowMs: number): boolean {
  if (liveness.isPaused) return false;
  const silentMs = nowMs - liveness.lastReceivedMs;
  return silentMs >= statusIntervalMs(liveness.walSenderTimeoutMs);
}

/**
 * Whether nothing comes though it was asked for. That is no reason to give a stream up, for the
 * server may be busy, but changes may be waiting that nobody hears of.
 */
export function isSilent(liveness: Liveness, nowMs: number): boolean {
  return !liveness.isPaused && nowMs - liveness.lastReceivedMs >= SILENT_MS;
}

/** Why what the stream brings is not the present state, though it runs. */
export type Trouble = "silent" | "late";

/**
 * What a stream's trouble is. `lateMs`: how long before they were sent the changes were committed
 * that are coming in; 0 when nothing is left to come.
 */
export function judgeTrouble(
  before: Trouble | undefined,
  isSilentNow: boolean,
  lateMs: number,
): Trouble | undefined {
  if (isSilentNow) return "silent";
  return lateMs >= (before === "late" ? ON_TIME_MS : LATE_MS) ? "late" : undefined;
}

/**
 * How long to wait before the next try, in an outage that has lasted `outageMs`: a second, whatever
 * the cause, because people mend things while they look at them; later less often. `random` is in
 * [0, 1): up to a fifth is taken off so that many instances do not come back in step.
 */
export function retryDelayMs(outageMs: number, random: number): number {
  const wholeMs = outageMs < OUTAGE_FRESH_MS ? RETRY_MS : RETRY_LATE_MS;
  return wholeMs * (1 - random / 5);
}
