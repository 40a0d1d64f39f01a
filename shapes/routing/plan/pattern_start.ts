/** What a LIKE pattern begins with before its first wildcard. Pure. */

export interface PatternStart {
  /** The text, without escapes. */
  readonly prefix: string;
  /** What may follow in a text that matches; `other` if that must be looked at. */
  readonly rest: "nothing" | "anything" | "other";
}

/** For patterns that Postgres takes: they do not end with the escape character. */
export function startOfPattern(pattern: string): PatternStart {
  const [start] = /^(?:[^%_\\]|\\[^])*/.exec(pattern) ?? [""];
  const prefix = start.replace(/\\([^])/g, "$1"), rest = pattern.slice(start.length);
  return { prefix, rest: rest === "" ? "nothing" : /^%+$/.test(rest) ? "anything" : "other" };
}
