import assert from "node:assert/strict";
import {
  formatBytes,
  formatCount,
  formatDuration,
  formatNumberOf,
  formatRate,
} from "../../cli/quantities.ts";

Deno.test("formatBytes() picks the unit", () => {
  const cases = [[0, "0 B"], [1023, "1023 B"], [1024, "1.0 KiB"], [
    16_777_216,
    "16.0 MiB",
  ]] as const;
  for (const [bytes, text] of cases) assert.equal(formatBytes(bytes), text);
  assert.equal(formatBytes(5 * 1024 ** 5), "5120.0 TiB");
});

Deno.test("formatDuration() shows the two largest units", () => {
  const cases = [
    [-5, "0 s"],
    [0, "0 s"],
    [2540, "2.5 s"],
    [12_400, "12 s"],
    [59_999, "1 min"],
    [192_000, "3 min 12 s"],
    [3_600_000, "1 h"],
    [3_605_000, "1 h"],
    [11_520_000, "3 h 12 min"],
    [183_600_000, "2 d 3 h"],
  ] as const;
  for (const [ms, text] of cases) assert.equal(formatDuration(ms), text);
});

Deno.test("counts have commas, and a plural unless there is one", () => {
  assert.equal(formatCount(999), "999");
  assert.equal(formatCount(1_234_567), "1,234,567");
  assert.deepEqual([0, 1, 1200].map((count) => formatNumberOf(count, "row")), [
    "0 rows",
    "1 row",
    "1,200 rows",
  ]);
});

Deno.test("formatRate() keeps what matters of a number", () => {
  const cases = [[0, "0"], [0.004, "0"], [0.52, "0.52"], [3, "3"], [9.996, "10"], [41.27, "41.3"], [
    12_345.6,
    "12,346",
  ]] as const;
  for (const [rate, text] of cases) assert.equal(formatRate(rate), text);
});
