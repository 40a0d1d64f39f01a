/** What the catalog says about tables. Plain text queries: they go through any pooler. */

import { UnavailableError } from "../shapes/errors.ts";
import type { Table, TableName } from "../shapes/table.ts";
import type { Sql } from "./connection.ts";
import { quoteLiteral } from "./sql_text.ts";

/** Only relations that can be shapes: tables, and what only queries can follow. */
const IS_TABLE = `c.relkind IN ('r', 'p', 'v', 'm', 'f')`;

/** Type at the bottom of the domain `t`. */
const BASE_TYPE_NAME = `(
  WITH RECURSIVE base AS (
    SELECT t.typname, t.typtype, t.typbasetype
    UNION ALL
    SELECT under.typname, under.typtype, under.typbasetype
    FROM base JOIN pg_catalog.pg_type under ON under.oid = base.typbasetype
    WHERE base.typtype = 'd'
  )
  SELECT typname FROM base WHERE typtype <> 'd')`;

/** `indkey` counts from 0, and beyond `indnkeyatts` come columns that the index only carries. */
const KEY_INDEX = `(
  SELECT place
  FROM pg_catalog.pg_index i, LATERAL pg_catalog.generate_series(0, i.indnkeyatts - 1) place
  WHERE i.indrelid = c.oid AND i.indisprimary AND i.indkey[place] = a.attnum)`;

const COLUMNS = `(
  SELECT pg_catalog.json_agg(pg_catalog.json_build_object(
    'name', a.attname,
    'number', a.attnum,
    'typeName', t.typname,
    'typeOid', a.atttypid::int8,
    'typeSchema', tn.nspname,
    'typeKind', t.typtype,
    'baseTypeName', CASE t.typtype WHEN 'd' THEN ${BASE_TYPE_NAME} ELSE t.typname END,
    'typeMod', a.atttypmod,
    'dims', a.attndims,
    'isNotNull', a.attnotnull,
    'keyIndex', ${KEY_INDEX},
    'generated', CASE a.attgenerated WHEN 's' THEN 'stored' WHEN 'v' THEN 'virtual' END,
    'collation', co.collname
  ) ORDER BY a.attnum)
  FROM pg_catalog.pg_attribute a
  JOIN pg_catalog.pg_type own ON own.oid = a.atttypid
  -- CREATE TABLE AS leaves attndims 0: such a column goes by its array type's own name.
  JOIN pg_catalog.pg_type t ON t.oid =
    CASE WHEN a.attndims > 0 AND own.typelem <> 0 THEN own.typelem ELSE own.oid END
  JOIN pg_catalog.pg_namespace tn ON tn.oid = t.typnamespace
  LEFT JOIN pg_catalog.pg_collation co ON co.oid = a.attcollation AND co.collname <> 'default'
  WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped)`;

/**
 * Whether the partition of `i` was made as one. What CREATE TABLE … PARTITION OF writes has one
 * transaction id, and columns come before the inheritance; ATTACH PARTITION writes all columns
 * anew, in the same command as the inheritance. What was written anew later counts as attached.
 */
const IS_BORN = `EXISTS (
  SELECT
  FROM pg_catalog.pg_attribute made
  JOIN pg_catalog.pg_attribute a ON a.attrelid = made.attrelid AND a.attnum > 0
  WHERE made.attrelid = i.inhrelid AND made.attname = 'tableoid' AND a.attinhcount > 0
    AND made.xmin = i.xmin AND a.xmin = i.xmin AND a.cmin::text::int8 < i.cmin::text::int8)`;

/** While it is being detached concurrently a partition is none any more (Postgres 14 and later). */
const IS_PARTITION =
  "child.relispartition AND pg_catalog.to_jsonb(i) ->> 'inhdetachpending' IS DISTINCT FROM 'true'";

/** Not `pg_partition_tree()`: that takes a lock on every partition. */
function familySql(first = "", next = ""): string {
  return `
  WITH RECURSIVE below AS (
    SELECT i.inhrelid${first}
    FROM pg_catalog.pg_inherits i JOIN pg_catalog.pg_class child ON child.oid = i.inhrelid
    WHERE i.inhparent = c.oid AND ${IS_PARTITION}
    UNION
    SELECT i.inhrelid${next}
    FROM below
    JOIN pg_catalog.pg_inherits i ON i.inhparent = below.inhrelid
    JOIN pg_catalog.pg_class child ON child.oid = i.inhrelid
    WHERE ${IS_PARTITION}
  )
  SELECT * FROM below`;
}

