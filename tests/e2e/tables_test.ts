import { deepEqual, equal, match, ok } from "node:assert/strict";
import postgres from "postgres";
import { type TestDatabase, testDatabase } from "../support/postgres.ts";
import { pause, ServerProcess } from "../support/server_process.ts";
import { ShapeFollower } from "../support/shape_follower.ts";
import { readToEnd, requestShape, until } from "../support/shape_requests.ts";

function startServer(
  database: TestDatabase,
  env: Record<string, string> = {},
  databaseUrl = database.url,
): Promise<ServerProcess> {
  return ServerProcess.start({ databaseUrl, streamId: database.name, env });
}

/** A position that the next commit lies beyond. */
async function walPosition(sql: postgres.Sql): Promise<bigint> {
  const [{ lsn }] = await sql`SELECT pg_current_wal_insert_lsn() - '0/0'::pg_lsn AS lsn`;
  return BigInt(lsn);
}

interface TableCase {
  readonly what: string;
  /** As requests spell it, and as SQL does. */
  readonly table: string;
  readonly ddl: string;
  readonly insert: string;
  readonly changes: readonly string[];
  /** Key of the first row inserted. */
  readonly key: string;
}

const TABLES: readonly TableCase[] = [
  {
    what: "a composite key, in the key's order",
    table: "pairs",
    ddl: "CREATE TABLE pairs (a int, b text, v text, PRIMARY KEY (b, a))",
    insert: "INSERT INTO pairs VALUES (1, 'x/y', 'one'), (2, '', 'two'), (3, 'z', 'three')",
    changes: [
      "UPDATE pairs SET v = 'uno' WHERE a = 1",
      "UPDATE pairs SET b = 'moved' WHERE a = 2",
      "DELETE FROM pairs WHERE a = 3",
    ],
    key: '"public"."pairs"/"x//y"/"1"',
  },
  {
    what: "names that need quotes",
    table: '"Größe ""x"""."My.Table"',
    ddl: `CREATE SCHEMA "Größe ""x"""; CREATE TABLE "Größe ""x"""."My.Table"
      ("The Id" int PRIMARY KEY, "select" text, "a""b" text)`,
    insert: `INSERT INTO "Größe ""x"""."My.Table" VALUES (1, 'one', 'q'), (2, 'two', null)`,
    changes: [
      `UPDATE "Größe ""x"""."My.Table" SET "a""b" = 'changed' WHERE "The Id" = 1`,
      `DELETE FROM "Größe ""x"""."My.Table" WHERE "The Id" = 2`,
    ],
    key: '"Größe ""x"""."My.Table"/"1"',
  },
  {
    what: "no primary key",
    table: "free",
    ddl: "CREATE TABLE free (a int, b text)",
    insert: "INSERT INTO free VALUES (1, null), (2, 'two'), (3, '')",
    changes: ["UPDATE free SET b = 'one' WHERE a = 1", "DELETE FROM free WHERE a = 2"],
    key: '"public"."free"/"1"/_',
  },
  {
    what: "a unique index in place of a key",
    table: "indexed",
    ddl: `CREATE TABLE indexed (a int NOT NULL, b text); CREATE UNIQUE INDEX by_a ON indexed (a);
      ALTER TABLE indexed REPLICA IDENTITY USING INDEX by_a`,
    insert: "INSERT INTO indexed VALUES (1, 'one'), (2, 'two')",
    changes: ["UPDATE indexed SET b = 'uno' WHERE a = 1", "DELETE FROM indexed WHERE a = 2"],
    key: '"public"."indexed"/"1"/"one"',
  },
];

Deno.test("tables of all sorts are followed, rows found by their keys", async (test) => {
  await using database = await testDatabase();
  const { sql } = database;
  await using server = await startServer(database);
  for (const { what, table, ddl, insert, changes, key } of TABLES) {
    await test.step(what, async () => {
      await sql.unsafe(ddl);
      await sql.unsafe(insert);
      const live = new ShapeFollower(server.url, { table });
      await live.followTo(0n);
      ok(live.rows.has(key), [...live.rows.keys()].join());
      for (const change of changes.slice(0, -1)) await sql.unsafe(change);
      const before = await walPosition(sql);
      await sql.unsafe(changes[changes.length - 1]);
      const expected = (await sql.unsafe(`SELECT * FROM ${table}`)).map((row) => ({ ...row }));
      const text = (rows: Iterable<Record<string, unknown>>) =>
        [...rows].map((row) =>
          JSON.stringify(Object.entries(row).map(([k, v]) => [k, v === null ? v : `${v}`]).sort())
        ).toSorted();
      await live.followTo(before);
      deepEqual(text(live.rows.values()), text(expected));
      const fresh = new ShapeFollower(server.url, { table, replica: "full" });
      await fresh.followTo(0n);
      deepEqual(text(fresh.rows.values()), text(expected));
    });
  }
});

