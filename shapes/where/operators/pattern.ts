/** LIKE and ILIKE. */

import { compilePattern, lowerCase } from "../like.ts";
import { BOOL } from "../types/boolean.ts";
import { BPCHAR, NAME, TEXT } from "../types/text.ts";
import type { PgType } from "../types/type.ts";
import type { Operator } from "./operator.ts";

const encoder = new TextEncoder();

/** Matches texts as `MatchText` does; undefined for a pattern that Postgres refuses. */
function matches(text: string, pattern: string): boolean | undefined {
  const bytes = encoder.encode(text);
  return compilePattern(pattern)?.(bytes, 0, bytes.length);
}

function matchesFolded(text: string, pattern: string): boolean | undefined {
  return matches(lowerCase(text), lowerCase(pattern));
}

function patternOperators(left: PgType): Operator[] {
  const entry = (name: string, isCaseless: boolean, isNot: boolean): Operator => {
    const match = isCaseless ? matchesFolded : matches;
    const typed: { apply(text: string, pattern: string): boolean | undefined } = {
      apply(text, pattern) {
        const isMatch = match(text, pattern);
        return isMatch === undefined ? undefined : isMatch !== isNot;
      },
    };
    return {
      name,
      left,
      right: TEXT,
      result: BOOL,
      collation: isCaseless ? "case" : "equality",
      runsIn: "javascript",
      canFail: true,
      isTextEquality: false,
      comparison: undefined,
      ...typed,
    };
  };
  return [
    entry("~~", false, false),
    entry("!~~", false, true),
    entry("~~*", true, false),
    entry("!~~*", true, true),
  ];
}

export const PATTERNS: readonly Operator[] = [TEXT, BPCHAR, NAME].flatMap(patternOperators);
