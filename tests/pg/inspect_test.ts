import assert from "node:assert/strict";
import { describeOids, describeTable, readAncestors } from "../../replication/inspect.ts";
import { quoteIdent, quoteTable } from "../../replication/sql_text.ts";
import { UnavailableError } from "../../shapes/errors.ts";
import { keyColumns, type Table, type TableColumn } from "../../shapes/table.ts";
import { openPool } from "../../replication/connection.ts";
import { parseDatabaseUrl } from "../../replication/database_url.ts";
import { testDatabase } from "../support/postgres.ts";

type Column = Partial<TableColumn>;

async function withTables(
  ddl: string,
  check: (
    describe: (name: string, schema?: string) => Promise<Table | undefined>,
    sql: ReturnType<typeof openPool>,
  ) => Promise<void>,
): Promise<void> {
  await using database = await testDatabase();
  const sql = openPool({ url: parseDatabaseUrl(database.url), max: 2 });
  try {
    await sql.unsafe(ddl);
    await check((name, schema = "public") => describeTable(sql, { schema, name }), sql);
  } finally {
    await sql.end({ timeout: 1 });
  }
}

function columnOf(table: Table | undefined, name: string): Column {
  const column = table?.columns.find((column) => column.name === name);
  assert(column, `column ${name}`);
  return column;
}

/** Declared type → what the description must say of it. */
const TYPES: readonly (readonly [type: string, expected: Column])[] = [
  ["int2", { typeName: "int2", typeKind: "b", typeMod: -1, dims: 0 }],
  ["int8", { typeName: "int8" }],
  ["float8", { typeName: "float8" }],
  ["float4", { typeName: "float4" }],
  ["numeric", { typeName: "numeric", typeMod: -1 }],
  ["numeric(10,2)", { typeName: "numeric", typeMod: (10 << 16) + 2 + 4 }],
  ["numeric(3,-2)", { typeName: "numeric", typeMod: (3 << 16) + 2046 + 4 }],
  ["bool", { typeName: "bool" }],
  ["text", { typeName: "text", collation: null }],
  ["varchar(10)", { typeName: "varchar", typeMod: 14 }],
  ["char(6)", { typeName: "bpchar", typeMod: 10 }],
  [`"char"`, { typeName: "char" }],
  ["name", { typeName: "name", collation: "C" }],
  ["bytea", { typeName: "bytea" }],
  ["uuid", { typeName: "uuid" }],
  ["date", { typeName: "date" }],
  ["timestamp(3)", { typeName: "timestamp", typeMod: 3 }],
  ["timestamp(0)", { typeName: "timestamp", typeMod: 0 }],
  ["timestamptz", { typeName: "timestamptz", typeMod: -1 }],
  ["time(3)", { typeName: "time", typeMod: 3 }],
  ["timetz(2)", { typeName: "timetz", typeMod: 2 }],
  ["interval", { typeName: "interval", typeMod: -1 }],
  ["interval(3)", { typeName: "interval", typeMod: 2147418115 }],
  ["interval year", { typeName: "interval", typeMod: 327679 }],
  ["interval day to second(2)", { typeName: "interval", typeMod: 470286338 }],
  ["json", { typeName: "json" }],
  ["jsonb", { typeName: "jsonb" }],
  ["text[]", { typeName: "text", typeOid: 1009, dims: 1 }],
  ["int4[][]", { typeName: "int4", typeOid: 1007, dims: 2, typeSchema: "pg_catalog" }],
  ["varchar(5)[]", { typeName: "varchar", typeMod: 9, dims: 1 }],
  ["bit(4)", { typeName: "bit", typeMod: 4 }],
  ["varbit", { typeName: "varbit", typeMod: -1 }],
  ["money", { typeName: "money" }],
  ["inet", { typeName: "inet" }],
  ["tsvector", { typeName: "tsvector" }],
  ["point", { typeName: "point", dims: 0 }],
  ["int4range", { typeName: "int4range", typeKind: "r" }],
  ["int4multirange", { typeName: "int4multirange", typeKind: "m" }],
  ["odd.mood", { typeName: "mood", typeKind: "e", typeSchema: "odd", baseTypeName: "mood" }],
  ["odd.mood[]", { typeName: "mood", typeKind: "e", typeSchema: "odd", dims: 1 }],
  ["odd.pair", { typeName: "pair", typeKind: "c", typeSchema: "odd" }],
  ["odd.positive", { typeName: "positive", typeKind: "d", baseTypeName: "int4" }],
  ["odd.tiny", { typeName: "tiny", typeKind: "d", baseTypeName: "int4", typeSchema: "odd" }],
  ["odd.tiny[]", { typeName: "tiny", typeKind: "d", baseTypeName: "int4", dims: 1 }],
  ["odd.flags", { typeName: "flags", typeKind: "d", baseTypeName: "_bool", dims: 0 }],
  [`text collate "C"`, { typeName: "text", collation: "C" }],
  [`text collate "default"`, { typeName: "text", collation: null }],
];

