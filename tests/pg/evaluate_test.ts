/** Rows of the stream, evaluated by Postgres as conditions of a plain query are. */

import assert from "node:assert/strict";
import postgres from "postgres";
import { DISPLAY_SETTINGS } from "../../replication/connection.ts";
import { parseDatabaseUrl } from "../../replication/database_url.ts";
import { Evaluator } from "../../replication/evaluate.ts";
import { describeTable } from "../../replication/inspect.ts";
import {
  type Evaluation,
  type EvaluationColumn,
  IS_ERROR,
  IS_FALSE,
  IS_TRUE,
  IS_UNKNOWN,
} from "../../shapes/ports.ts";
import { type Row, rowOfTexts } from "../../shapes/row.ts";
import { testDatabase } from "../support/postgres.ts";
import { recordingLogger } from "../support/recording_sink.ts";

interface World extends AsyncDisposable {
  readonly sql: postgres.Sql;
  readonly evaluator: Evaluator;
  readonly lines: readonly string[];
  /** A table's rows as the stream has them, in the order of its first column. */
  read(name: string): Promise<{ columns: EvaluationColumn[]; rows: Row[] }>;
}

interface WorldOptions {
  readonly isPooled?: boolean;
  readonly statementTimeoutMs?: number;
}

async function openWorld(options: WorldOptions = {}): Promise<World> {
  const database = await testDatabase();
  const settings = Object.fromEntries(DISPLAY_SETTINGS);
  const sql = postgres(database.url, { max: 2, onnotice: () => {}, connection: settings });
  const url = parseDatabaseUrl(database.url + (options.isPooled ? "?pgbouncer=true" : ""));
  const logger = recordingLogger();
  const { statementTimeoutMs } = options;
  const evaluator = new Evaluator({ url, logger, statementTimeoutMs });
  return {
    sql,
    evaluator,
    lines: logger.lines,
    async read(name) {
      const table = await describeTable(sql, { schema: "public", name });
      assert(table);
      const columns = table.columns.map(({ name, typeOid, collation }, place) => {
        return { name, typeOid, collation, place };
      });
      const raw = await sql.unsafe(`SELECT * FROM ${name} ORDER BY 1`).raw();
      const texts = [...raw].map((row) => row.map((value) => value && value.toString()));
      return { columns, rows: texts.map(rowOfTexts) };
    },
    async [Symbol.asyncDispose]() {
      await evaluator[Symbol.asyncDispose]();
      await sql.end({ timeout: 0 });
      await database[Symbol.asyncDispose]();
    },
  };
}

const forever = new AbortController().signal;

function evaluate(
  { evaluator }: World,
  { columns, rows }: { columns: EvaluationColumn[]; rows: Row[] },
  ...conditions: string[]
): Promise<Evaluation> {
  return evaluator.evaluate({ columns, rows, conditions }, forever);
}

/** A table `t` with the rows of one column, numbered from 1. */
async function createTable(world: World, type: string, values: readonly string[]): Promise<void> {
  await world.sql.unsafe(`DROP TABLE IF EXISTS t; CREATE TABLE t (id int, v ${type});
    INSERT INTO t VALUES ${values.map((value, i) => `(${i + 1}, ${value})`)}`);
}

const TYPES = `
  CREATE EXTENSION IF NOT EXISTS citext; CREATE SCHEMA "odd Schema";
  CREATE TYPE "odd Schema"."Mood" AS ENUM ('sad', 'ok', 'it''s "odd"', 'NULL');
  CREATE DOMAIN even AS int CHECK (VALUE % 2 = 0);
  CREATE DOMAIN evens AS even[];
  CREATE DOMAIN c_text AS text COLLATE "C";
  CREATE TYPE pair AS (a int, b text);
  CREATE COLLATION nocase (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
  CREATE FUNCTION odd_cast(text) RETURNS "odd Schema"."Mood" IMMUTABLE LANGUAGE sql
    AS $$ SELECT 'sad'::"odd Schema"."Mood" $$;
  CREATE CAST (text AS "odd Schema"."Mood") WITH FUNCTION odd_cast(text)`;

