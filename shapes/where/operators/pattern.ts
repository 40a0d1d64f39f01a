/** LIKE and ILIKE. */

import { compilePattern, lowerCase } from "../like.ts";
import { BOOL } from "../types/boolean.ts";
import { BPCHAR, NAME, TEXT } from "../types/text.ts";
import type { PgType } from "../types/type.ts";
import type { Operator } from "./operator.ts";

const encoder = new TextEncoder();

/** Where texts become bytes to be matched: for one at a time, and most are short. */
const buffer = new Uint8Array(1024);

type TextMatcher = (text: string) => boolean;

/** Matches texts as `MatchText` does; undefined for a pattern that Postgres refuses. */
function textMatcher(pattern: string): TextMatcher | undefined {
  const matches = compilePattern(pattern);
  if (!matches) return undefined;
  return (text) => {
    const size = writeAscii(text);
    if (size >= 0) return matches(buffer, 0, size);
    const bytes = encoder.encode(text);
    return matches(bytes, 0, bytes.length);
  };
}

function foldedMatcher(pattern: string): TextMatcher | undefined {
  const matches = textMatcher(lowerCase(pattern));
  return matches && ((text) => matches(lowerCase(text)));
}

/** Writes a text to the buffer and gives its length; -1 if it is too long or not in ASCII. */
function writeAscii(text: string): number {
  if (text.length > buffer.length) return -1;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code > 0x7f) return -1;
    buffer[i] = code;
  }
  return text.length;
}

function patternOperators(left: PgType): Operator[] {
  const entry = (name: string, isCaseless: boolean, isNot: boolean): Operator => {
    const compile = isCaseless ? foldedMatcher : textMatcher;
    const typed: {
      apply(text: string, pattern: string): boolean | undefined;
      bindRight(pattern: string): { apply(text: string): boolean | undefined };
    } = {
      apply: (text, pattern) => typed.bindRight(pattern).apply(text),
      bindRight(pattern) {
        const matches = compile(pattern);
        return { apply: (text) => matches && matches(text) !== isNot };
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