Deno.test("describeTable() tells the facts of every kind of type", async () => {
  const columns = TYPES.map(([type], index) => `c${index} ${type}`).join(", ");
  const ddl = `
    CREATE SCHEMA odd;
    CREATE TYPE odd.mood AS ENUM ('sad', 'very happy');
    CREATE TYPE odd.pair AS (n int, s text);
    CREATE DOMAIN odd.positive AS int CHECK (value > 0);
    CREATE DOMAIN odd.tiny AS odd.positive CHECK (value < 10);
    CREATE DOMAIN odd.flags AS bool[];
    CREATE TABLE typed (${columns})`;
  await withTables(ddl, async (describe) => {
    const table = await describe("typed");
    for (const [index, [type, expected]] of TYPES.entries()) {
      const column = columnOf(table, `c${index}`);
      const actual = Object.fromEntries(
        Object.keys(expected).map((key) => [key, column[key as keyof Column]]),
      );
      assert.deepEqual(actual, expected, type);
      assert.equal(column.number, index + 1);
    }
  });
});

Deno.test("describeTable() names the array type where the dimensions were lost", async () => {
  await withTables("CREATE TABLE made AS SELECT ARRAY[1, 2] AS list", async (describe) => {
    const column = columnOf(await describe("made"), "list");
    assert.equal(column.typeName, "_int4");
    assert.equal(column.dims, 0);
  });
});

Deno.test("describeTable() numbers the primary key in index order and leaves its luggage out", async () => {
  const ddl = `
    CREATE TABLE keyed (a int, b int NOT NULL, c text, d text, PRIMARY KEY (c, a) INCLUDE (d));
    CREATE TABLE keyless (x int, y int)`;
  await withTables(ddl, async (describe) => {
    const table = await describe("keyed");
    assert(table);
    assert.deepEqual(table.columns.map(({ keyIndex }) => keyIndex), [1, null, 0, null]);
    assert.deepEqual(table.columns.map(({ isNotNull }) => isNotNull), [true, true, true, false]);
    assert.deepEqual(keyColumns(table).map(({ name }) => name), ["c", "a"]);
    const keyless = await describe("keyless");
    assert.deepEqual(keyless?.columns.map(({ keyIndex }) => keyIndex), [null, null]);
  });
});

Deno.test("describeTable() skips dropped columns and knows generated ones", async () => {
  const ddl = `
    CREATE TABLE changed (gone int, a int, twice int GENERATED ALWAYS AS (a * 2) STORED);
    ALTER TABLE changed DROP COLUMN gone`;
  await withTables(ddl, async (describe, sql) => {
    const table = await describe("changed");
    assert.deepEqual(table?.columns.map(({ name }) => name), ["a", "twice"]);
    assert.deepEqual(table?.columns.map(({ number }) => number), [2, 3]);
    assert.deepEqual(table?.columns.map(({ generated }) => generated), [null, "stored"]);
    const [{ version }] = await sql`SELECT current_setting('server_version_num') AS version`;
    if (Number(version) < 180_000) return;
    await sql`ALTER TABLE changed ADD COLUMN thrice int GENERATED ALWAYS AS (a * 3) VIRTUAL`;
    assert.equal(columnOf(await describe("changed"), "thrice").generated, "virtual");
  });
});