/** Column type, values, conditions that only Postgres evaluates. */
const CELLS: readonly (readonly [type: string, values: string[], conditions: string[]])[] = [
  ["text", [`'abc'`, `''`, `E'a\\\\"b,{}\\n'`, `'NULL'`, `'żółć 😀'`, `E'\\uFEFFx'`], [
    `"v" ~ '^a'`,
    `length("v") = 3`,
    `upper("v") = 'ABC'`,
    `"v" SIMILAR TO '%(b|l)%'`,
    `"v" = 'NULL'`,
    `CASE WHEN "v" = '' THEN NULL ELSE "id" % 2 = 0 END`,
  ]],
  ["bool", ["true", "false"], [`"v"`, `NOT "v"`, `"v" IS NULL`]],
  ["int4", ["0", "-2147483648", "7"], [`abs("v"::int8) % 2 = 0`, `"v" / "id" = 7`]],
  ["float8", ["'NaN'", "'-Infinity'", "1e-300", "0.1"], [`round("v"::numeric, 1) = 0.1`]],
  ["float4", ["1.1", "'NaN'", "'-0'"], [`"v" * 10 = 11`, `"v"::text = '-0'`]],
  ["numeric(10,3)", ["1.5", "'NaN'", "-12345.678"], [`scale("v") = 3`, `trunc("v") = 1`]],
  ["bytea", [`'\\xdeadBEEF'`, `''`, `'\\x5c22'`], [
    `length("v") = 2`,
    `encode("v", 'hex') = 'deadbeef'`,
  ]],
  ["char(5)", [`'ab'`, `'     '`, `'abcde'`], [
    `"v" = 'ab'`,
    `"v"::text = 'ab'`,
    `octet_length("v") = 5`,
    `"v" LIKE 'ab   '`,
  ]],
  [`"char"`, [`'a'`, `''`, `'\\'`], [`"v" = 'a'`, `"v"::text = ''`]],
  ["name", [`'abc'`, `''`], [`"v" ~ 'b'`]],
  ["varchar(3)", [`'abc'`, `'a  '`], [`char_length("v") = 3`]],
  ["bit(3)", [`B'101'`], [`"v" & B'100' = B'100'`]],
  ["varbit", [`B''`, `B'1'`], [`length("v") = 0`]],
  ["date", ["'infinity'", "'0044-03-15 BC'", "'2024-02-29'"], [
    `extract(year FROM "v") < 0`,
    `isfinite("v")`,
  ]],
  ["timestamp(3)", ["'infinity'", "'2024-02-29 12:00:00.123'", "'0001-01-01 BC'"], [
    `date_trunc('day', "v") = '2024-02-29'`,
    `extract(millisecond FROM "v") = 123`,
  ]],
  ["timestamptz", ["'2024-03-31 01:30+00'", "'-infinity'", "'0001-01-01 00:00+00 BC'"], [
    `extract(hour FROM "v" AT TIME ZONE 'Europe/Paris') = 3`,
  ]],
  ["time", ["'24:00'", "'00:00:00.000001'"], [`"v" + interval '1 s' = '00:00:01.000001'`]],
  ["timetz", ["'12:00+05:30'"], [`extract(timezone FROM "v") = 19800`]],
  ["interval", ["'1 mon -1 day'", "'-1 us'", "'178000000 years -1 mon 3 days -0.5 s'", "'30 d'"], [
    `"v" = interval '30 days'`,
    `"v" < interval '0'`,
    `extract(epoch FROM "v") > 1000`,
    `extract(day FROM "v") = -1`,
  ]],
  ["json", [`'{"a": [1, "x"]}'`, `'null'`], [`"v" -> 'a' ->> 1 = 'x'`, `"v"::text = 'null'`]],
  ["jsonb", [`'{"a": [1, "x"]}'`, `'null'`, `'"\\"\\\\"'`], [
    `"v" @> '{"a": [1]}'`,
    `"v" ? 'a'`,
    `jsonb_path_exists("v", '$.a[*] ? (@ > 0)')`,
  ]],
  ["inet", ["'10.1.2.3'", "'10.0.0.0/8'", "'::1'"], [`"v" << inet '10.0.0.0/8'`]],
  ["cidr", ["'10.0.0.0/8'"], [`masklen("v") = 8`]],
  ["macaddr8", ["'08:00:2b:01:02:03:04:05'"], [`trunc("v") = '08:00:2b:00:00:00:00:00'`]],
  ["int4range", ["'[1,5)'", "'empty'", "'(,3]'"], [`"v" @> 2`, `isempty("v")`, `lower_inf("v")`]],
  ["tstzrange", [`'["2024-01-01 00:00+00",)'`], [`"v" && '[2025-01-01, 2026-01-01)'`]],
  ["nummultirange", [`'{[1,2],[4,5)}'`, `'{}'`], [`"v" @> 1.5`]],
  ["uuid", ["'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11'"], [`"v"::text ~ '^a0'`]],
  ["xml", ["'<a>1</a>'", "'text'"], [`"v"::text = 'text'`]],
  ["tsvector", ["'a:1 b:2'"], [`"v" @@ 'a & b'::tsquery`]],
  ["money", ["'-$1,234.50'"], [`"v"::numeric < -1234`]],
  ["point", ["'(1,2)'"], [`"v" <@ box '((0,0),(3,3))'`]],
  ["box", ["'((1,1),(0,0))'"], [`"v" && box '((0,0),(3,3))'`]],
  ["int4[]", ["'{1,NULL,3}'", "'{}'", "'[0:1]={5,6}'", "'{{1,2},{3,4}}'"], [
    `2 = ANY("v")`,
    `array_lower("v", 1) = 0`,
    `"v" && ARRAY[3]`,
    `array_ndims("v") = 2`,
    `"v"[1:2] = '{1,NULL}'`,
  ]],
  ["text[]", [`ARRAY['a"b', 'c\\d', NULL, 'NULL', '']`], [`'c\\d' = ANY("v")`, `"v"[4] = 'NULL'`]],
  ["box[]", [`ARRAY[box '((1,1),(0,0))', box '((3,3),(2,2))']`], [`cardinality("v") = 2`]],
  [`"odd Schema"."Mood"`, [`'sad'`, `'it''s "odd"'`, `'NULL'`], [
    `"v" > 'sad'`,
    `"v"::text ~ 'odd'`,
  ]],
  [`"odd Schema"."Mood"[]`, [`ARRAY['sad', 'NULL']::"odd Schema"."Mood"[]`], [`'NULL' = ANY("v")`]],
  ["even", ["2", "-4"], [`"v" % 4 = 0`]],
  ["evens", ["'{2,4}'", "'{}'"], [`4 = ANY("v")`]],
  ["c_text", [`'B'`, `'a'`], [`"v" < 'a'`, `"v" ~ '[[:upper:]]'`]],
  [`text COLLATE "C"`, [`'B'`, `'ä'`, `'a'`], [
    `"v" < 'a'`,
    `lower("v") = 'ä'`,
    `upper("v") = 'Ä'`,
  ]],
  ["text COLLATE nocase", [`'abc'`, `'ABC'`, `'abd'`], [`"v" = 'Abc'`, `"v" IN ('ABD')`]],
  ["citext", [`'abc'`, `'ABC'`], [`"v" = 'aBc'`, `"v" ~ 'b'`]],
  ["pair", [`ROW(1, 'x,"y"')`, `ROW(NULL, NULL)`, `ROW(2, '')`], [
    `("v")."a" = 1`,
    `("v")."b" = 'x,"y"'`,
    `"v" IS NULL`,
  ]],
  ["pair[]", [`ARRAY[ROW(1, 'x')::pair, NULL]`], [`("v"[1])."b" = 'x'`]],
];

