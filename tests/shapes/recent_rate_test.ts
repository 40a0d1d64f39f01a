import assert from "node:assert/strict";
import { RATE_WINDOW_MS, RecentRate } from "../../shapes/recent_rate.ts";

/** Ten a second, from one time to another. */
function addTen(rate: RecentRate, fromMs: number, toMs: number): void {
  for (let ms = fromMs; ms < toMs; ms += 100) rate.add(1, ms);
}

function assertNear(actual: number, wanted: number): void {
  assert(Math.abs(actual - wanted) <= wanted * 0.05 + 0.01, `${actual} is not near ${wanted}`);
}

Deno.test("RecentRate tells what goes on, from the first second of the process on", () => {
  for (const untilMs of [1000, 5000, RATE_WINDOW_MS, 10 * RATE_WINDOW_MS]) {
    const rate = new RecentRate();
    addTen(rate, 0, untilMs);
    assertNear(rate.perSecond(untilMs), 10);
  }
});

Deno.test("RecentRate forgets what was long ago, and takes up what is new", () => {
  const rate = new RecentRate();
  addTen(rate, 0, 300_000);
  assertNear(rate.perSecond(300_000 + RATE_WINDOW_MS), 10 / Math.E);
  assertNear(rate.perSecond(300_000 + 10 * RATE_WINDOW_MS), 0);
  addTen(rate, 1_000_000, 1_000_000 + 5 * RATE_WINDOW_MS);
  assertNear(rate.perSecond(1_000_000 + 5 * RATE_WINDOW_MS), 10);
});

Deno.test("RecentRate is 0 before anything happened, and finite at the very start", () => {
  const rate = new RecentRate();
  assert.equal(rate.perSecond(0), 0);
  rate.add(1, 0);
  assertNear(rate.perSecond(0), 1000);
});
