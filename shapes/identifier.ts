/** SQL names as requests spell them (WIRE.md 2.3, 2.5). Messages are the contract's. */

import type { TableName } from "./table.ts";

const UNQUOTED = /^[\p{L}_][\p{L}\p{M}_0-9$]*$/u;
const LENGTH_MAX = 63;

/** A name that is not one; the message is for the client. */
export class IdentifierError extends Error {
  override readonly name = "IdentifierError";
}

/** `[schema.]table`; without a schema it is `public`, whatever the search path says. */
export function parseTableName(text: string): TableName {
  const parts = splitOutsideQuotes(text, ".");
  if (parts.length > 2) {
    throw new IdentifierError(`Invalid relation identifier, too many delimiters: ${text}`);
  }
  const names = parts.map(parseIdentifier);
  return names.length === 1
    ? { schema: "public", name: names[0] }
    : { schema: names[0], name: names[1] };
}

/** A list parted by commas that are not within quotes. */
export function parseColumnList(text: string): string[] {
  return splitOutsideQuotes(text, ",").map(parseIdentifier);
}

/** One name: folded to lower case (ASCII only) unless quoted. */
export function parseIdentifier(text: string): string {
  if (text === "" || text === '""') {
    throw new IdentifierError("Invalid zero-length delimited identifier");
  }
  const name = text.length > 1 && text.startsWith('"') && text.endsWith('"')
    ? unquote(text.slice(1, -1))
    : foldUnquoted(text);
  if ([...name].length > LENGTH_MAX) {
    throw new IdentifierError(`Identifier is too long (max length is ${LENGTH_MAX})`);
  }
  return name;
}

function unquote(inner: string): string {
  const name = inner.replaceAll('""', '"');
  if (inner.replaceAll('""', "").includes('"')) {
    throw new IdentifierError(`Invalid identifier with unescaped quote: ${inner}`);
  }
  return name;
}

function foldUnquoted(text: string): string {
  if (!UNQUOTED.test(text)) {
    throw new IdentifierError(
      `Invalid unquoted identifier contains special characters: ${text}`,
    );
  }
  return text.replace(/[A-Z]+/g, (letters) => letters.toLowerCase());
}

function splitOutsideQuotes(text: string, delimiter: string): string[] {
  const parts: string[] = [];
  let isQuoted = false, start = 0;
  for (let i = 0; i < text.length; i++) {
    if (text[i] === '"') isQuoted = !isQuoted;
    else if (text[i] === delimiter && !isQuoted) {
      parts.push(text.slice(start, i));
      start = i + 1;
    }
  }
  parts.push(text.slice(start));
  return parts;
}
