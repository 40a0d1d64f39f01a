import assert from "node:assert/strict";
import { openPool, type Sql } from "../../replication/connection.ts";
import { parseDatabaseUrl } from "../../replication/database_url.ts";
import { Evaluator } from "../../replication/evaluate.ts";
import { describeTable } from "../../replication/inspect.ts";
import { PostgresSource } from "../../replication/source.ts";
import { TableWatch, watchTables } from "../../replication/table_watch.ts";
import type { Logger } from "../../shapes/ports.ts";
import type { Table } from "../../shapes/table.ts";
import { testDatabase } from "../support/postgres.ts";

async function withDatabase(
  ddl: string,
  check: (sql: Sql, describe: (name: string) => Promise<Table>) => Promise<void>,
): Promise<void> {
  await using database = await testDatabase();
  const sql = openPool({ url: parseDatabaseUrl(database.url), max: 4 });
  try {
    await sql.unsafe(ddl);
    await check(sql, async (name) => {
      const table = await describeTable(sql, { schema: "public", name });
      assert(table, name);
      return table;
    });
  } finally {
    await sql.end({ timeout: 0 });
  }
}

function logInto(lines: string[]): Logger {
  const log = (message: string) => void lines.push(message);
  return { debug() {}, info: log, warn: log, error: log };
}

/** Each with what the table `t` is called afterwards; empty if it is gone. */
const CHANGES: readonly (readonly [change: string, name: string])[] = [
  ["ALTER TABLE t ADD COLUMN more int", "public.t"],
  ["ALTER TABLE t DROP COLUMN v", "public.t"],
  ["ALTER TABLE t RENAME COLUMN v TO w", "public.t"],
  ["ALTER TABLE t ALTER v TYPE varchar(5)", "public.t"],
  ["ALTER TABLE t ALTER v TYPE varchar(7)", "public.t"],
  [`ALTER TABLE t ALTER v TYPE text COLLATE "C"`, "public.t"],
  ["ALTER TABLE t ALTER v SET NOT NULL", "public.t"],
  ["ALTER TABLE t DROP CONSTRAINT t_pkey", "public.t"],
  ["ALTER TYPE mood RENAME TO temper", "public.t"],
  ["ALTER TYPE mood SET SCHEMA elsewhere", "public.t"],
  ["ALTER TABLE t RENAME TO u", "public.u"],
  ["ALTER TABLE t SET SCHEMA elsewhere", "elsewhere.t"],
  ["ALTER SCHEMA public RENAME TO elsewhere2", "elsewhere2.t"],
  ["DROP TABLE t", ""],
  ["DROP TABLE t; CREATE TABLE t (id int PRIMARY KEY, v text, m mood)", ""],
];

const SETUP = `CREATE SCHEMA elsewhere; CREATE TYPE mood AS ENUM ('sad');
  CREATE TABLE t (id int PRIMARY KEY, v text, m mood); CREATE TABLE same (id int)`;

for (const moment of ["before the first look", "between two looks"] as const) {
  Deno.test(`TableWatch notices every kind of change ${moment}`, async () => {
    for (const [change, name] of CHANGES) {
      await withDatabase(SETUP, async (sql, describe) => {
        const tables = [await describe("t"), await describe("same")];
        const seen: [number, Table | undefined][] = [];
        const watch = new TableWatch({
          sql,
          tables: () => tables,
          onChange: (oid, now) => seen.push([oid, now]),
        });
        if (moment === "between two looks") {
          await watch.poll();
          await watch.poll();
          assert.deepEqual(seen, [], "nothing changed yet");
        }
        await sql.unsafe(change);
        await watch.poll();
        const [t] = tables;
        if (change.startsWith("ALTER SCHEMA")) {
          assert.deepEqual(seen.map(([oid]) => oid).toSorted(), tables.map(({ oid }) => oid));
        } else assert.deepEqual(seen.map(([oid]) => oid), [t.oid], change);
        const [, now] = seen[0];
        assert.equal(now ? `${now.schema}.${now.name}` : "", name, change);
        if (name === "public.t") assert.deepEqual(now, await describe("t"), change);
        assert.notDeepEqual(now, t);
      });
    }
  });
}

Deno.test("TableWatch tells of a change until the table is given as it is now", async () => {
  await withDatabase(SETUP, async (sql, describe) => {
    let table = await describe("t");
    let calls = 0;
    const watch = new TableWatch({ sql, tables: () => [table], onChange: () => calls++ });
    await watch.poll();
    await sql.unsafe("ALTER TABLE t ADD COLUMN more int");
    await watch.poll();
    await watch.poll();
    assert.equal(calls, 2);
    table = await describe("t");
    await watch.poll();
    await sql.unsafe("ALTER TABLE t DROP COLUMN more");
    await watch.poll();
    assert.equal(calls, 3);
  });
});

Deno.test("TableWatch overlooks what does not change a table's description", async () => {
  await withDatabase(SETUP, async (sql, describe) => {
    const table = await describe("t");
    const watch = new TableWatch({
      sql,
      tables: () => [table],
      onChange: () => assert.fail("nothing changed"),
    });
    await watch.poll();
    await sql.unsafe(
      "INSERT INTO t VALUES (1); ALTER TABLE t ALTER v SET DEFAULT 'x'; CREATE INDEX ON t (v); " +
        "ALTER TABLE t ADD CHECK (id > 0); COMMENT ON TABLE t IS 'x'; GRANT SELECT ON t TO PUBLIC",
    );
    await sql.unsafe("VACUUM FULL ANALYZE t");
    await watch.poll();
  });
});

