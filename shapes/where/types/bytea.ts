import { compareValues, type PgType, PLAIN } from "./type.ts";

const encoder = new TextEncoder();

function hexOf(bytes: Iterable<number>): string {
  let text = "\\x";
  for (const byte of bytes) text += byte.toString(16).padStart(2, "0");
  return text;
}

/** The hex format, with white space between pairs of digits, or the older escape format. */
function parse(text: string): string | undefined {
  if (!text.startsWith("\\x")) return parseEscaped(text);
  const pairs = /^\\x(?:[ \n\t\r]*[0-9a-f]{2})*[ \n\t\r]*$/i;
  return pairs.test(text) ? text.replace(/[ \n\t\r]/g, "").toLowerCase() : undefined;
}

function parseEscaped(text: string): string | undefined {
  const bytes: number[] = [];
  const parts = text.matchAll(/\\\\|\\([0-3][0-7]{2})|[^\\\0]+|[^]/g);
  for (const [part, octal] of parts) {
    if (octal) bytes.push(parseInt(octal, 8));
    else if (part === "\\\\") bytes.push(0x5c);
    else if (part === "\\" || part === "\0") return undefined;
    else bytes.push(...encoder.encode(part));
  }
  return hexOf(bytes);
}

/** Kept as its text in hex format, whose order is the order of the bytes. */
export const BYTEA: PgType<string> = {
  ...PLAIN,
  name: "bytea",
  sqlName: "bytea",
  category: "U",
  parse,
  format: (value) => value,
  decode: (text) => text,
  compare: compareValues,
};