for (const isPooled of [false, true]) {
  const way = isPooled ? "behind a pooler" : "with prepared statements";
  Deno.test(`Evaluator answers as a plain query does for every type, ${way}`, async () => {
    await using world = await openWorld({ isPooled });
    await world.sql.unsafe(TYPES);
    let cells = 0;
    for (const [type, values, conditions] of CELLS) {
      await createTable(world, type, [...values, "NULL"]);
      const { truths, failures } = await evaluate(world, await world.read("t"), ...conditions);
      const expected: number[] = [];
      for (const row of await world.sql.unsafe(plainQuery(conditions)).values()) {
        expected.push(...row.map((truth) => truth === null ? IS_UNKNOWN : Number(truth)));
      }
      assert.deepEqual([...truths], expected, `${type}: ${conditions}`);
      assert.deepEqual(failures, [], type);
      cells += expected.length;
    }
    assert(cells > 300, `${cells} cells`);
    assert.deepEqual(world.lines, []);
  });
}

function plainQuery(conditions: readonly string[]): string {
  return `SELECT ${conditions.map((each) => `(${each})::int`)} FROM t ORDER BY id`;
}

Deno.test("Evaluator takes values that a domain's later constraint forbids", async () => {
  await using world = await openWorld();
  await world.sql.unsafe(`CREATE DOMAIN amount AS numeric(5,2); CREATE TABLE t (v amount);
    INSERT INTO t VALUES (-1), (1);
    ALTER DOMAIN amount ADD CHECK (VALUE > 0) NOT VALID`);
  const { truths, failures } = await evaluate(world, await world.read("t"), `scale("v") = 2`);
  assert.deepEqual([...truths], [IS_TRUE, IS_TRUE]);
  assert.deepEqual(failures, []);
});

