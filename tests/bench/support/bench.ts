/**
 * What all benchmarks share: flags, timing, printing. A benchmark is a script of named workloads.
 * Its figures are printed and never judged, what it counts is asserted. Flags, which
 * `deno task bench` passes on: `--tiny` for the smallest sizes, once; `--only=REGEX` for the
 * workloads whose name matches; `--rounds=N`, `--scale=full` and `--json=FILE` for kit_bench.ts.
 */

import { parseArgs } from "node:util";

/** By name, with the unit at its end: `rows_per_s`, `last_ms`, `ns_per_row`. */
export type Figures = Readonly<Record<string, number>>;

const { values } = parseArgs({
  args: Deno.args,
  options: {
    tiny: { type: "boolean", default: false },
    only: { type: "string" },
    rounds: { type: "string" },
    scale: { type: "string" },
    json: { type: "string" },
  },
});

export const flags: Readonly<typeof values> = values;

/** The number to work with: the second when tiny. */
export function sized(full: number, tiny: number): number {
  return flags.tiny ? tiny : full;
}

/** Whether `--only` leaves it in: to be asked where setting up takes long. */
export function isWanted(name: string): boolean {
  return new RegExp(flags.only ?? "").test(name);
}

/** Runs one workload, unless `--only` leaves it out, and prints its figures. */
export async function workload(
  name: string,
  work: () => Figures | Promise<Figures>,
): Promise<void> {
  if (!isWanted(name)) return;
  const figures = Object.entries(await work()).map(([figure, value]) =>
    `${figure} ${formatFigure(value)}`
  );
  console.log(`  ${name.padEnd(38)} ${figures.join(", ")}`);
}

/** The median of each figure over so many rounds, or of the one round when tiny. */
export async function repeated(
  rounds: number,
  work: (round: number) => Promise<Figures>,
): Promise<Figures> {
  const all: Figures[] = [];
  for (let round = 0; round < sized(rounds, 1); round++) all.push(await work(round));
  return Object.fromEntries(
    Object.keys(all[0]).map((figure) => [figure, median(all.map((one) => one[figure]))]),
  );
}

/** Nanoseconds for one of the units that each call of `batch` works off: the median of five rounds. */
export function nsPer(units: number, batch: () => void): number {
  const rounds = sized(5, 1), roundMs = sized(200, 1);
  batch(); // warm
  const samples = Array.from({ length: rounds }, () => {
    const start = performance.now();
    let calls = 0, ms = 0;
    do {
      batch();
      calls++;
      ms = performance.now() - start;
    } while (ms < roundMs);
    return ms * 1e6 / (calls * units);
  });
  return median(samples);
}

/**
 * Bytes that are in use in this process, in JavaScript's heap and outside of it; NaN unless it was
 * started with `--v8-flags=--expose-gc`, as run.ts does.
 */
export async function bytesInUse(): Promise<number> {
  const collect: unknown = Reflect.get(globalThis, "gc");
  if (typeof collect !== "function") return NaN;
  // What is freed outside of the heap is only known in a later turn.
  for (let i = 0; i < 3; i++) {
    collect();
    await new Promise<void>((resolve) => setTimeout(resolve, 0));
  }
  const { heapUsed, external } = Deno.memoryUsage();
  return heapUsed + external;
}

/** Milliseconds that the work took, and its result. */
export async function timed<T>(work: () => Promise<T>): Promise<{ ms: number; result: T }> {
  const start = performance.now();
  const result = await work();
  return { ms: performance.now() - start, result };
}

/** Units a second. */
export function rate(units: number, ms: number): number {
  return units / ms * 1_000;
}

/** Megabytes (10^6) a second. */
export function mbPerSecond(bytes: number, ms: number): number {
  return bytes / ms / 1_000;
}

export function median(values: readonly number[]): number {
  return percentile(values, 0.5);
}

/** The value that a share of all is not above; NaN of none. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? NaN;
}

/** Three digits, or all before the point. */
export function formatFigure(value: number): string {
  if (!Number.isFinite(value)) return "-";
  const size = Math.abs(value);
  if (size >= 100) return Math.round(value).toLocaleString("en-US");
  return size >= 10 ? value.toFixed(1) : value.toFixed(2);
}
