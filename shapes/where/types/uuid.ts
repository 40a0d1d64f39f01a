import { compareValues, type PgType, PLAIN } from "./type.ts";

const GROUPS = /^(?:[0-9a-f]{4}-?){7}[0-9a-f]{4}$/;

/** Takes capitals, braces, and hyphens after any group of four digits or none at all. */
function parse(input: string): string | undefined {
  const lower = /^[\x20-\x7e]*$/.test(input) ? input.toLowerCase() : "";
  const text = lower.startsWith("{") && lower.endsWith("}") ? lower.slice(1, -1) : lower;
  if (!GROUPS.test(text)) return undefined;
  const digits = text.replaceAll("-", "");
  const cuts = [0, 8, 12, 16, 20, 32];
  return cuts.slice(1).map((cut, i) => digits.slice(cuts[i], cut)).join("-");
}

export const UUID: PgType<string> = {
  ...PLAIN,
  name: "uuid",
  sqlName: "uuid",
  category: "U",
  parse,
  format: (value) => value,
  decode: (text) => text,
  compare: compareValues,
};
