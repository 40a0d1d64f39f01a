/** The filter language against Postgres itself: same clause, same rows, all three truth values. */

import assert from "node:assert/strict";
import fc from "fast-check";
import postgres from "postgres";
import { InvalidRequestError } from "../../shapes/errors.ts";
import { type Row, rowOfTexts } from "../../shapes/row.ts";
import { Router } from "../../shapes/routing/router.ts";
import type { Table, TableColumn } from "../../shapes/table.ts";
import { compileWhere } from "../../shapes/where/evaluate.ts";
import { loadParser, parseWhere } from "../../shapes/where/parse.ts";
import { lowerCase } from "../../shapes/where/like.ts";
import { typeByName } from "../../shapes/where/types/catalog.ts";
import type { Predicate, Truth, Where } from "../../shapes/where/where.ts";
import { testDatabase } from "../support/postgres.ts";
import { column, table } from "../support/shape_fixture.ts";
import { clausesOf, MIXED_CLAUSES, quote, TYPE_CASES, type TypeCase } from "./where_cells.ts";
import { arbitraryExpression } from "./where_arbitrary.ts";
import { EXPRESSION_GROUPS, PREPARATION } from "./where_expressions.ts";

/** WIRE.md 7.1. */
const DISPLAY = {
  bytea_output: "hex",
  DateStyle: "ISO, DMY",
  TimeZone: "UTC",
  extra_float_digits: "1",
  IntervalStyle: "iso_8601",
};

const CLAUSES_AT_ONCE = 100;

interface World {
  readonly sql: postgres.Sql;
  readonly table: Table;
  readonly rows: readonly Row[];
}

