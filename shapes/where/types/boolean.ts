import { compareValues, type PgType, PLAIN, unexpectedText } from "./type.ts";

const WORDS: readonly (readonly [word: string, shortest: number, value: boolean])[] = [
  ["true", 1, true],
  ["false", 1, false],
  ["yes", 1, true],
  ["no", 1, false],
  ["on", 2, true],
  ["off", 2, false],
  ["1", 1, true],
  ["0", 1, false],
];

/** Takes any unambiguous beginning of a word, as `parse_bool_with_len` does. */
function parse(text: string): boolean | undefined {
  const word = text.replace(/^[ \t\n\v\f\r]+|[ \t\n\v\f\r]+$/g, "").toLowerCase();
  return WORDS.find(([full, shortest]) => word.length >= shortest && full.startsWith(word))?.[2];
}

/** The stream prints `t`, a cast to text prints `true`. */
function decode(text: string): boolean {
  if (text === "t" || text === "true") return true;
  if (text === "f" || text === "false") return false;
  throw unexpectedText("bool", text);
}

export const BOOL: PgType<boolean> = {
  ...PLAIN,
  name: "bool",
  sqlName: "bool",
  category: "B",
  isPreferred: true,
  isTextUnique: false,
  parse,
  format: (value) => value ? "true" : "false",
  decode,
  decodeBytes: (bytes, start) => bytes[start] === 0x74,
  compare: compareValues,
};
