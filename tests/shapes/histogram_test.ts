import assert from "node:assert/strict";
import { DURATION_BOUNDS, Histogram } from "../../shapes/histogram.ts";

Deno.test("Histogram puts each value into the first bucket that is not too small for it", () => {
  const histogram = new Histogram([1, 2, 4]);
  for (const value of [0, 1, 1.5, 2, 3, 4, 4.1, 1e9]) histogram.observe(value);
  assert.deepEqual([...histogram.counts], [2, 2, 2, 2]);
  assert.equal(histogram.sum, 0 + 1 + 1.5 + 2 + 3 + 4 + 4.1 + 1e9);
});

Deno.test("the bounds of durations ascend", () => {
  assert.deepEqual([...DURATION_BOUNDS], DURATION_BOUNDS.toSorted((a, b) => a - b));
  assert.equal(new Set(DURATION_BOUNDS).size, DURATION_BOUNDS.length);
});
