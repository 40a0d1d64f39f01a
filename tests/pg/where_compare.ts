/** Compares filters with what a live Postgres makes of them. */

import assert from "node:assert/strict";
import postgres from "postgres";
import { type Row, rowOfTexts } from "../../shapes/row.ts";
import { Router } from "../../shapes/routing/router.ts";
import type { Table, TableColumn } from "../../shapes/table.ts";
import { compileWhere } from "../../shapes/where/evaluate.ts";
import { loadParser, parseWhere, type WhereOptions } from "../../shapes/where/parse.ts";
import type { Predicate, Truth, Where } from "../../shapes/where/where.ts";
import { testDatabase } from "../support/postgres.ts";
import { column, table } from "../support/shape_fixture.ts";
import { quote } from "./where_cells.ts";
import { PREPARATION } from "./where_expressions.ts";

/** WIRE.md 7.1. */
const DISPLAY = {
  bytea_output: "hex",
  DateStyle: "ISO, DMY",
  TimeZone: "UTC",
  extra_float_digits: "1",
  IntervalStyle: "iso_8601",
};

const CLAUSES_AT_ONCE = 100;

export interface World {
  readonly sql: postgres.Sql;
  readonly table: Table;
  readonly rows: readonly Row[];
}

/** A database whose default collation orders by bytes, seen with the display settings. */
export async function withDatabase(work: (sql: postgres.Sql) => Promise<void>): Promise<void> {
  await loadParser();
  await using database = await testDatabase();
  const sql = postgres(database.url, { max: 1, onnotice: () => {}, connection: DISPLAY });
  try {
    await sql.unsafe(PREPARATION);
    await work(sql);
  } finally {
    await sql.end({ timeout: 0 });
  }
}

/** Makes the table with an `id` first and reads it as the stream would send it. */
export async function makeWorld(
  sql: postgres.Sql,
  name: string,
  columns: readonly (Partial<TableColumn> & { name: string; sqlType: string })[],
  rows: readonly (readonly (string | null)[])[],
): Promise<World> {
  const list = columns.map((column) => `${column.name} ${column.sqlType}`).join(", ");
  await sql.unsafe(`CREATE TABLE ${name} (id int PRIMARY KEY, ${list})`);
  const values = rows.map((row, i) => `(${[`${i}`, ...row.map(literalOf)].join(", ")})`);
  await sql.unsafe(`INSERT INTO ${name} VALUES ${values.join(", ")}`);
  const read = await sql.unsafe(`SELECT * FROM ${name} ORDER BY id`).raw();
  const texts = [...read].map((row) => row.map((value) => value?.toString() ?? null));
  return {
    sql,
    table: table({ name, columns: [column({ name: "id", typeName: "int4" }), ...columns] }),
    rows: texts.map(rowOfTexts),
  };
}

function literalOf(value: string | null): string {
  return value === null ? "NULL" : quote(value);
}

/** What is true of the test databases. Without such facts more is left to Postgres. */
const KNOWN: WhereOptions = { isTextOrderBytewise: true, defaultCollation: "C.UTF-8" };

export function parse(world: World, clause: string, facts = KNOWN): Where {
  return parseWhere(clause, new Map(), world.table, facts);
}

function indexIn({ columns }: Table): (name: string) => number {
  return (name) => columns.findIndex((column) => column.name === name);
}

/** What Postgres says of an expression for a row: an error is one of the answers. */
type Answer = Truth | "error";

const ANSWERS: Readonly<Record<string, Answer>> = { t: true, f: false, e: "error" };

/**
 * What Postgres says of each SQL expression for each row; the error's text if it takes the expression
 * for none. Expressions that raise errors for some rows are asked for row by row.
 */
export async function askPostgres(
  { sql, table }: World,
  expressions: readonly string[],
): Promise<(Answer[] | string)[]> {
  if (expressions.length === 0) return [];
  try {
    const list = expressions.map((expression, i) => `(${expression}) AS c${i}`).join(", ");
    const rows = present(await sql.unsafe(`SELECT ${list} FROM ${table.name} ORDER BY id`));
    return expressions.map((_, i) => rows.map((row) => row[`c${i}`]));
  } catch (error) {
    if (!(error instanceof postgres.PostgresError)) throw error;
    if (expressions.length === 1) {
      return [await askEachRow({ sql, table, rows: [] }, expressions[0], error)];
    }
    const half = expressions.length >> 1;
    return [
      ...await askPostgres({ sql, table, rows: [] }, expressions.slice(0, half)),
      ...await askPostgres({ sql, table, rows: [] }, expressions.slice(half)),
    ];
  }
}

