import { type PgType, PLAIN } from "./type.ts";

/** Bytes that a `name` or an enum label may have. */
const NAME_BYTES_MAX = 63;

/** Orders by UTF-8 bytes, which is the order of code points. */
export function compareBytewise(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    const codeA = a.charCodeAt(i), codeB = b.charCodeAt(i);
    if (codeA !== codeB) return orderOfUnit(codeA) - orderOfUnit(codeB);
  }
  return a.length - b.length;
}

/** Surrogates stand for code points above all others. */
function orderOfUnit(unit: number): number {
  return unit >= 0xd800 && unit <= 0xdfff ? unit + 0x10000 : unit;
}

export function trimPadding(text: string): string {
  let end = text.length;
  while (end > 0 && text.charCodeAt(end - 1) === 0x20) end--;
  return end === text.length ? text : text.slice(0, end);
}

/** Cuts a name to what fits, at a character's edge. */
export function truncateName(text: string): string {
  let size = 0, end = 0;
  for (const character of text) {
    const code = character.codePointAt(0) ?? 0;
    size += code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    if (size > NAME_BYTES_MAX) return text.slice(0, end);
    end += character.length;
  }
  return text;
}

function parse(text: string): string | undefined {
  return text.includes("\0") ? undefined : text;
}

const STRING = {
  ...PLAIN,
  category: "S",
  isCollatable: true,
  parse,
  format: (value: string) => value,
  decode: (text: string) => text,
  compare: compareBytewise,
} as const;

export const TEXT: PgType<string> = { ...STRING, name: "text", sqlName: "text", isPreferred: true };
export const VARCHAR: PgType<string> = { ...STRING, name: "varchar", sqlName: "varchar" };

export const NAME: PgType<string> = {
  ...STRING,
  name: "name",
  sqlName: "name",
  parse: (text) => text.includes("\0") ? undefined : truncateName(text),
};

/** `char(n)`: trailing spaces do not count when two of them are compared, but do in patterns. */
export const BPCHAR: PgType<string> = {
  ...STRING,
  name: "bpchar",
  sqlName: "bpchar",
  isTextUnique: false,
  compare: (a, b) => compareBytewise(trimPadding(a), trimPadding(b)),
  key: trimPadding,
};

/** An enum. Its labels are not known here, so it has no order; Postgres checks the constants. */
export function enumType(schema: string, name: string): PgType<string> {
  return {
    ...STRING,
    category: "E",
    isCollatable: false,
    name: `enum ${name}`,
    sqlName: `${quoteName(schema)}.${quoteName(name)}`,
    parse: (text) => truncateName(text) === text ? parse(text) : undefined,
  };
}

export function quoteName(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}
