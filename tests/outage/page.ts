/** Puts the tables into docs/OUTAGES.md. */

import { CASES } from "./cases.ts";
import type { CaseFigures, Requirements } from "./figures.ts";
import { formatReference, formatTable } from "./report.ts";

const PAGE = new URL("../../docs/OUTAGES.md", import.meta.url);

/** Replaces what stands between the marks of a name. Throws if they are missing. Pure. */
export function replaceBetween(text: string, name: string, content: string): string {
  const old = readBetween(text, name), open = `<!-- ${name} -->`;
  return text.replace(`${open}${old}`, () => `${open}\n\n${content}\n\n`);
}

/** The text between the marks of a name. Throws if they are missing. Pure. */
export function readBetween(text: string, name: string): string {
  const open = `<!-- ${name} -->`, close = `<!-- /${name} -->`;
  const start = text.indexOf(open), end = text.indexOf(close);
  if (start < 0 || end < start) throw new SyntaxError(`The marks of "${name}" are missing`);
  return text.slice(start + open.length, end);
}

/**
 * The new table, and the rows of the old one for cases that it lacks, in the order of the ids. Rows
 * begin with `| <id>. `. Pure.
 */
export function mergeTables(old: string, now: string, ids: readonly string[]): string {
  const rowsOf = (table: string) =>
    new Map(
      table.split("\n").flatMap((line): [string, string][] => {
        const id = /^\| (\w+)\. /.exec(line)?.[1];
        return id === undefined ? [] : [[id, line]];
      }),
    );
  const before = rowsOf(old), after = rowsOf(now);
  const head = now.split("\n").slice(0, 2);
  return [...head, ...ids.flatMap((id) => after.get(id) ?? before.get(id) ?? [])].join("\n");
}

/** Figures of cases that were not run are left as they are. */
export async function writePage(
  results: readonly CaseFigures[],
  requirements: Requirements,
): Promise<void> {
  const page = await Deno.readTextFile(PAGE);
  const table = mergeTables(
    readBetween(page, "figures"),
    formatTable(results, requirements),
    CASES.map(({ id }) => id),
  );
  const measured = replaceBetween(page, "figures", table);
  await Deno.writeTextFile(PAGE, replaceBetween(measured, "reference", formatReference()));
  await new Deno.Command(Deno.execPath(), { args: ["fmt", "--quiet", PAGE.pathname] }).output();
}