/** After an error in the midst of rows the driver leaves holes where the lost ones were. */
function present<R>(rows: readonly R[]): R[] {
  return [...rows].filter((row) => row !== undefined);
}

async function askEachRow(
  { sql, table }: World,
  expression: string,
  error: postgres.PostgresError,
): Promise<Answer[] | string> {
  if (!/^(22|54|0A)/.test(error.code)) return error.message;
  const answers = await sql<{ answer: string | null }[]>`
    SELECT try_where(${expression}, ${table.name}, id) AS answer FROM ${
    sql(table.name)
  } ORDER BY id`;
  return present(answers).map(({ answer }) => answer === null ? null : ANSWERS[answer]);
}

/** The predicates of what Postgres evaluates, with its answers in. */
async function askExternals(world: World, wheres: readonly Where[]) {
  const texts = [...new Set(wheres.flatMap(({ externals }) => externals))];
  const answers = await askPostgres(world, texts);
  const known = new Map(texts.map((text, i) => [text, answers[i]]));
  return (text: string): Predicate => {
    const truths = known.get(text);
    assert(Array.isArray(truths), `Postgres refuses ${text}: ${truths}`);
    const byRow = new Map(world.rows.map((row, i) => [row, truths[i]]));
    return (row) => {
      const truth = byRow.get(row);
      return truth === "error" || truth === undefined ? null : truth;
    };
  };
}

export interface Count {
  cells: number;
  /** Cells of expressions that JavaScript evaluates alone. */
  here: number;
}

export interface CompareOptions {
  /** Whether a row for which Postgres raises an error may be selected all the same (by an OR). */
  readonly isLenient?: boolean;
  readonly facts?: WhereOptions;
}

/** Compares the clause as written, its canonical SQL and both ways of evaluating it here. */
export async function compare(
  world: World,
  clauses: readonly string[],
  { isLenient = false, facts = KNOWN }: CompareOptions = {},
): Promise<Count> {
  const indexOf = indexIn(world.table), count = { cells: 0, here: 0 };
  const failures: string[] = [];
  for (let from = 0; from < clauses.length; from += CLAUSES_AT_ONCE) {
    const part = clauses.slice(from, from + CLAUSES_AT_ONCE);
    const wheres = part.map((clause) => parse(world, clause, facts));
    const written = await askPostgres(world, part);
    const canonical = await askPostgres(world, wheres.map(({ sql }) => sql));
    const external = await askExternals(world, wheres);
    for (const [i, where] of wheres.entries()) {
      const label = `${part[i]}  ⇒  ${where.sql}`, answers = written[i];
      if (!Array.isArray(answers)) {
        failures.push(`Postgres refuses ${label}: ${answers}`);
        continue;
      }
      const truths = world.rows.map(compileWhere(where.expr, indexOf, external));
      const expected = answers.map((answer, row) =>
        answer !== "error" ? answer : isLenient || truths[row] !== true ? truths[row] : null
      );
      const rows = truths.flatMap((truth, row) => truth === expected[row] ? [] : [row]);
      if (rows.length > 0) {
        const seen = rows.map((row) => `${row}: ${truths[row]} for ${answers[row]}`).join(", ");
        failures.push(`Not as in Postgres: ${label} (rows ${seen})`);
      }
      if (JSON.stringify(canonical[i]) !== JSON.stringify(answers)) {
        failures.push(`The canonical text differs: ${label}`);
      }
      const again = parse(world, where.sql, facts).sql;
      if (again !== where.sql) failures.push(`The canonical text changes: ${label}  ⇒  ${again}`);
      if (where.externals.length === 0) {
        const found = routed(where, indexOf, world.rows);
        assert.deepEqual(found, truths.map((truth) => truth === true), label);
        count.here += truths.length;
      }
      count.cells += truths.length;
    }
  }
  assert.deepEqual(failures, []);
  return count;
}

function routed(where: Where, indexOf: (name: string) => number, rows: readonly Row[]): boolean[] {
  const router = new Router<string>(indexOf);
  router.add("target", where);
  return rows.map((row) => {
    let visits = 0;
    router.route(row, () => visits++);
    assert(visits <= 1);
    return visits === 1;
  });
}
