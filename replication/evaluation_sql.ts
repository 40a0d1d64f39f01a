/** The texts of an evaluation: what is asked, how values go in, what errors mean. Pure. */

import type { EvaluationColumn } from "../shapes/ports.ts";
import type { Row } from "../shapes/row.ts";
import { DISPLAY_SETTINGS, displaySettingsSql } from "./connection.ts";
import { quoteIdent, quoteLiteral } from "./sql_text.ts";
import { isConnectionError } from "./transaction.ts";

/** How a column's values go in. */
export interface ColumnInput {
  readonly name: string;
  readonly place: number;
  /** Of the array in which the values are sent. */
  readonly delimiter: string;
  /** Type of that array's elements. */
  readonly elementType: string;
  /** What the elements are cast to; undefined when they are of the type already. */
  readonly castTo: string | undefined;
  readonly collation: string | undefined;
}

/** One row of `typesSql`. All values are text. */
export interface TypeRow {
  /** OID of the type that was asked about. */
  readonly oid: string;
  /** Quoted, with its schema; of a domain the type at its bottom. */
  readonly name: string;
  readonly delimiter: string;
  /** Its array can't be unnested into plain values: an array, or a composite. */
  readonly isNested: string;
}

/**
 * Looks up types. A domain's values are sent as those of the type below it: the constraints of a
 * domain may have been added after the values (NOT VALID), and expressions see that type anyway.
 */
export function typesSql(oids: readonly number[]): string {
  return `WITH RECURSIVE base AS (
    SELECT t.oid AS asked, t.oid, t.typtype, t.typbasetype
    FROM pg_catalog.pg_type t WHERE t.oid IN (${oids})
    UNION ALL
    SELECT base.asked, t.oid, t.typtype, t.typbasetype
    FROM base JOIN pg_catalog.pg_type t ON t.oid = base.typbasetype WHERE base.typtype = 'd'
  )
  SELECT base.asked::text AS oid, t.typdelim::text AS delimiter,
    (pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(t.typname)) AS name,
    (t.typtype = 'c' OR t.typarray = 0)::text AS "isNested"
  FROM base
  JOIN pg_catalog.pg_type t ON t.oid = base.oid
  JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace
  WHERE base.typtype <> 'd'`;
}

/** Finds collations by name, those first that a name without schema finds. */
export function collationsSql(names: readonly string[]): string {
  return `SELECT co.collname::text AS collation,
    (pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(co.collname)) AS name
  FROM pg_catalog.pg_collation co JOIN pg_catalog.pg_namespace n ON n.oid = co.collnamespace
  WHERE co.collname::text IN (${names.map(quoteLiteral)}) AND co.collencoding IN
    (-1, (SELECT encoding FROM pg_catalog.pg_database WHERE datname = current_database()))
  ORDER BY pg_catalog.pg_collation_is_visible(co.oid) DESC`;
}

/**
 * Values come as array elements, so that they are read by their type's own input function: a cast
 * from text may be another function altogether. Arrays and composites, whose arrays `unnest` would
 * take apart, are cast from text. A value carries what its type modifier made of it.
 */
export function columnInput(
  { name, place }: EvaluationColumn,
  type: TypeRow,
  collation: string | undefined,
): ColumnInput {
  const isNested = type.isNested === "true";
  return {
    name,
    place,
    delimiter: isNested ? "," : type.delimiter,
    elementType: isNested ? "pg_catalog.text" : type.name,
    castTo: isNested ? type.name : undefined,
    collation,
  };
}

/**
 * Answers one text of digits, one a row and condition (see `IS_FALSE` and its like); null for no
 * rows. `parameter` writes the array of a column's values.
 */
export function evaluationSql(
  columns: readonly ColumnInput[],
  conditions: readonly string[],
  parameter: (column: number) => string,
): string {
  const order = unusedName(columns);
  const arrays = columns.map(({ elementType }, i) =>
    `pg_catalog.unnest(${parameter(i)}::${elementType}[])`
  );
  const names = columns.map((_, i) => `c${i}`);
  const values = columns.map(({ name, castTo, collation }, i) => {
    const cast = castTo === undefined ? "" : `::${castTo}`;
    const collate = collation === undefined ? "" : ` COLLATE ${collation}`;
    return `(u.c${i}${cast})${collate} AS ${quoteIdent(name)}`;
  });
  const digits = conditions.map((condition) =>
    `CASE (${condition}\n) WHEN true THEN '1' WHEN false THEN '0' ELSE '2' END`
  );
  return `SELECT pg_catalog.string_agg(digits, '' ORDER BY place) AS digits FROM (
    SELECT ${digits.join(" || ")} AS digits, ${order} AS place FROM (
      SELECT ${[...values, `u.place AS ${order}`].join(", ")}
      FROM ROWS FROM (${arrays.join(", ")}) WITH ORDINALITY AS u (${names.join(", ")}, place)
    ) AS rows
  ) AS evaluated`;
}

function unusedName(columns: readonly ColumnInput[]): string {
  let name = "place";
  while (columns.some((column) => column.name === name)) name += "_";
  return quoteIdent(name);
}

/** The column's values of some rows as the text of an array. */
export function arrayText(
  { place, delimiter }: ColumnInput,
  rows: readonly Row[],
  from: number,
  to: number,
): string {
  let text = "{";
  for (let i = from; i < to; i++) {
    if (i > from) text += delimiter;
    const value = rows[i].text(place);
    if (value === null) text += "NULL";
    else text += `"${/["\\]/.test(value) ? value.replace(/["\\]/g, "\\$&") : value}"`;
  }
  return text + "}";
}

/** Settings of a session that does nothing but evaluate. */
export function sessionParameters(timeoutMs: number): Record<string, string> {
  return {
    ...Object.fromEntries(DISPLAY_SETTINGS),
    default_transaction_read_only: "on",
    statement_timeout: `${timeoutMs}`,
    jit: "off",
    // The plan is the same whatever the values: it must not be made anew for them.
    plan_cache_mode: "force_generic_plan",
  };
}

/**
 * The same settings for one message of the simple protocol, whose statements are one transaction:
 * behind a pooler nothing else stays together.
 */
export function inTransaction(text: string, timeoutMs: number): string {
  return [
    "SET TRANSACTION READ ONLY",
    displaySettingsSql("transaction"),
    `SET LOCAL statement_timeout = ${timeoutMs}`,
    "SET LOCAL jit = off",
    text,
  ].join("; ");
}

/**
 * Whose fault an error is. `rows`: a value's, or a condition's; `stale`: what was looked up may
 * have another name by now, or the statement is wrong; `cancelled`: it took too long, or somebody
 * cancelled it; `connection`: nobody's, ask again; `ours`: not Postgres' at all.
 */
export type FailureKind = "rows" | "stale" | "cancelled" | "connection" | "ours";

/** https://www.postgresql.org/docs/current/errcodes-appendix.html */
export function failureKind(error: unknown): FailureKind {
  if (isConnectionError(error)) return "connection";
  if (!(error instanceof Error) || error.name !== "PostgresError") return "ours";
  const code = sqlState(error);
  if (code === "57014") return "cancelled";
  // Too little memory, as opposed to too few connections or a full disk, may be a value's doing.
  if (/^(08|28|3D|40|53[0134]|57|58)/.test(code)) return "connection";
  return code.startsWith("42") ? "stale" : "rows";
}

/** The code of an error of the server or the driver. */
export function sqlState(error: unknown): string {
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  return typeof code === "string" ? code : "unknown";
}