/** A database whose default collation orders by bytes, seen with the display settings. */
async function withDatabase(work: (sql: postgres.Sql) => Promise<void>): Promise<void> {
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
async function makeWorld(
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

function parse(world: World, clause: string): Where {
  return parseWhere(clause, new Map(), world.table, { isTextOrderBytewise: true });
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
async function askPostgres(
  { sql, table }: World,
  expressions: readonly string[],
): Promise<(Answer[] | string)[]> {
  if (expressions.length === 0) return [];
  try {
    const list = expressions.map((expression, i) => `(${expression}) AS c${i}`).join(", ");
    const rows = await sql.unsafe(`SELECT ${list} FROM ${table.name} ORDER BY id`);
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

async function askEachRow(
  { sql, table }: World,
  expression: string,
  error: postgres.PostgresError,
): Promise<Answer[] | string> {
  if (!/^(22|2201|54)/.test(error.code)) return error.message;
  const answers = await sql<{ answer: string | null }[]>`
    SELECT try_where(${expression}, ${table.name}, id) AS answer FROM ${
    sql(table.name)
  } ORDER BY id`;
  return answers.map(({ answer }) => answer === null ? null : ANSWERS[answer]);
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

interface Count {
  cells: number;
  /** Cells of expressions that JavaScript evaluates alone. */
  here: number;
}

interface CompareOptions {
  /** Whether a row for which Postgres raises an error may be selected all the same (by an OR). */
  readonly isLenient: boolean;
}

/** Compares the clause as written, its canonical SQL and both ways of evaluating it here. */
async function compare(
  world: World,
  clauses: readonly string[],
  { isLenient }: CompareOptions = { isLenient: false },
): Promise<Count> {
  const indexOf = indexIn(world.table), count = { cells: 0, here: 0 };
  for (let from = 0; from < clauses.length; from += CLAUSES_AT_ONCE) {
    const part = clauses.slice(from, from + CLAUSES_AT_ONCE);
    const wheres = part.map((clause) => parse(world, clause));
    const written = await askPostgres(world, part);
    const canonical = await askPostgres(world, wheres.map(({ sql }) => sql));
    const external = await askExternals(world, wheres);
    for (const [i, where] of wheres.entries()) {
      const label = `${part[i]}  ⇒  ${where.sql}`, answers = written[i];
      assert(Array.isArray(answers), `Postgres refuses ${label}: ${answers}`);
      const predicate = compileWhere(where.expr, indexOf, external);
      const truths = world.rows.map(predicate);
      const expected = answers.map((answer, row) =>
        answer !== "error" ? answer : isLenient ? truths[row] : null
      );
      assert.deepEqual(truths, expected, `Not as in Postgres: ${label}`);
      assert.deepEqual(canonical[i], written[i], `The canonical text differs: ${label}`);
      if (where.externals.length === 0) {
        const found = routed(where, indexOf, world.rows);
        assert.deepEqual(found, truths.map((truth) => truth === true), label);
        count.here += truths.length;
      }
      assert.equal(parse(world, where.sql).sql, where.sql);
      count.cells += truths.length;
    }
  }
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

function caseColumn({ sqlType, typeName, columnFields }: TypeCase, name: string) {
  return { name, sqlType, typeName, baseTypeName: typeName, ...columnFields };
}

function caseRows({ values }: TypeCase): (string | null)[][] {
  const all = [...values, null];
  return all.flatMap((a, i) => [0, 1, 2].map((step) => [a, all[(i + step) % all.length]]));
}

/** One column of each type, rows that take every value of it. */
async function mixedWorld(sql: postgres.Sql): Promise<World> {
  const cases = TYPE_CASES.filter(({ typeName }, i) =>
    TYPE_CASES.findIndex((other) => other.typeName === typeName) === i
  );
  // A value that fits no smaller type would make Postgres raise an error in comparisons with it.
  const values = cases.map((each) =>
    [...each.values, null].filter((value) => value === null || !/e38|^5874897/.test(value))
  );
  const rows = Array.from(
    { length: 40 },
    (_, i) => values.map((all, j) => all[(i * (j + 1)) % all.length]),
  );
  const columns = cases.map((each) => caseColumn(each, `c_${each.typeName}`));
  return await makeWorld(sql, "w_mixed", columns, rows);
}

Deno.test("comparisons of every type agree with Postgres cell by cell", async () => {
  await withDatabase(async (sql) => {
    let cells = 0;
    for (const [i, each] of TYPE_CASES.entries()) {
      const columns = [caseColumn(each, "a"), caseColumn(each, "b")];
      const world = await makeWorld(sql, `w_${i}`, columns, caseRows(each));
      cells += (await compare(world, clausesOf(each))).cells;
    }
    console.log(`${cells} cells compared`);
    assert(cells > 20_000, `${cells} cells`);
  });
});

Deno.test("comparisons between types agree with Postgres cell by cell", async () => {
  await withDatabase(async (sql) => {
    const world = await mixedWorld(sql), { cells } = await compare(world, MIXED_CLAUSES);
    console.log(`${cells} cells compared`);
    assert.equal(cells, MIXED_CLAUSES.length * world.rows.length);
  });
});

Deno.test("operators and functions of every family agree with Postgres cell by cell", async () => {
  await withDatabase(async (sql) => {
    const total = { cells: 0, here: 0 };
    for (const { name, columns, rows, clauses } of EXPRESSION_GROUPS) {
      const world = await makeWorld(sql, `e_${name}`, columns, rows);
      const { cells, here } = await compare(world, clauses);
      console.log(`${name}: ${clauses.length} expressions, ${cells} cells (${here} here)`);
      total.cells += cells;
      total.here += here;
    }
    assert(total.cells > 8_000 && total.here > 1_000, JSON.stringify(total));
  });
});

/** Clauses of any depth over the mixed table. */
function arbitraryClause(): fc.Arbitrary<string> {
  const atoms = TYPE_CASES.flatMap((each) => {
    const name = `c_${each.typeName}`, [a, b] = [each.values[0], each.values[1]].map(quote);
    const atom = each.operators.flatMap((operator) => [
      `${name} ${operator} ${a}`,
      `${b} ${operator.includes("like") ? "<>" : operator} ${name}`,
    ]);
    return [...atom, `${name} is null`, `${name} in (${a}, ${b})`, `${name} is distinct from ${a}`];
  });
  const atom = fc.oneof(
    fc.constantFrom(...atoms),
    fc.constantFrom(...MIXED_CLAUSES),
    arbitraryExpression(),
  );
  const { clause } = fc.letrec<{ clause: string }>((tie) => {
    const sub = tie("clause").map((text) => `(${text})`);
    return {
      clause: fc.oneof(
        { maxDepth: 4, withCrossShrink: true },
        atom,
        fc.array(sub, { minLength: 2, maxLength: 4 }).map((all) => all.join(" and ")),
        fc.array(sub, { minLength: 2, maxLength: 4 }).map((all) => all.join(" or ")),
        sub.map((text) => `not ${text}`),
        fc.tuple(
          sub,
          fc.constantFrom("true", "not true", "false", "not false", "unknown", "not null"),
        )
          .map(([text, test]) => `${text} is ${test}`),
        fc.tuple(sub, fc.constantFrom("=", "<>", "<", ">="), sub).map((parts) => parts.join(" ")),
      ),
    };
  });
  return clause;
}

Deno.test("expressions of any shape agree with Postgres", async () => {
  const seed = Number(Deno.env.get("TEST_SEED") ?? Math.floor(Math.random() * 2 ** 31));
  await withDatabase(async (sql) => {
    const world = await mixedWorld(sql);
    const clauses = fc.sample(arbitraryClause(), { seed, numRuns: 600 });
    const { cells, here } = await compare(world, clauses, { isLenient: true });
    console.log(`seed ${seed}: ${clauses.length} expressions, ${cells} cells (${here} here)`);
    assert.equal(cells, clauses.length * world.rows.length);
  });
});

Deno.test("a text constant is nothing but that text, whatever is in it", async () => {
  const seed = Number(Deno.env.get("TEST_SEED") ?? Math.floor(Math.random() * 2 ** 31));
  console.log(`seed ${seed}`);
  await withDatabase(async (sql) => {
    const texts = fc.sample(fc.oneof(fc.string({ unit: "binary" }), hostileText()), {
      seed,
      numRuns: 300,
    }).filter((text) => !text.includes("\0"));
    const columns = [{ name: "v", sqlType: "text" }];
    const world = await makeWorld(sql, "w_text", columns, texts.map((text) => [text]));
    for (const isConforming of ["on", "off"]) {
      await sql.unsafe(`SET standard_conforming_strings = ${isConforming}`);
      for (const text of texts) {
        const where = parseWhere("v = $1", new Map([["1", text]]), world.table);
        const [truths] = await askPostgres(world, [where.sql]);
        assert.deepEqual(truths, world.rows.map(compileWhere(where.expr, () => 1)));
        assert.deepEqual(truths, texts.map((other) => other === text), JSON.stringify(text));
      }
    }
  });
});

/** Pieces that end literals, comments or statements, in any order. */
function hostileText(): fc.Arbitrary<string> {
  const pieces = [
    "'",
    "\\",
    "''",
    "\\'",
    ";",
    "--",
    "/*",
    "*/",
    "$$",
    "E'",
    "$1",
    '"',
    "\n",
    " or true",
  ];
  return fc.array(fc.constantFrom(...pieces), { maxLength: 8 }).map((parts) => parts.join(""));
}

Deno.test("constants are read as Postgres reads them, or refused", async () => {
  const seed = Number(Deno.env.get("TEST_SEED") ?? Math.floor(Math.random() * 2 ** 31));
  await withDatabase(async (sql) => {
    let taken = 0, all = 0;
    for (const { typeName, values, constants } of TYPE_CASES) {
      const type = typeByName(typeName);
      if (!type) continue;
      const base = fc.constantFrom(...values, ...constants);
      const edited = fc.tuple(
        base,
        fc.nat(30),
        fc.nat(2),
        fc.constantFrom("", ..."0123456789 -+:.eETZ{}aBC\\x"),
      )
        .map(([text, at, cut, put]) => text.slice(0, at) + put + text.slice(at + cut));
      for (const edit of fc.sample(edited, { seed, numRuns: 400 })) {
        const text = edit.toWellFormed();
        all++;
        const value = type.parse(text);
        if (value === undefined) continue;
        taken++;
        const [row] = await sql.unsafe(
          `SELECT ${quote(text)}::${type.sqlName} AS a, ${
            quote(type.format(value))
          }::${type.sqlName} AS b`,
        ).raw();
        const [a, b] = row.map(String);
        assert.equal(a, b, `${typeName}: ${JSON.stringify(text)}`);
        if (type.isTextUnique) {
          assert.equal(type.format(value), a, `${typeName}: ${JSON.stringify(text)}`);
        }
      }
    }
    console.log(`seed ${seed}: ${taken} of ${all} texts taken`);
    assert(taken > all / 4);
  });
});

Deno.test("constants that Postgres refuses are refused with the contract's words", async () => {
  await withDatabase(async (sql) => {
    const world = await mixedWorld(sql);
    for (const { typeName } of TYPE_CASES) {
      const text = "no such value at all, and too long for a label of an enum in Postgres";
      if (["text", "varchar", "bpchar", "name", "bytea"].includes(typeName)) continue;
      const clause = `c_${typeName} = ${quote(text)}`;
      await assert.rejects(sql.unsafe(`SELECT 1 FROM w_mixed WHERE ${clause}`));
      assert.throws(() => parse(world, clause), (error) => {
        assert(error instanceof InvalidRequestError);
        assert.match(error.errors.where?.[0] ?? "", /^At location \d+: invalid syntax for type/);
        return true;
      });
    }
  });
});

Deno.test("ILIKE folds every character that the C library knows", async () => {
  await withDatabase(async (sql) => {
    const rows = await sql<{ code: number; lower: string }[]>`
      SELECT code, lower(chr(code)) AS lower FROM generate_series(128, 66639) code
      WHERE code NOT BETWEEN 55296 AND 57343`;
    const different = rows.filter(({ code, lower }) =>
      lowerCase(String.fromCodePoint(code)) !== lower
    );
    // Letters younger than the C library's tables.
    assert(different.length < 40, different.map(({ code }) => code.toString(16)).join(" "));
    assert(different.every(({ code }) => code > 0x1c88));
  });
});
