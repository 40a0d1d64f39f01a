/**
 * Figures of the benchmark kit: those it has just measured, those that its REFERENCE.md gives for
 * the reference server, and the two side by side.
 */

import { type Figures, formatFigure, median } from "./bench.ts";

/** One measured part of a point, such as `w1/10000 cold`. */
export interface Block {
  readonly point: string;
  readonly label: string;
  readonly figures: Figures;
}

/** As the kit's `--json` has them, as far as they are needed. */
export interface Sample {
  readonly point: string;
  readonly label: string;
  readonly figures: Figures;
  readonly cost: {
    readonly wall_s: number;
    readonly server_cpu_s: number;
    readonly other_cpu_s: number;
    readonly rss_peak_mb: number;
  };
}

/** Figures of which more is better; of the others less is. */
const RATE = /_per_s$|^kept$/;
/** The figures to look at, by workload; the kit prints all. Wherever shapes are made: how fast. */
const HEADLINES: Readonly<Record<string, RegExp>> = {
  w1: /^rows_per_s$/,
  w2: /^last_ms$/,
  w3: /^(?:p50|p99)_ms$/,
  w4: /^last_ms$/,
  w5: /^last_ms$/,
  w6: /^rows_per_s$/,
  w7: /^rows_per_s$/,
  w8: /^(?:requests_per_s|p99_ms)$/,
  w9: /kb_per_/,
  w10: /^(?:first_200_ms|kept)$/,
  w11: /^(?:p50|p99)_ms$/,
  w12: /^(?:in|out)_p50_ms$/,
};
const SHAPES_MADE = "shapes_per_s";

/** Must be 0, or else the answers were wrong. */
const FAULTS = ["missing", "wrong", "errors"];

/** Reads the rows `| point | block | rounds | figures | CPU s | RSS MB |`. */
export function parseReference(markdown: string): Block[] {
  const blocks: Block[] = [];
  for (const line of markdown.split("\n")) {
    const cells = line.split("|").slice(1, -1).map((cell) => cell.trim());
    if (cells.length !== 6 || !/^w\d+\//.test(cells[0])) continue;
    const [point, label, , figures, cpu_s, rss_mb] = cells;
    const texts = [...figures.split(", "), `cpu_s ${cpu_s}`, `rss_mb ${rss_mb}`];
    const named = texts.map((text) => text.split(" ") as [string, string]);
    blocks.push({
      point,
      label,
      figures: Object.fromEntries(
        named.map(([name, value]) => [name, Number(value.replaceAll(",", ""))]),
      ),
    });
  }
  return blocks;
}

/** Medians over the rounds; noisy rounds count only where there is no other. */
export function summarize(samples: readonly Sample[]): Block[] {
  const groups = Map.groupBy(samples, ({ point, label }) => `${point}\n${label}`);
  return [...groups.values()].map((group) => {
    const quiet = group.filter(({ cost }) => !isNoisy(cost));
    const counted = quiet.length > 0 ? quiet : group;
    const { point, label } = group[0];
    const each = counted.map(({ figures, cost }): Figures => {
      return { ...figures, cpu_s: cost.server_cpu_s, rss_mb: cost.rss_peak_mb };
    });
    const medians = Object.keys(each[0]).map((name) =>
      [name, median(each.map((figures) => figures[name]))] as const
    );
    return { point, label, figures: Object.fromEntries(medians) };
  });
}

/** The kit's own rule: others used more than a fifth of a core. */
function isNoisy({ wall_s, other_cpu_s }: Sample["cost"]): boolean {
  return other_cpu_s > 0.1 + 0.2 * wall_s;
}

/** Samples in which a client got no answer, a wrong one, or an error. */
export function findFaults(samples: readonly Sample[]): string[] {
  return samples.flatMap(({ point, label, figures }) =>
    FAULTS.filter((name) => (figures[name] ?? 0) !== 0)
      .map((name) => `${point} ${label}: ${figures[name]} ${name}`)
  );
}

/** How many times better than the reference: above 1 is ahead of it, whichever way the figure goes. */
export function timesBetter(name: string, ours: number, reference: number): number {
  return RATE.test(name) ? ours / reference : reference / ours;
}

/** A Markdown table, as in docs/BENCHMARKS.md. CPU seconds and peak memory belong to the block. */
export function formatComparison(ours: readonly Block[], reference: readonly Block[]): string {
  const lines = [
    "| point | block | figure | ours | reference | times better | CPU s | peak RSS, MB |",
    "| --- | --- | --- | ---: | ---: | ---: | ---: | ---: |",
  ];
  for (const block of ours) {
    const { point, label, figures } = block;
    const theirs = reference.find((other) => other.point === point && other.label === label);
    const both = (name: string) =>
      [figures[name], theirs?.figures[name] ?? NaN].map(formatFigure).join(" / ");
    let first = [point, label], last = [both("cpu_s"), both("rss_mb")];
    for (const name of headlines(block)) {
      const other = theirs?.figures[name] ?? NaN;
      const times = timesBetter(name, figures[name], other);
      const cells = [figures[name], other, times].map(formatFigure);
      lines.push(`| ${[...first, name, ...cells, ...last].join(" | ")} |`);
      first = last = ["", ""];
    }
  }
  return lines.join("\n");
}

function headlines({ point, figures }: Block): string[] {
  const chosen = HEADLINES[point.split("/")[0]];
  return Object.keys(figures).filter((name) => name === SHAPES_MADE || chosen?.test(name));
}
