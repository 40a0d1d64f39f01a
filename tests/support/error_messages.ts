/**
 * The messages that users meet, read from the sources: what is thrown as one of these errors, or
 * gathered as a problem of the configuration. What a message is filled with is an ellipsis.
 */

import type { SourceFile } from "./source_tree.ts";

export interface FoundMessage {
  readonly path: string;
  readonly message: string;
}

const PLACES =
  /(?:new (?:WhereError|InvalidRequestError|UnavailableError|UsageError|ConnectionError|SnapshotError)|refuse|misuse|fatal|problems\.push|missing\.push)\(/g;
/** Also `throw new SyntaxError()` where it speaks of an option or the database URL. */
const SYNTAX = /new (?:Syntax|Range|Type)Error\(/g;
const SYNTAX_FILES = [
  "cli/option_values.ts",
  "replication/database_url.ts",
  "shapes/identifier.ts",
];

export function findMessages(sources: readonly SourceFile[]): readonly FoundMessage[] {
  return sources.flatMap(({ path, text }) => {
    const places = [...text.matchAll(PLACES)];
    if (SYNTAX_FILES.includes(path)) places.push(...text.matchAll(SYNTAX));
    return places.map((place) => argumentsFrom(text, place.index + place[0].length))
      .flatMap(literalsIn).filter((message) => /[a-z]{2} [a-z]/i.test(message))
      .map((message) => ({ path, message }));
  });
}

/** The text up to the parenthesis that closes. */
function argumentsFrom(text: string, start: number): string {
  let depth = 1, at = start;
  for (; at < text.length && depth > 0; at++) {
    const sign = text[at];
    if (sign === '"' || sign === "'" || sign === "`") at = endOfLiteral(text, at);
    else if ("([{".includes(sign)) depth++;
    else if (")]}".includes(sign)) depth--;
  }
  return text.slice(start, at - 1);
}

/** Where the literal that begins at a quote ends. */
function endOfLiteral(text: string, start: number): number {
  const quote = text[start];
  for (let at = start + 1; at < text.length; at++) {
    if (text[at] === "\\") at++;
    else if (quote === "`" && text.startsWith("${", at)) at = endOfHole(text, at + 2);
    else if (text[at] === quote) return at;
  }
  throw new SyntaxError("A literal does not end");
}

/** Where the brace is that closes what fills a template. */
function endOfHole(text: string, start: number): number {
  return start + argumentsFrom(text, start).length;
}

/** Literals of an expression, those joined by `+` as one. */
function literalsIn(text: string): string[] {
  const found: string[] = [];
  let joined = "", end = -1;
  for (let at = 0; at < text.length; at++) {
    const sign = text[at];
    if (sign !== '"' && sign !== "'" && sign !== "`") continue;
    const close = endOfLiteral(text, at);
    const literal = readLiteral(text.slice(at, close + 1));
    if (end >= 0 && /^\s*\+\s*$/.test(text.slice(end, at))) joined += literal;
    else {
      if (joined) found.push(joined);
      joined = literal;
    }
    at = close;
    end = close + 1;
  }
  return joined ? [...found, joined] : found;
}

function readLiteral(literal: string): string {
  let text = "";
  for (let at = 1; at < literal.length - 1; at++) {
    if (literal[0] === "`" && literal.startsWith("${", at)) {
      at = endOfHole(literal, at + 2);
      text += "…";
    } else if (literal[at] === "\\") text += literal[++at];
    else text += literal[at];
  }
  return text;
}
