/** Whole seconds are counted from here (WIRE.md 3.3). */
const EPOCH_MS = Date.UTC(2024, 9, 9);
const JITTER_SECONDS = 3600;
const INTEGER = /^[+-]?\d+$/;

export interface CursorInput {
  readonly nowMs: number;
  readonly longPollTimeoutMs: number;
  /** The `cursor` parameter as given. */
  readonly previous: string | undefined;
  /** Gives a number in [0, 1). */
  readonly random: () => number;
}

/**
 * The `electric-cursor` of a live answer: the same for all clients in one interval, so that caches
 * collapse their requests, and never the one that the client came with.
 */
export function nextCursor(input: CursorInput): string {
  const step = Math.floor(input.longPollTimeoutMs / 1000);
  if (step === 0) return "0";
  const now = Math.floor((input.nowMs - EPOCH_MS) / 1000);
  const next = Math.ceil(now / step) * step;
  const previous = parsePrevious(input.previous);
  if (next > previous) return String(next);
  const jitter = 1 + Math.floor(input.random() * JITTER_SECONDS);
  return String(BigInt(previous) + BigInt(jitter));
}

function parsePrevious(text: string | undefined): number | bigint {
  if (text === undefined || !INTEGER.test(text)) return 0;
  const value = Number(text);
  return Number.isSafeInteger(value) ? value : BigInt(text.replace("+", ""));
}