Deno.test("stored generated columns are refused below 18 and followed from 18 on", async () => {
  await using database = await testDatabase();
  const { sql } = database;
  await sql`CREATE TABLE doubled (id int PRIMARY KEY, n int, twice int GENERATED ALWAYS AS (n * 2) STORED)`;
  await sql`INSERT INTO doubled VALUES (1, 21)`;
  const [{ version }] = await sql`SELECT current_setting('server_version_num')::int AS version`;
  await using server = await startServer(database);
  if (version < 180_000) {
    const { status, text } = await requestShape(server.url, { table: "doubled", offset: "-1" });
    equal(status, 400);
    match(text, /The following columns are generated and cannot be included in the shape: twice/);
    const others = await readToEnd(server.url, { table: "doubled", columns: "id,n" });
    equal(JSON.stringify(others.messages[0].value), '{"id":"1","n":"21"}');
    return;
  }
  const live = new ShapeFollower(server.url, { table: "doubled" });
  await live.followTo(0n);
  const before = await walPosition(sql);
  await sql`UPDATE doubled SET n = 4`;
  await live.followTo(before);
  equal(live.rows.get('"public"."doubled"/"1"')?.twice, "8");
});

/** Asks until the answer is 200; no other answer than 503 may come before. */
async function untilServed(url: string, table: string): Promise<void> {
  await until(async () => {
    const { status, text } = await requestShape(url, { table, offset: "-1" });
    ok(status === 200 || status === 503, text);
    return status === 200;
  }, `"${table}" is served`);
}

Deno.test("with manual publishing a 503 says what is missing until it has been done by hand", async () => {
  await using database = await testDatabase();
  const { sql, name } = database;
  const publication = `electric_publication_${name}`;
  await sql.unsafe(`CREATE PUBLICATION ${publication};
    CREATE TABLE items (id int PRIMARY KEY); INSERT INTO items VALUES (1)`);
  await using server = await startServer(database, { ELECTRIC_MANUAL_TABLE_PUBLISHING: "true" });
  const ask = () => requestShape(server.url, { table: "items", offset: "-1" });
  const both = await ask();
  equal(both.status, 503);
  const { message } = JSON.parse(both.text);
  ok(message.includes(`ALTER PUBLICATION "${publication}" ADD TABLE "public"."items"`), message);
  ok(message.includes(`ALTER TABLE "public"."items" REPLICA IDENTITY FULL`), message);
  await sql.unsafe(`ALTER PUBLICATION ${publication} ADD TABLE items`);
  const one = await ask();
  equal(one.status, 503);
  ok(!one.text.includes("ALTER PUBLICATION"), one.text);
  ok(one.text.includes("REPLICA IDENTITY FULL"), one.text);
  await sql`ALTER TABLE items REPLICA IDENTITY FULL`;
  await untilServed(server.url, "items");

  // Taken out of the stream by hand: the shape goes on by queries, and says so.
  const follower = new ShapeFollower(server.url, { table: "items" });
  const abort = new AbortController();
  const following = follower.follow(abort.signal);
  await until(() => follower.rows.size === 1, "the row is there");
  await sql.unsafe(`ALTER PUBLICATION ${publication} DROP TABLE items`);
  await sql`INSERT INTO items VALUES (2)`;
  await until(() => follower.rows.size === 2, "what the stream does not bring is there");
  const isMarked = async () => {
    const answer = await fetch(`${server.url}/v1/shape?table=items&offset=-1`);
    await answer.body?.cancel();
    return answer.headers.get("electric-fallback-mode") === "true";
  };
  equal(await isMarked(), true);
  await sql.unsafe(`ALTER PUBLICATION ${publication} ADD TABLE items`);
  await until(async () => !await isMarked(), "the stream is followed again");
  await sql`INSERT INTO items VALUES (3)`;
  await until(() => follower.rows.size === 3, "the stream goes on");
  abort.abort();
  await following;
  equal(follower.refetches, 0);
});

