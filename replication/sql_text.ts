/** Names and values as SQL text, for statements that take no parameters. */

import type { TableName } from "../shapes/table.ts";

/** A name as a delimited identifier: exact, whatever its letters. Throws `RangeError` on a NUL. */
export function quoteIdent(name: string): string {
  refuseNul(name);
  return `"${name.replaceAll('"', '""')}"`;
}

/**
 * A string constant that reads the same whatever `standard_conforming_strings` says. Throws
 * `RangeError` on a NUL, which Postgres' strings can't hold.
 */
export function quoteLiteral(text: string): string {
  refuseNul(text);
  const quoted = `'${text.replaceAll("'", "''")}'`;
  return text.includes("\\") ? ` E${quoted.replaceAll("\\", "\\\\")}` : quoted;
}

/** A table's name with its schema: no search path comes into it. */
export function quoteTable({ schema, name }: TableName): string {
  return `${quoteIdent(schema)}.${quoteIdent(name)}`;
}

/** The protocol ends a statement at a NUL: what follows would be cut off. */
function refuseNul(text: string): void {
  if (text.includes("\0")) throw new RangeError("Cannot quote text that holds a NUL for SQL");
}