/** OIDs of all partitions of the table `c`. */
export const DESCENDANTS = familySql();

/** And whether they, and those between, were born as such. */
const FAMILY = familySql(`, ${IS_BORN} AS is_born`, `, below.is_born AND ${IS_BORN}`);

/** A `Table` as JSON text, of the row `c` of pg_class with its schema `n`. */
export const TABLE_JSON = `pg_catalog.json_build_object(
    'schema', n.nspname,
    'name', c.relname,
    'oid', c.oid::int8,
    'kind', CASE c.relkind WHEN 'p' THEN 'partitioned' WHEN 'r' THEN 'ordinary' ELSE 'view' END,
    'columns', ${COLUMNS},
    'partitions', COALESCE(family.partitions, '[]'),
    'attached', COALESCE(family.attached, '[]')
  )::text`;

export const TABLES = `pg_catalog.pg_class c
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace AND ${IS_TABLE}
  LEFT JOIN LATERAL (
    SELECT pg_catalog.json_agg(f.inhrelid::int8 ORDER BY f.inhrelid) AS partitions,
      pg_catalog.json_agg(f.inhrelid::int8 ORDER BY f.inhrelid) FILTER (WHERE NOT f.is_born)
        AS attached
    FROM (${FAMILY}) f
  ) family ON c.relkind = 'p'`;

/**
 * Looks tables up by name; undefined if there is none, if it is no table, or if it has no column.
 * Throws `UnavailableError` when the database can't be asked.
 */
export async function describeTable(sql: Sql, name: TableName): Promise<Table | undefined> {
  // No name in the catalog holds a NUL, and no SQL text can.
  if (name.schema.includes("\0") || name.name.includes("\0")) return undefined;
  const [table] = await describeWhere(
    sql,
    `n.nspname = ${exactly(name.schema)} AND c.relname = ${exactly(name.name)}`,
  );
  return table;
}

/** As text: taken for a `name`, it would be cut after 63 bytes and find a table of another name. */
function exactly(name: string): string {
  return `${quoteLiteral(name)}::pg_catalog.text`;
}

/** Tables by OID, in no order; those that are gone are left out. */
export function describeOids(sql: Sql, oids: readonly number[]): Promise<Table[]> {
  return oids.length === 0 ? Promise.resolve([]) : describeWhere(sql, `c.oid IN (${oids})`);
}

async function describeWhere(sql: Sql, condition: string): Promise<Table[]> {
  const text = `SELECT ${TABLE_JSON} AS description FROM ${TABLES} WHERE ${condition}`;
  const rows = await ask(sql, text);
  return rows.map(({ description }) => parseTable(description)).filter(hasColumns);
}

/** OIDs of the tables that a partition belongs to, nearest first; empty for other tables. */
export async function readAncestors(sql: Sql, relationOid: number): Promise<number[]> {
  const rows = await ask(
    sql,
    `WITH RECURSIVE above AS (
      SELECT ${relationOid}::oid AS oid, 0 AS level
      UNION ALL
      SELECT i.inhparent, above.level + 1
      FROM above
      JOIN pg_catalog.pg_class c ON c.oid = above.oid AND c.relispartition
      JOIN pg_catalog.pg_inherits i ON i.inhrelid = above.oid
    )
    SELECT oid::text AS description FROM above WHERE level > 0 ORDER BY level`,
  );
  return rows.map(({ description }) => Number(description));
}

async function ask(sql: Sql, text: string): Promise<readonly { description: string }[]> {
  try {
    return await sql.unsafe<{ description: string }[]>(text);
  } catch (cause) {
    throw new UnavailableError(
      "Cannot connect to the database to verify the shape. Please try again later.",
      { retryAfterSeconds: 1, cause },
    );
  }
}

/** The query builds exactly a `Table`, but for a table without columns. */
function parseTable(json: string): Table & { columns: Table["columns"] | null } {
  return JSON.parse(json);
}

function hasColumns(table: Table & { columns: Table["columns"] | null }): boolean {
  return table.columns !== null;
}
