import assert from "node:assert/strict";
import { formatFigure, median, percentile } from "../bench/support/bench.ts";
import {
  findFaults,
  formatComparison,
  parseReference,
  type Sample,
  summarize,
  timesBetter,
} from "../bench/support/kit_figures.ts";

const REFERENCE = `
# The reference's figures

| point | block | rounds | figures (median) | CPU s | RSS MB |
|---|---|---|---|---|---|
| w1/10000 | cold | 3 | wall_ms 1,210, rows_per_s 82,952, body_mb 3.44 | 0.12 | 297 |
| w10/1000 | restart | 3 | first_200_ms 2,303, kept 1,000 | 5.46 | 1,286 |

| limit | figure |
|---|---|
| COPY of 1M rows | 936k |
`;

function sample(figures: Sample["figures"], changed: Partial<Sample["cost"]> = {}): Sample {
  const cost = { wall_s: 1, server_cpu_s: 0.5, other_cpu_s: 0, rss_peak_mb: 100, ...changed };
  return { point: "w1/10000", label: "cold", figures, cost };
}

Deno.test("parseReference() reads figures with thousands separators and leaves other tables out", () => {
  assert.deepEqual(parseReference(REFERENCE), [
    {
      point: "w1/10000",
      label: "cold",
      figures: { wall_ms: 1210, rows_per_s: 82_952, body_mb: 3.44, cpu_s: 0.12, rss_mb: 297 },
    },
    {
      point: "w10/1000",
      label: "restart",
      figures: { first_200_ms: 2303, kept: 1000, cpu_s: 5.46, rss_mb: 1286 },
    },
  ]);
});

Deno.test("summarize() takes the median of the quiet rounds, or of all when none was quiet", () => {
  const quiet = [1, 5, 3].map((wall_ms) => sample({ wall_ms }));
  const noisy = [90, 80].map((wall_ms) => sample({ wall_ms }, { other_cpu_s: 0.9 }));
  const wallMs = (samples: Sample[]) => summarize(samples).map(({ figures }) => figures.wall_ms);
  assert.deepEqual(wallMs([...quiet, ...noisy]), [3]);
  assert.deepEqual(wallMs(noisy), [80]);
  assert.deepEqual(summarize(quiet)[0].figures, { wall_ms: 3, cpu_s: 0.5, rss_mb: 100 });
});

Deno.test("timesBetter() is above 1 for a higher rate and for a lower time", () => {
  assert.equal(timesBetter("rows_per_s", 200, 100), 2);
  assert.equal(timesBetter("kept", 500, 1000), 0.5);
  assert.equal(timesBetter("last_ms", 50, 100), 2);
  assert.equal(timesBetter("rss_mb", 400, 100), 0.25);
});

Deno.test("formatComparison() shows a block's main figures beside the reference's", () => {
  const ours = summarize([sample({ wall_ms: 605, rows_per_s: 165_904, body_mb: 3.44 })]);
  assert.deepEqual(formatComparison(ours, parseReference(REFERENCE)).split("\n").slice(2), [
    "| w1/10000 | cold | rows_per_s | 165,904 | 82,952 | 2.00 | 0.50 / 0.12 | 100 / 297 |",
  ]);
});

Deno.test("formatComparison() names a block once, and leaves open what the reference lacks", () => {
  const figures = { kept: 1000, first_200_ms: 500 };
  const ours = [{ point: "w10/5", label: "restart", figures: { ...figures, cpu_s: 1, rss_mb: 9 } }];
  assert.deepEqual(formatComparison(ours, parseReference(REFERENCE)).split("\n").slice(2), [
    "| w10/5 | restart | kept | 1,000 | - | - | 1.00 / - | 9.00 / - |",
    "|  |  | first_200_ms | 500 | - | - |  |  |",
  ]);
});

Deno.test("findFaults() names answers that were missing or wrong", () => {
  const samples = [sample({ missing: 0, wrong: 0 }), sample({ missing: 2 }), sample({ errors: 1 })];
  assert.deepEqual(findFaults(samples), ["w1/10000 cold: 2 missing", "w1/10000 cold: 1 errors"]);
});

Deno.test("percentile() gives a value of the list that the share of it does not exceed", () => {
  const values = [5, 1, 4, 2, 3];
  assert.deepEqual([0, 0.2, 0.5, 0.99, 1].map((share) => percentile(values, share)), [
    ...[1, 1, 3, 5, 5],
  ]);
  assert.equal(median([7]), 7);
  assert(Number.isNaN(median([])));
});

Deno.test("formatFigure() keeps three digits", () => {
  const values = [0.1234, 12.34, 123.4, 1234567, -15.55, NaN, Infinity];
  assert.deepEqual(values.map(formatFigure), [
    "0.12",
    "12.3",
    "123",
    "1,234,567",
    "-15.6",
    "-",
    "-",
  ]);
});