Deno.test("TableWatch notices partitions that come and go at any level", async () => {
  const ddl = `
    CREATE TABLE root (k int, d int) PARTITION BY LIST (k);
    CREATE TABLE one PARTITION OF root FOR VALUES IN (1) PARTITION BY LIST (d)`;
  await withDatabase(ddl, async (sql, describe) => {
    let root = await describe("root");
    const seen: (Table | undefined)[] = [];
    const watch = new TableWatch({
      sql,
      tables: () => [root],
      onChange: (_, now) => seen.push(now),
    });
    for (
      const change of [
        "CREATE TABLE deep PARTITION OF one FOR VALUES IN (1)",
        "ALTER TABLE one DETACH PARTITION deep",
        "ALTER TABLE root DETACH PARTITION one",
      ]
    ) {
      await watch.poll();
      await sql.unsafe(change);
      await watch.poll();
      root = await describe("root");
      assert.deepEqual(seen, [root], change);
      seen.length = 0;
    }
  });
});

Deno.test("TableWatch asks nothing when there is nothing to watch", async () => {
  const sql = openPool({ url: parseDatabaseUrl("postgresql://postgres@127.0.0.1:1/none"), max: 1 });
  await new TableWatch({ sql, tables: () => [], onChange: () => assert.fail() }).poll();
  await sql.end({ timeout: 0 });
});

Deno.test("PostgresSource.watch() tells of tables that are no longer prepared, and mends them", async () => {
  const ddl = `CREATE PUBLICATION electric_publication_w; CREATE TABLE a (id int);
    CREATE TABLE b (id int); CREATE TABLE never (id int)`;
  await withDatabase(ddl, async (sql, describe) => {
    const lines: string[] = [];
    const nowhere = parseDatabaseUrl("postgresql://postgres@127.0.0.1:1/none");
    await using evaluator = new Evaluator({ url: nowhere, logger: logInto(lines) });
    const source = new PostgresSource({
      admin: sql,
      query: sql,
      evaluator,
      streamId: "w",
      isManual: false,
      logger: logInto(lines),
    });
    const [a, b, never] = [await describe("a"), await describe("b"), await describe("never")];
    await Promise.all([source.prepare(a), source.prepare(b)]);
    const abort = new AbortController();
    const { promise, resolve } = Promise.withResolvers<void>();
    const lost: number[] = [];
    const watching = source.watch({
      tables: () => [a, b, never],
      onChange: () => assert.fail("no table changed"),
      onUnprepared: (oid) => {
        lost.push(oid);
        if (lost.length === 2) resolve();
      },
      intervalMs: 10,
      signal: abort.signal,
    });
    await sql.unsafe("ALTER TABLE a REPLICA IDENTITY DEFAULT");
    await sql.unsafe("ALTER PUBLICATION electric_publication_w DROP TABLE b");
    await promise;
    assert.deepEqual(lost.toSorted(), [a.oid, b.oid]);
    await Promise.all([source.prepare(a), source.prepare(b)]);
    const [{ count }] = await sql.unsafe(
      `SELECT count(*)::int AS count FROM pg_publication_rel r JOIN pg_class c ON c.oid = prrelid
        WHERE c.relreplident = 'f'`,
    );
    assert.equal(count, 2);
    abort.abort();
    await watching;
    assert.deepEqual(lines.filter((line) => line !== "Published table"), []);
  });
});

Deno.test("watchTables() goes on after an outage and mentions it once", async () => {
  await using database = await testDatabase();
  const url = parseDatabaseUrl(database.url);
  const sql = openPool({ url, max: 1 });
  const admin = openPool({ url: { ...url, database: "postgres" }, max: 1 });
  await sql.unsafe("CREATE TABLE t (id int)");
  const table = await describeTable(sql, { schema: "public", name: "t" });
  assert(table);
  const lines: string[] = [];
  const abort = new AbortController();
  const { promise, resolve } = Promise.withResolvers<void>();
  let polls = 0;
  let whenPolled: { count: number; resolve: () => void } | undefined;
  const polled = (count: number) =>
    new Promise<void>((resolve) => whenPolled = { count: polls + count, resolve });
  const watching = watchTables({
    sql,
    tables: () => {
      if (whenPolled && ++polls >= whenPolled.count) whenPolled.resolve();
      return [table];
    },
    onChange: () => resolve(),
    intervalMs: 5,
    signal: abort.signal,
    logger: logInto(lines),
  });
  await polled(2);
  await admin.unsafe(`ALTER DATABASE ${database.name} ALLOW_CONNECTIONS false`);
  await admin.unsafe(
    `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '${database.name}'`,
  );
  await polled(4);
  await admin.unsafe(`ALTER DATABASE ${database.name} ALLOW_CONNECTIONS true`);
  await database.sql.unsafe("ALTER TABLE t ADD COLUMN more int");
  await promise;
  abort.abort();
  await watching;
  assert.deepEqual(lines, ["Cannot watch tables for changes", "Watching tables again"]);
  await Promise.all([sql.end({ timeout: 0 }), admin.end({ timeout: 0 })]);
});
