import { strictEqual as equal } from "node:assert/strict";
import { nextCursor } from "../../server/cursor.ts";

const EPOCH_MS = Date.UTC(2024, 9, 9);

/** Seconds since the epoch, cursor given, random number, timeout; then the cursor. */
const CASES: [number, string | undefined, number, number, string][] = [
  [0, undefined, 0, 20_000, "1"],
  [1, undefined, 0, 20_000, "20"],
  [20, undefined, 0, 20_000, "20"],
  [20.9, undefined, 0, 20_000, "20"],
  [21, "20", 0, 20_000, "40"],
  [21, "40", 0, 20_000, "41"],
  [21, "40", 0.9999, 20_000, "3640"],
  [21, "abc", 0, 20_000, "40"],
  [21, "40x", 0, 20_000, "40"],
  [21, " 40", 0, 20_000, "40"],
  [21, "+40", 0, 20_000, "41"],
  [21, "-40", 0, 20_000, "40"],
  [21, "", 0, 20_000, "40"],
  [21, "99999999999999999999", 0, 20_000, "100000000000000000000"],
  [21, undefined, 0, 1_500, "21"],
  [21, "7", 0, 999, "0"],
];

for (const [seconds, previous, random, longPollTimeoutMs, expected] of CASES) {
  Deno.test(`nextCursor() after ${seconds} s from "${previous}" with ${longPollTimeoutMs} ms is ${expected}`, () => {
    const nowMs = EPOCH_MS + seconds * 1000;
    equal(nextCursor({ nowMs, longPollTimeoutMs, previous, random: () => random }), expected);
  });
}
