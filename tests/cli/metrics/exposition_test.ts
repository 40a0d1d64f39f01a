/** What prom-client writes for the same numbers is the oracle. */

import assert from "node:assert/strict";
import { Counter, Gauge, Histogram as PromHistogram, Registry } from "prom-client";
import { type Family, formatExposition } from "../../../cli/metrics/exposition.ts";
import { Histogram } from "../../../shapes/histogram.ts";

const AWKWARD = 'a "quoted" back\\slash\nand a line';

Deno.test("formatExposition() writes what prom-client writes", async () => {
  const registers = [new Registry()];
  const gauge = new Gauge({ name: "g", help: AWKWARD, labelNames: ["word"], registers });
  gauge.set({ word: AWKWARD }, 1.5);
  gauge.set({ word: "" }, -1e21);
  new Counter({ name: "c_total", help: "Counts", registers }).inc(12345678901);
  const bounds = [0.001, 0.5, 10];
  const timed = new PromHistogram({
    name: "h_seconds",
    help: "Durations",
    labelNames: ["route"],
    buckets: bounds,
    registers,
  });
  const histogram = new Histogram(bounds);
  for (const value of [0.0001, 0.001, 0.25, 3, 100]) {
    histogram.observe(value);
    timed.observe({ route: "shape" }, value);
  }
  const families: Family[] = [
    {
      name: "g",
      help: AWKWARD,
      type: "gauge",
      samples: [{ labels: { word: AWKWARD }, value: 1.5 }, { labels: { word: "" }, value: -1e21 }],
    },
    { name: "c_total", help: "Counts", type: "counter", samples: [{ value: 12345678901 }] },
    {
      name: "h_seconds",
      help: "Durations",
      type: "histogram",
      samples: [{ labels: { route: "shape" }, histogram }],
    },
  ];
  assert.deepEqual(
    normalize(formatExposition(families)),
    normalize(await registers[0].metrics()),
  );
});

/** Labels in the order of their names, blank lines dropped: neither means anything. */
function normalize(text: string): string[] {
  return text.split("\n").filter((line) => line !== "").map((line) => {
    const found = /^(\w+_bucket)\{(.*)\} (.*)$/.exec(line);
    if (!found) return line;
    return `${found[1]}{${found[2].split(",").toSorted().join(",")}} ${found[3]}`;
  });
}

Deno.test("formatExposition() leaves out what has no samples and spells what is no number", () => {
  const samples = [NaN, Infinity, -Infinity].map((value) => ({ value }));
  assert.equal(
    formatExposition([
      { name: "nothing", help: "", type: "gauge", samples: [] },
      { name: "odd", help: "Odd", type: "gauge", samples },
    ]),
    "# HELP odd Odd\n# TYPE odd gauge\nodd NaN\nodd +Inf\nodd -Inf\n",
  );
});