const AWKWARD = [
  `Mixed Case`,
  `dot.ted`,
  `quo"te`,
  `it's`,
  `back\\slash`,
  `naïve 中文 🚀`,
  `line\nfeed`,
  `select`,
  `'; DROP TABLE x; --`,
  `x`.repeat(63),
];

Deno.test("describeTable() finds tables and columns by awkward names exactly", async () => {
  const names = AWKWARD.map((name) => ({ schema: `s ${name}`.slice(0, 63), name }));
  const ddl = names.map(({ schema, name }) => `
    CREATE SCHEMA ${quoteIdent(schema)};
    CREATE TABLE ${quoteTable({ schema, name })} (${quoteIdent(name)} int PRIMARY KEY)`).join(";");
  await withTables(ddl, async (describe) => {
    for (const { schema, name } of names) {
      const table = await describe(name, schema);
      assert.equal(table?.schema, schema);
      assert.equal(table?.name, name);
      assert.equal(table?.columns[0].name, name);
    }
    assert.equal(await describe(AWKWARD[0].toLowerCase(), names[0].schema), undefined);
  });
});

Deno.test("describeTable() finds nothing where there is no table to find", async () => {
  const ddl = `
    CREATE TABLE empty ();
    CREATE TABLE plain (a int);
    CREATE VIEW looks AS SELECT 1 AS a;
    CREATE MATERIALIZED VIEW stored AS SELECT 1 AS a;
    CREATE SEQUENCE counts;
    CREATE TABLE ${"y".repeat(63)} (a int)`;
  await withTables(ddl, async (describe) => {
    for (const name of ["empty", "counts", "none", "PLAIN", "plain\0", ""]) {
      assert.equal(await describe(name), undefined, name);
    }
    assert.equal(await describe("plain", "other"), undefined);
    assert.equal(await describe("y".repeat(64)), undefined, "must not be cut to 63 bytes");
    assert.equal((await describe("plain"))?.kind, "ordinary");
    for (const name of ["looks", "stored"]) assert.equal((await describe(name))?.kind, "view");
  });
});

Deno.test("describeTable() lists partitions of all levels, and ancestors lead back", async () => {
  const ddl = `
    CREATE TABLE root (region text, day int) PARTITION BY LIST (region);
    CREATE TABLE eu PARTITION OF root FOR VALUES IN ('eu') PARTITION BY RANGE (day);
    CREATE TABLE eu_1 PARTITION OF eu FOR VALUES FROM (0) TO (10);
    CREATE TABLE eu_2 PARTITION OF eu FOR VALUES FROM (10) TO (20) PARTITION BY LIST (day);
    CREATE TABLE eu_2_a PARTITION OF eu_2 FOR VALUES IN (11);
    CREATE TABLE us PARTITION OF root FOR VALUES IN ('us');
    CREATE TABLE parent (a int);
    CREATE TABLE child () INHERITS (parent)`;
  await withTables(ddl, async (describe, sql) => {
    const oids = new Map<string, number>();
    for (const name of ["root", "eu", "eu_1", "eu_2", "eu_2_a", "us", "child"]) {
      oids.set(name, (await describe(name))?.oid ?? 0);
    }
    const oidsOf = (...names: string[]) => names.map((name) => oids.get(name) ?? 0);
    const root = await describe("root");
    assert.equal(root?.kind, "partitioned");
    const below = oidsOf("eu", "eu_1", "eu_2", "eu_2_a", "us").toSorted((a, b) => a - b);
    assert.deepEqual(root?.partitions, below);
    assert.deepEqual((await describe("eu_2"))?.partitions, oidsOf("eu_2_a"));
    assert.deepEqual((await describe("us"))?.partitions, []);
    assert.deepEqual((await describe("parent"))?.partitions, [], "inheritance is not partitioning");
    assert.deepEqual(await readAncestors(sql, oidsOf("eu_2_a")[0]), oidsOf("eu_2", "eu", "root"));
    assert.deepEqual(await readAncestors(sql, oidsOf("root")[0]), []);
    assert.deepEqual(await readAncestors(sql, oidsOf("child")[0]), []);
    assert.deepEqual(await readAncestors(sql, 1), []);
    const tables = await describeOids(sql, [...oidsOf("us", "root"), 1]);
    assert.deepEqual(tables.map(({ name }) => name).toSorted(), ["root", "us"]);
    assert.deepEqual(await describeOids(sql, []), []);
  });
});

