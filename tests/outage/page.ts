/** Puts the tables into docs/OUTAGES.md. */

import type { CaseFigures, Requirements } from "./figures.ts";
import { formatReference, formatTable } from "./report.ts";

const PAGE = new URL("../../docs/OUTAGES.md", import.meta.url);

/** Replaces what stands between the marks of a name. Throws if they are missing. Pure. */
export function replaceBetween(text: string, name: string, content: string): string {
  const open = `<!-- ${name} -->`, close = `<!-- /${name} -->`;
  const start = text.indexOf(open), end = text.indexOf(close);
  if (start < 0 || end < start) throw new SyntaxError(`The marks of "${name}" are missing`);
  return `${text.slice(0, start + open.length)}\n\n${content}\n\n${text.slice(end)}`;
}

export async function writePage(
  results: readonly CaseFigures[],
  requirements: Requirements,
): Promise<void> {
  const page = await Deno.readTextFile(PAGE);
  const measured = replaceBetween(page, "figures", formatTable(results, requirements));
  await Deno.writeTextFile(PAGE, replaceBetween(measured, "reference", formatReference()));
  await new Deno.Command(Deno.execPath(), { args: ["fmt", "--quiet", PAGE.pathname] }).output();
}
