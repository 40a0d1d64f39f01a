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
/** Sizes of the workload, and what is Postgres' alone. */
const NOT_COMPARED = /^(?:body|shape|read)_(?:kb|mb)$|^responses$|^requests$|^commit_/;
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

/** A Markdown table of what both have. */
export function formatComparison(ours: readonly Block[], reference: readonly Block[]): string {
  const lines = [
    "| point | block | figure | ours | reference | times better |",
    "| --- | --- | --- | ---: | ---: | ---: |",
  ];
  for (const { point, label, figures } of ours) {
    const theirs = reference.find((block) => block.point === point && block.label === label);
    for (const [name, value] of Object.entries(figures)) {
      const other = theirs?.figures[name];
      if (other === undefined || NOT_COMPARED.test(name)) continue;
      const cells = [value, other, timesBetter(name, value, other)].map(formatFigure);
      lines.push(`| ${[point, label, name, ...cells].join(" | ")} |`);
    }
  }
  return lines.join("\n");
}
