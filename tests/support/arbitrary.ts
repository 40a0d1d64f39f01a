/** Random values for property tests. A failed property prints its seed: give it to `check`. */

import fc from "fast-check";
import type { Row } from "../../shapes/row.ts";
import { rowOfTexts } from "../../shapes/row.ts";

/** Runs a property; `TEST_SEED` repeats an earlier run. */
export function check<T>(property: fc.IRawProperty<T>, runs = 100): void {
  const given = Deno.env.get("TEST_SEED");
  fc.assert(property, { numRuns: runs, ...given ? { seed: Number(given) } : {} });
}

export async function checkAsync<T>(property: fc.IAsyncProperty<T>, runs = 50): Promise<void> {
  const given = Deno.env.get("TEST_SEED");
  await fc.assert(property, { numRuns: runs, ...given ? { seed: Number(given) } : {} });
}

/** Texts that Postgres can hold (no NUL, no lone surrogates), the awkward ones often. */
export const postgresText: fc.Arbitrary<string> = fc.oneof(
  { weight: 3, arbitrary: fc.string({ unit: "grapheme", maxLength: 40 }) },
  { weight: 3, arbitrary: fc.string({ unit: "binary", maxLength: 12 }) },
  {
    weight: 4,
    arbitrary: fc.string({
      unit: fc.constantFrom(
        ...["\t", "\n", "\r", "\b", "\f", "\v", "\x01", "\x1f", "\x7f", "\\", '"', "/", "\\N"],
        ...["{", "}", "[", ",", "'", "a", "é", "🚀", "_", "N"],
      ),
      maxLength: 20,
    }),
  },
  { weight: 1, arbitrary: fc.string({ minLength: 60, maxLength: 400 }) },
  { weight: 1, arbitrary: fc.constantFrom("", "\\N", "\\\\N", "\\.", "NULL", "_", " ", "//") },
).map((text) => text.replaceAll("\0", "").toWellFormed());

/** A column's text, or NULL. */
export const cell: fc.Arbitrary<string | null> = fc.oneof(
  { weight: 5, arbitrary: postgresText },
  { weight: 1, arbitrary: fc.constant(null) },
);

/** Names that Postgres can hold. */
export const identifierText: fc.Arbitrary<string> = postgresText.map((text) =>
  [...text].slice(0, 63).join("") || "_"
);

export function row(texts: readonly (string | null)[]): Row {
  return rowOfTexts(texts);
}

/**
 * A row in COPY's text format, written from the documentation of COPY: backslash, and what would
 * be taken for a separator, are escaped; all else is as it is.
 */
export function copyText(rows: readonly (readonly (string | null)[])[]): Uint8Array {
  const escapes: Record<string, string> = {
    "\b": "\\b",
    "\f": "\\f",
    "\n": "\\n",
    "\r": "\\r",
    "\t": "\\t",
    "\v": "\\v",
    "\\": "\\\\",
  };
  const field = (text: string | null) =>
    text === null ? "\\N" : text.replace(/[\b\f\n\r\t\v\\]/g, (letter) => escapes[letter]);
  const lines = rows.map((texts) => `${texts.map(field).join("\t")}\n`);
  return new TextEncoder().encode(lines.join(""));
}
