import { deepStrictEqual as deepEqual, ok, strictEqual as equal } from "node:assert/strict";
import { compareCandidates, dueMs, firstTurn } from "../../../shapes/reconcile/schedule.ts";

const turn = (startedMs: number, endedMs: number, failures = 0) => ({
  startedMs,
  endedMs,
  queryMs: endedMs - startedMs,
  failures,
  position: undefined,
});

/** Started, ended, failures, interval, random, when it is due. */
const TURNS: readonly (readonly [number, number, number, number, number, number])[] = [
  [1000, 1010, 0, 500, 0, 1500],
  [1000, 1010, 0, 500, 0.5, 1475],
  [1000, 1010, 0, 500, 0.999, 1450.05],
  // A long one is followed by four times its length without one.
  [1000, 1200, 0, 500, 0, 2000],
  [1000, 61_000, 0, 500, 0.9, 301_000],
  // Failures are followed by ever longer pauses, up to 30 s.
  [1000, 1010, 1, 500, 0, 1510],
  [1000, 1010, 2, 500, 0, 2010],
  [1000, 1010, 3, 500, 0, 3010],
  [1000, 1010, 20, 500, 0, 31_010],
  [1000, 11_000, 1, 500, 0, 51_000],
];

Deno.test("dueMs() keeps the interval, long reconciles to a fifth of the time, and failures apart", () => {
  for (const [startedMs, endedMs, failures, intervalMs, random, due] of TURNS) {
    const found = dueMs(turn(startedMs, endedMs, failures), intervalMs, random);
    ok(Math.abs(found - due) < 1e-6, `${found} for ${due}`);
  }
});

Deno.test("dueMs() counts only what the database had to do", () => {
  equal(dueMs({ ...turn(1000, 1900), queryMs: 10 }, 500, 0), 1940);
});

Deno.test("dueMs() is at once for a shape that has had no turn", () => {
  equal(dueMs(firstTurn(), 500, 0), -Infinity);
  ok(dueMs(firstTurn(), 500, 0.9) < 0);
});

Deno.test("compareCandidates() puts those first who are waited for, then the latest used", () => {
  const [a, b, c, d] = [[false, 1], [false, 9], [true, 2], [true, 5]].map((
    [isWatched, lastUsedMs],
  ) => ({
    isWatched: isWatched === true,
    lastUsedMs: Number(lastUsedMs),
  }));
  deepEqual([a, b, c, d].sort(compareCandidates), [d, c, b, a]);
});