const BAD = `CREATE TABLE bad (id int, v text);
  INSERT INTO bad SELECT i, CASE WHEN i % 97 = 5 THEN 'secret' ELSE i::text END
    FROM generate_series(0, 999) i`;

Deno.test("Evaluator finds the rows that raise an error and evaluates the others", async () => {
  await using world = await openWorld();
  await world.sql.unsafe(BAD);
  const isOdd = `"v"::int % 2 = 1`;
  const { truths, failures } = await evaluate(world, await world.read("bad"), isOdd, `"id" < 500`);
  for (let i = 0; i < 1000; i++) {
    const expected = i % 97 === 5 ? IS_ERROR : i % 2 === 1 ? IS_TRUE : IS_FALSE;
    assert.equal(truths[2 * i], expected, `row ${i}`);
    assert.equal(truths[2 * i + 1], i < 500 ? IS_TRUE : IS_FALSE, `row ${i}, the other condition`);
  }
  assert.deepEqual(failures, [{ condition: 0, code: "22P02", rows: 11 }]);
  assert(!JSON.stringify({ failures, lines: world.lines }).includes("secret"));
});

Deno.test("Evaluator tells a condition that can't be asked at all from rows that fail", async () => {
  await using world = await openWorld();
  await world.sql.unsafe(`${BAD}; CREATE FUNCTION picky(i int) RETURNS bool IMMUTABLE
    LANGUAGE plpgsql AS $$ BEGIN
      IF i = 3 THEN RAISE undefined_table; ELSIF i = 4 THEN RAISE 'private'; END IF;
      RETURN i = 5;
    END $$`);
  const { truths, failures } = await evaluate(
    world,
    await world.read("bad"),
    `gone("id")`,
    `picky("id")`,
    `"id" = 4`,
  );
  assert.deepEqual([...truths.subarray(9, 18)], [
    ...[IS_ERROR, IS_ERROR, IS_FALSE],
    ...[IS_ERROR, IS_ERROR, IS_TRUE],
    ...[IS_ERROR, IS_TRUE, IS_FALSE],
  ]);
  assert.deepEqual(failures, [
    { condition: 0, code: "42883", rows: 1000 },
    { condition: 1, code: "42P01", rows: 1 },
    { condition: 1, code: "P0001", rows: 1 },
  ]);
});

Deno.test("Evaluator gives a row up that takes too long", async () => {
  await using world = await openWorld({ statementTimeoutMs: 150 });
  await world.sql.unsafe(`CREATE TABLE slow (id int); INSERT INTO slow VALUES (1), (2), (3);
    CREATE FUNCTION dawdle(i int) RETURNS bool IMMUTABLE LANGUAGE plpgsql AS $$
      BEGIN IF i = 2 THEN PERFORM pg_sleep(60); END IF; RETURN true; END $$`);
  const { truths, failures } = await evaluate(world, await world.read("slow"), `dawdle("id")`);
  assert.deepEqual([...truths], [IS_TRUE, IS_ERROR, IS_TRUE]);
  assert.deepEqual(failures, [{ condition: 0, code: "57014", rows: 1 }]);
});

Deno.test("Evaluator keeps the order of a big batch", async () => {
  await using world = await openWorld();
  const columns = [{ name: "place", typeOid: 23, collation: null, place: 0 }];
  const rows = Array.from({ length: 20_000 }, (_, i) => rowOfTexts([`${(i * 7919) % 20_000}`]));
  const { truths } = await evaluate(world, { columns, rows }, `"place" % 3 = 0`, `"place" > 9`);
  rows.forEach((row, i) => {
    const value = Number(row.text(0));
    assert.equal(truths[2 * i], Number(value % 3 === 0), `row ${i}`);
    assert.equal(truths[2 * i + 1], Number(value > 9), `row ${i}`);
  });
});

Deno.test("Evaluator answers for thousands of rows a second", async () => {
  await using world = await openWorld();
  const columns = [{ name: "v", typeOid: 25, collation: null, place: 1 }];
  const rows = Array.from({ length: 1_000 }, (_, i) => rowOfTexts([`${i}`, `${i} some text`]));
  const condition = `"v" ~ '^1.*t$'`;
  await evaluate(world, { columns, rows }, condition);
  const startMs = performance.now();
  for (let i = 0; i < 20; i++) await evaluate(world, { columns, rows }, condition);
  const perSecond = 20_000 / (performance.now() - startMs) * 1_000;
  console.log(`${Math.round(perSecond)} rows/s through one condition`);
  assert(perSecond > 10_000, `${perSecond} rows/s`);
});

