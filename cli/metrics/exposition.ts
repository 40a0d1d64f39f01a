/** The text format that Prometheus reads. */

import type { Histogram } from "../../shapes/histogram.ts";

export type Labels = Readonly<Record<string, string>>;

export interface Sample {
  readonly labels?: Labels;
  readonly value: number;
}

/** All samples of one name. */
export type Family =
  & { readonly name: string; readonly help: string }
  & (
    | { readonly type: "gauge" | "counter"; readonly samples: readonly Sample[] }
    | {
      readonly type: "histogram";
      readonly samples: readonly { readonly labels?: Labels; readonly histogram: Histogram }[];
    }
  );

/** A family without samples is left out. */
export function formatExposition(families: readonly Family[]): string {
  return families.filter(({ samples }) => samples.length > 0).map(formatFamily).join("");
}

function formatFamily(family: Family): string {
  const { name, help, type } = family;
  const lines = [`# HELP ${name} ${escapeHelp(help)}`, `# TYPE ${name} ${type}`];
  if (family.type === "histogram") {
    for (const { labels, histogram } of family.samples) {
      lines.push(...formatHistogram(name, labels, histogram));
    }
  } else for (const { labels, value } of family.samples) lines.push(line(name, labels, value));
  return `${lines.join("\n")}\n`;
}

function* formatHistogram(
  name: string,
  labels: Labels | undefined,
  { bounds, counts, sum }: Histogram,
): Generator<string> {
  let count = 0;
  for (const [at, inBucket] of counts.entries()) {
    count += inBucket;
    yield line(`${name}_bucket`, { ...labels, le: formatNumber(bounds[at] ?? Infinity) }, count);
  }
  yield line(`${name}_sum`, labels, sum);
  yield line(`${name}_count`, labels, count);
}

function line(name: string, labels: Labels | undefined, value: number): string {
  const pairs = Object.entries(labels ?? {}).map(([key, text]) => `${key}="${escapeLabel(text)}"`);
  return `${name}${pairs.length > 0 ? `{${pairs.join(",")}}` : ""} ${formatNumber(value)}`;
}

function formatNumber(value: number): string {
  if (Number.isNaN(value)) return "NaN";
  if (value === Infinity) return "+Inf";
  return value === -Infinity ? "-Inf" : `${value}`;
}

function escapeHelp(text: string): string {
  return text.replaceAll("\\", "\\\\").replaceAll("\n", "\\n");
}

function escapeLabel(text: string): string {
  return escapeHelp(text).replaceAll('"', '\\"');
}
