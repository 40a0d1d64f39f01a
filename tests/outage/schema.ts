/** The tables that are written to and the shapes that are followed. */

import type postgres from "postgres";
import type { Row } from "./fold.ts";

/** The server's own role, which may do what our documentation asks for and nothing more. */
export const ROLE = "electric";
export const DATABASE = "shop";
export const STREAM_ID = "outage";

/**
 * Each table has one row whose `n` every write moves on: the marker by which a reader's age is known.
 * `log_lines` has no primary key.
 */
export const SCHEMA_SQL = `
  CREATE TABLE items (id int PRIMARY KEY, tag text NOT NULL, n int NOT NULL);
  CREATE TABLE orders (id int PRIMARY KEY, status text NOT NULL, n int NOT NULL);
  CREATE TABLE log_lines (line text NOT NULL, n int NOT NULL);
  INSERT INTO items SELECT i, 'item ' || i, 0 FROM generate_series(0, 200) AS i;
  INSERT INTO orders SELECT i, (ARRAY['open', 'paid', 'hidden'])[1 + i % 3], 0
    FROM generate_series(0, 200) AS i;
  INSERT INTO log_lines SELECT 'line ' || i, 0 FROM generate_series(1, 100) AS i;
  INSERT INTO log_lines VALUES ('marker', 0);
  ALTER TABLE items OWNER TO ${ROLE};
  ALTER TABLE orders OWNER TO ${ROLE};
  ALTER TABLE log_lines OWNER TO ${ROLE};
`;

type ShapeParams =
  | { readonly table: string }
  | { readonly table: string; readonly where: string }
  | { readonly table: string; readonly replica: "full" };

export interface FollowedShape {
  readonly name: string;
  readonly params: ShapeParams;
  /** Tells rows apart. */
  readonly idColumn: string;
  /** What the shape must hold. */
  readonly query: string;
  isMarker(row: Row): boolean;
}

export const WHOLE: FollowedShape = {
  name: "items",
  params: { table: "items" },
  idColumn: "id",
  query: "SELECT id, tag, n FROM items",
  isMarker: ({ id }) => id === 0,
};

export const FILTERED: FollowedShape = {
  name: "orders where",
  params: { table: "orders", where: "status <> 'hidden'" },
  idColumn: "id",
  query: "SELECT id, status, n FROM orders WHERE status <> 'hidden'",
  isMarker: ({ id }) => id === 0,
};

export const KEYLESS: FollowedShape = {
  name: "log_lines full",
  params: { table: "log_lines", replica: "full" },
  idColumn: "line",
  query: "SELECT line, n FROM log_lines",
  isMarker: ({ line }) => line === "marker",
};

/** One entry a client. */
export const FOLLOWED: readonly FollowedShape[] = [WHOLE, WHOLE, FILTERED, FILTERED, KEYLESS];

const CURSOR_ROWS = 10_000;

/** The rows that the shape must hold, in pieces. */
export async function* readRows(
  sql: postgres.Sql,
  { query }: FollowedShape,
): AsyncGenerator<readonly Row[]> {
  for await (const rows of sql.unsafe(query).cursor(CURSOR_ROWS)) {
    yield rows.map((row) => ({ ...row }));
  }
}

/** Parameters of a shape that nobody has asked for yet; number the calls from 1. */
export function unknownShape(number: number): Readonly<Record<string, string>> {
  return { table: "orders", where: `id >= -${number}` };
}

/** One transaction of a few changes, by the marker that it carries. `dice` is from 0 to below 1. */
export function writeSql(marker: number, dice: number): string {
  const id = 1_000 + marker, at = 1 + Math.floor(dice * 200);
  const some = (table: string) =>
    `(SELECT id FROM ${table} WHERE id >= ${at} AND id < 1000000 ORDER BY id LIMIT 1)`;
  const oldest = (table: string) =>
    `(SELECT id FROM ${table} WHERE id > 0 AND id < 1000000 ORDER BY id LIMIT 1)`;
  const changes = [
    `INSERT INTO items VALUES (${id}, 'item ${id}', ${marker})`,
    `UPDATE items SET tag = 'changed by ${marker}', n = ${marker} WHERE id = ${some("items")}`,
    `DELETE FROM items WHERE id = ${oldest("items")}`,
    `INSERT INTO orders VALUES (${id}, 'open', ${marker})`,
    `UPDATE orders SET status = CASE status WHEN 'open' THEN 'paid' WHEN 'paid' THEN 'hidden'
      ELSE 'open' END, n = ${marker} WHERE id = ${some("orders")}`,
    `DELETE FROM orders WHERE id = ${oldest("orders")}`,
    `INSERT INTO log_lines VALUES ('line ${id}', ${marker})`,
    `UPDATE log_lines SET n = ${marker} WHERE line = 'line ${1 + at % 100}'`,
    `DELETE FROM log_lines WHERE line = 'line ${id - 10}'`,
  ];
  return [
    changes[marker % changes.length],
    `UPDATE items SET n = ${marker} WHERE id = 0`,
    `UPDATE orders SET n = ${marker} WHERE id = 0`,
    `UPDATE log_lines SET n = ${marker} WHERE line = 'marker'`,
  ].join("; ");
}

/** The one transaction of very many rows, in the whole-table shape. */
export function bulkSql(rows: number): string {
  return `INSERT INTO items SELECT 1000000 + i, 'bulk', 0 FROM generate_series(1, ${rows}) AS i`;
}