for (const isPooled of [false, true]) {
  Deno.test(`Evaluator can't write${isPooled ? ", behind a pooler" : ""}`, async () => {
    await using world = await openWorld({ isPooled });
    await world.sql.unsafe(`CREATE TABLE t (id int); INSERT INTO t VALUES (1);
      CREATE FUNCTION sneak(i int) RETURNS bool IMMUTABLE LANGUAGE plpgsql AS $$
        BEGIN INSERT INTO t VALUES (2); RETURN true; END $$;
      CREATE FUNCTION unlock(i int) RETURNS bool IMMUTABLE LANGUAGE plpgsql AS $$
        BEGIN SET TRANSACTION READ WRITE; RETURN true; END $$`);
    const { truths } = await evaluate(world, await world.read("t"), `sneak("id")`, `unlock("id")`);
    assert.deepEqual([...truths], [IS_ERROR, IS_ERROR]);
    assert.equal((await world.sql`SELECT FROM t`).length, 1);
  });
}

Deno.test("Evaluator waits for a server whose sessions are ended", async () => {
  await using world = await openWorld();
  await world.sql.unsafe(`CREATE TABLE t (id int); INSERT INTO t SELECT generate_series(1, 50);
    CREATE FUNCTION nap(i int) RETURNS bool IMMUTABLE LANGUAGE plpgsql AS $$
      BEGIN PERFORM pg_sleep(0.01); RETURN i > 25; END $$`);
  const answer = evaluate(world, await world.read("t"), `nap("id")`);
  const isEnded = async () => {
    const ended = await world.sql`SELECT pg_terminate_backend(pid) FROM pg_stat_activity
      WHERE datname = current_database() AND query LIKE '%nap("id")%' AND state = 'active'
        AND pid <> pg_backend_pid()`;
    return ended.length > 0;
  };
  while (!await isEnded());
  const { truths, failures } = await answer;
  assert.deepEqual([...truths], Array.from({ length: 50 }, (_, i) => Number(i >= 25)));
  assert.deepEqual(failures, []);
  const [outage, end, ...others] = world.lines;
  assert.match(outage, /^warn Changes wait until Postgres can evaluate conditions code=/);
  assert.match(end, /^info Postgres evaluates conditions again/);
  assert.deepEqual(others, []);
});

Deno.test("Evaluator goes on when types are renamed and columns' types are gone", async () => {
  await using world = await openWorld();
  await world.sql.unsafe(`CREATE TYPE mood AS ENUM ('sad', 'ok'); CREATE TABLE t (v mood);
    INSERT INTO t VALUES ('sad'), ('ok')`);
  const read = await world.read("t");
  const condition = `"v" > 'sad'`;
  assert.deepEqual([...(await evaluate(world, read, condition)).truths], [IS_FALSE, IS_TRUE]);
  await world.sql.unsafe("ALTER TYPE mood RENAME TO temper");
  assert.deepEqual([...(await evaluate(world, read, condition)).truths], [IS_FALSE, IS_TRUE]);
  const other = `"v" < 'ok'`;
  assert.deepEqual([...(await evaluate(world, read, other)).truths], [IS_TRUE, IS_FALSE]);
  await world.sql.unsafe("DROP TABLE t; DROP TYPE temper");
  const { truths, failures } = await evaluate(world, read, `"v" = 'ok'`);
  assert.deepEqual([...truths], [IS_ERROR, IS_ERROR]);
  assert.deepEqual(failures, [{ condition: 0, code: "42704", rows: 2 }]);
});

Deno.test("Evaluator stops asking when it is no longer wanted, or closed", async () => {
  const url = parseDatabaseUrl("postgresql://postgres@127.0.0.1:1/none");
  const logger = recordingLogger();
  const columns = [{ name: "id", typeOid: 23, collation: null, place: 0 }];
  const request = { columns, rows: [rowOfTexts(["1"])], conditions: [`"id" % 2 = 1`] };
  const evaluator = new Evaluator({ url, logger });
  const abort = new AbortController();
  const reason = new Error("Enough");
  const unwanted = assert.rejects(evaluator.evaluate(request, abort.signal), reason);
  const closed = assert.rejects(evaluator.evaluate(request, forever), /Evaluation was ended/);
  abort.abort(reason);
  await unwanted;
  await evaluator[Symbol.asyncDispose]();
  await closed;
  assert(logger.lines.length <= 1, "the outage is told once");
});