Deno.test("describeTable() tells partitions that were attached from those born as such", async () => {
  const ddl = `
    CREATE TABLE root (id int DEFAULT 1, v text DEFAULT 'x', PRIMARY KEY (id)) PARTITION BY LIST (id);
    CREATE TABLE born PARTITION OF root FOR VALUES IN (1);
    CREATE TABLE born_with_more PARTITION OF root (v NOT NULL, CHECK (id > 0)) FOR VALUES IN (2);
    CREATE TABLE born_deep PARTITION OF root FOR VALUES IN (3, 4, 5) PARTITION BY LIST (id);
    CREATE TABLE born_deeper PARTITION OF born_deep DEFAULT;
    CREATE TABLE attached (LIKE root INCLUDING ALL);
    ALTER TABLE root ATTACH PARTITION attached FOR VALUES IN (6);
    CREATE TABLE tree (LIKE root INCLUDING ALL) PARTITION BY LIST (id);
    CREATE TABLE tree_leaf PARTITION OF tree FOR VALUES IN (7);
    ALTER TABLE root ATTACH PARTITION tree FOR VALUES IN (7);
    CREATE TABLE again PARTITION OF root FOR VALUES IN (8);
    ALTER TABLE root DETACH PARTITION again;
    ALTER TABLE root ATTACH PARTITION again FOR VALUES IN (8);
    ALTER TABLE root ALTER v SET STATISTICS 5`;
  await withTables(ddl, async (describe, sql) => {
    await sql.begin(async (tx) => {
      await tx.unsafe("CREATE TABLE at_once AS SELECT 9 AS id, 'x'::text AS v");
      await tx.unsafe("ALTER TABLE at_once ADD PRIMARY KEY (id)");
      await tx.unsafe("ALTER TABLE root ATTACH PARTITION at_once FOR VALUES IN (9)");
      await tx.unsafe("CREATE TABLE born_late PARTITION OF root FOR VALUES IN (10)");
      await tx.unsafe("INSERT INTO born_late VALUES (10)");
    });
    for (const what of ["FULL pg_attribute", "FULL pg_inherits", "FREEZE"]) {
      await sql.unsafe(`VACUUM ${what}`);
    }
    const root = await describe("root");
    const named = await sql.unsafe<{ name: string }[]>(
      `SELECT relname AS name FROM pg_class WHERE oid IN (${root?.attached})`,
    );
    const names = named.map(({ name }) => name).toSorted();
    assert.deepEqual(names, ["again", "at_once", "attached", "tree", "tree_leaf"]);
    assert.equal(root?.partitions.length, 10);
    assert.deepEqual((await describe("tree"))?.attached, []);
  });
});

Deno.test("describeTable() says when the database cannot be asked", async () => {
  const sql = openPool({ url: parseDatabaseUrl("postgresql://postgres@127.0.0.1:1/none"), max: 1 });
  const failure = await describeTable(sql, { schema: "public", name: "x" }).catch((error) => error);
  assert(failure instanceof UnavailableError);
  assert.equal(
    failure.message,
    "Cannot connect to the database to verify the shape. Please try again later.",
  );
  assert.equal(failure.retryAfterSeconds, 1);
  await sql.end({ timeout: 0 });
});