Deno.test("a table of somebody else's says what is missing and never fails another", async () => {
  await using database = await testDatabase();
  const { sql, name } = database;
  await sql.unsafe(`CREATE ROLE ${name} LOGIN REPLICATION;
    GRANT CREATE ON DATABASE ${name} TO ${name}; GRANT ALL ON SCHEMA public TO ${name};
    CREATE TABLE theirs (id int PRIMARY KEY); GRANT SELECT ON theirs TO ${name};
    CREATE TABLE hidden (id int PRIMARY KEY);
    SET ROLE ${name}; CREATE TABLE mine (id int PRIMARY KEY); CREATE TABLE also_mine (id int); RESET ROLE`);
  const url = new URL(database.url);
  url.username = name;
  try {
    await using server = await startServer(database, {}, url.href);
    const ask = (table: string) => requestShape(server.url, { table, offset: "-1" });
    const tables = ["theirs", "mine", "hidden", "also_mine"];
    const [theirs, mine, hidden, alsoMine] = await Promise.all(tables.map(ask));
    equal(mine.status, 200, mine.text);
    equal(alsoMine.status, 200, alsoMine.text);
    equal(theirs.status, 503);
    const publication = `electric_publication_${name}`;
    match(theirs.text, /Electric lacks privileges to add it/);
    ok(theirs.text.includes("REPLICA IDENTITY FULL"), theirs.text);
    equal(hidden.status, 503, hidden.text);
    await sql.unsafe(`ALTER TABLE theirs REPLICA IDENTITY FULL;
      ALTER PUBLICATION ${publication} OWNER TO postgres;
      ALTER PUBLICATION ${publication} ADD TABLE theirs;
      ALTER TABLE hidden REPLICA IDENTITY FULL; ALTER PUBLICATION ${publication} ADD TABLE hidden`);
    await untilServed(server.url, "theirs");
    match((await ask("hidden")).text, /permission denied for table hidden/);
    await sql.unsafe(`GRANT SELECT ON hidden TO ${name}`);
    await untilServed(server.url, "hidden");
    equal((await ask("mine")).handle, mine.handle);
  } finally {
    await sql.unsafe(
      `REASSIGN OWNED BY ${name} TO postgres; DROP OWNED BY ${name}; DROP ROLE ${name}`,
    );
  }
});

/** Updates and deletes without a pause, and lets nothing go wrong. */
async function hammer(url: string, table: string, signal: AbortSignal): Promise<number> {
  const sql = postgres(url, { max: 1, onnotice: () => {} });
  let count = 0;
  try {
    for (; !signal.aborted; count++) {
      await sql.unsafe(`UPDATE ${table} SET v = v + 1 WHERE a = ${count % 50}`);
      await sql.unsafe(`DELETE FROM ${table} WHERE a = ${100 + count}`);
    }
  } finally {
    await sql.end({ timeout: 1 });
  }
  return count;
}

Deno.test("applications' updates of tables without key never fail while shapes are made", async () => {
  await using database = await testDatabase();
  const { sql } = database;
  const tables = ["t1", "t2", "t3", "t4", "t5", "t6"];
  for (const table of tables) {
    await sql.unsafe(`CREATE TABLE ${table} (a int, v int);
      INSERT INTO ${table} SELECT i, 0 FROM generate_series(0, 2000) i`);
  }
  await using server = await startServer(database);
  const stop = new AbortController();
  const writers = tables.map((table) => hammer(database.url, table, stop.signal));
  await Promise.race([pause(100), ...writers]);
  for (const table of tables) {
    const { status, text } = await requestShape(server.url, { table, offset: "-1" });
    equal(status, 200, text);
    await Promise.race([pause(50), ...writers]);
  }
  stop.abort();
  for (const count of await Promise.all(writers)) ok(count > 10, `${count} updates`);
  const follower = new ShapeFollower(server.url, { table: "t6" });
  const before = await walPosition(sql);
  await sql`UPDATE t6 SET v = -1 WHERE a = 0`;
  await follower.followTo(before);
  const expected = await sql`SELECT DISTINCT a, v FROM t6`;
  equal(follower.rows.size, expected.length);
  equal(follower.rows.get('"public"."t6"/"0"/"-1"')?.v, "-1");
});
