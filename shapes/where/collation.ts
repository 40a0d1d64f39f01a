/**
 * What is known of a collation by its name. Null is the database's default one. Only what is known
 * to behave as the code here is used; the rest is refused.
 */

import type { CollationNeed } from "./operators/operator.ts";

const BYTEWISE = /^(C|POSIX|C\.utf-?8|ucs_basic|pg_c_utf8|pg_unicode_fast)$/i;
/** Collations that `initdb` makes; all of them are deterministic. */
const PREDEFINED = /^(unicode|default|.+-x-icu|[a-z]{2,3}(_[A-Z]{2})?(\.\w[\w-]*)?(@\w+)?)$/;
/** In these languages the capital of `i` is not `I`. */
const DOTTED = /^(tr|az|crh|tt|lt)([_.@-]|$)/;
/** Collations whose case mapping is that of the C library for UTF-8. */
const SIMPLE_CASE = /^(C\.utf-?8|pg_c_utf8|[a-z]{2,3}(_[A-Z]{2})?(\.utf-?8)?)$/i;

/**
 * The collation that two operands have together: the default one gives way (manual, "Collation
 * Support"). Undefined if they conflict.
 */
export function combineCollations(a: string | null, b: string | null): string | null | undefined {
  if (a === null || a === b) return b;
  return b === null ? a : undefined;
}

/** What is known of the database's default collation. */
export interface CollationFacts {
  readonly isTextOrderBytewise: boolean;
  /** Its name (`pg_database.datctype`), if it is one of the C library's. */
  readonly defaultCollation?: string;
}

/** Whether an operator with this need can be evaluated here. */
export function satisfies(
  collation: string | null | undefined,
  need: CollationNeed,
  options: CollationFacts,
): boolean {
  if (need === "none") return true;
  if (collation === undefined) return false;
  const name = collation ?? options.defaultCollation ?? "default";
  switch (need) {
    case "equality":
      return collation === null || BYTEWISE.test(name) || PREDEFINED.test(name);
    case "order":
      return collation === null ? options.isTextOrderBytewise : BYTEWISE.test(name);
    case "case":
      return SIMPLE_CASE.test(name) && !DOTTED.test(name);
  }
}

/** No letters whose case depends on the language, and no `_`, because in some a capital is two small ones. */
const PLAIN_LETTERS = /^[^_ikIK\u0080-\u{10ffff}]*$/u;
/** Older than any version of Unicode in use. */
const OLD_LETTERS = /^[^\u0250-\u{10ffff}]*$/u;

/** Whether a text compares alike with what any known implementation of `lower()` makes of another. */
export function isCaseSafe(
  text: string,
  collation: string | null | undefined,
  options: CollationFacts,
): boolean {
  if (collation === undefined || !satisfies(collation, "equality", options)) return false;
  return PLAIN_LETTERS.test(text) ||
    OLD_LETTERS.test(text) && satisfies(collation, "case", options);
}
