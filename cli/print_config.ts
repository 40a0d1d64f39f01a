/** `serve --print-config`: each value, and where it came from. */

import type { ResolvedOption } from "./config.ts";
import { redact, redactAll } from "./redact.ts";

/** One line an option: name, value, source. Secrets and passwords are masked. */
export function formatConfig(options: readonly ResolvedOption[]): string {
  const rows = options.map((option) => [option.option.env[0], formatValue(option), option.source]);
  const widths = [0, 1].map((column) => Math.max(...rows.map((row) => row[column].length)));
  return rows.map(([name, value, source]) =>
    `${name.padEnd(widths[0])}  ${value.padEnd(widths[1])}  ${source}\n`
  ).join("");
}

function formatValue({ option, value, source }: ResolvedOption): string {
  if (value === undefined) return source === "default" ? `(${option.initialDoc})` : "";
  if (option.secret === "all") return redactAll();
  return redact(option.type.format(value));
}
