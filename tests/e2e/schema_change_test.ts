import { ok, strictEqual as equal } from "node:assert/strict";
import type postgres from "postgres";
import { testDatabase } from "../support/postgres.ts";
import { pause, ServerProcess } from "../support/server_process.ts";
import {
  poll,
  pollForMore,
  type Position,
  readToEnd,
  requestShape,
} from "../support/shape_requests.ts";

const LEARNS_MS = 2_500;

interface World {
  readonly sql: postgres.Sql;
  readonly url: string;
}

async function withServer(schema: string, work: (world: World) => Promise<void>): Promise<void> {
  await using database = await testDatabase();
  await database.sql.unsafe(schema);
  await using server = await ServerProcess.start({
    databaseUrl: database.url,
    streamId: database.name,
  });
  await work({ sql: database.sql, url: server.url });
}

interface ChangeCase {
  readonly what: string;
  readonly ddl: string;
  /** Whether the shape of all columns, and the one of `id` and `a` only, end. */
  readonly endsWhole: boolean;
  readonly endsNarrow: boolean;
}

const CHANGES: readonly ChangeCase[] = [
  { what: "an added column", ddl: "ALTER TABLE t ADD c int", endsWhole: true, endsNarrow: false },
  { what: "a dropped column", ddl: "ALTER TABLE t DROP b", endsWhole: true, endsNarrow: false },
  {
    what: "another column's new name",
    ddl: "ALTER TABLE t RENAME b TO c",
    endsWhole: true,
    endsNarrow: false,
  },
  {
    what: "another column's new type",
    ddl: "ALTER TABLE t ALTER b TYPE text",
    endsWhole: true,
    endsNarrow: false,
  },
  { what: "a new name", ddl: "ALTER TABLE t RENAME a TO c", endsWhole: true, endsNarrow: true },
  {
    what: "a new type",
    ddl: "ALTER TABLE t ALTER a TYPE varchar(40)",
    endsWhole: true,
    endsNarrow: true,
  },
  { what: "a dropped table", ddl: "DROP TABLE t", endsWhole: true, endsNarrow: true },
  { what: "a renamed table", ddl: "ALTER TABLE t RENAME TO u", endsWhole: true, endsNarrow: true },
  { what: "truncation", ddl: "TRUNCATE t", endsWhole: true, endsNarrow: true },
  {
    what: "a table made anew",
    ddl: "DROP TABLE t; CREATE TABLE t (id int PRIMARY KEY, a text, b int)",
    endsWhole: true,
    endsNarrow: true,
  },
];

async function checkChange({ sql, url }: World, name: string, change: ChangeCase): Promise<void> {
  const { what, ddl, endsWhole, endsNarrow } = change;
  const whole = await readToEnd(url, { table: name });
  const narrow = await readToEnd(url, { table: name, columns: "id,a" });
  const waiting = [poll(url, whole), poll(url, narrow)];
  await sql.unsafe(ddl.replaceAll(/\bt\b/g, name).replace(/\bu\b/, `${name}_renamed`));
  const startMs = performance.now();
  const ended = waiting.filter((_, at) => at === 0 ? endsWhole : endsNarrow);
  for (const answer of await Promise.all(ended)) equal(answer.status, 409, what);
  ok(performance.now() - startMs < LEARNS_MS, `${what}: ${performance.now() - startMs} ms`);
  if (endsNarrow) return;
  await sql.unsafe(`INSERT INTO ${name} (id, a) VALUES (2, 'two')`);
  const answer = await waiting[1];
  equal(answer.status, 200, what);
  equal(answer.messages[0].value?.a, "two", what);
}

Deno.test("waiting readers learn of schema changes that no row change follows", async () => {
  // Each in a table of its own, all on one server.
  const schema = CHANGES.map((_, i) =>
    `CREATE TABLE t${i} (id int PRIMARY KEY, a text, b int);
     INSERT INTO t${i} VALUES (1, 'one', 1);`
  );
  await withServer(schema.join(""), async (world) => {
    await Promise.all(CHANGES.map((change, i) => checkChange(world, `t${i}`, change)));
  });
});

/** Reads the shape as it is afterwards, which must be another one. */
async function readAnew(url: string, before: Position): Promise<readonly unknown[]> {
  const after = await readToEnd(url, before.params);
  ok(after.handle !== before.handle);
  return after.messages.flatMap(({ value }) => value ? [value] : []);
}

Deno.test("a shape on a table that another replaced is never continued", async () => {
  const schema = "CREATE TABLE t (id int PRIMARY KEY, a text); INSERT INTO t VALUES (1, 'old')";
  await withServer(schema, async ({ sql, url }) => {
    const before = await readToEnd(url, { table: "t" });
    const filtered = await readToEnd(url, { table: "t", where: "id > 0" });
    await sql.unsafe(`ALTER TABLE t RENAME TO gone;
      CREATE TABLE t (id int PRIMARY KEY, a text); INSERT INTO t VALUES (2, 'new')`);
    // Asked for at once by somebody else: the newer table must not hide the older from the watch.
    const fresh = await readToEnd(url, { table: "t", where: "id > 1" });
    equal(fresh.messages[0].value?.a, "new");
    equal((await pollForMore(url, before)).status, 409);
    equal((await pollForMore(url, filtered)).status, 409);
    const rows = await readAnew(url, before);
    equal(JSON.stringify(rows), '[{"a":"new","id":"2"}]');
    equal((await requestShape(url, { ...fresh.params, offset: "-1" })).handle, fresh.handle);
  });
});

Deno.test("a new column is noticed by old shapes also when a new shape has seen it first", async () => {
  const schema = "CREATE TABLE t (id int PRIMARY KEY, a text); INSERT INTO t VALUES (1, 'old')";
  await withServer(schema, async ({ sql, url }) => {
    const before = await readToEnd(url, { table: "t" });
    await sql.unsafe("ALTER TABLE t ADD b int DEFAULT 7");
    const fresh = await readToEnd(url, { table: "t", where: "id > 0" });
    equal(fresh.messages[0].value?.b, "7");
    equal((await pollForMore(url, before)).status, 409);
    equal(JSON.stringify(await readAnew(url, before)), '[{"a":"old","b":"7","id":"1"}]');
  });
});

Deno.test("a table that was renamed lives on under its new name", async () => {
  const schema = "CREATE TABLE t (id int PRIMARY KEY, a text); INSERT INTO t VALUES (1, 'x')";
  await withServer(schema, async ({ sql, url }) => {
    const before = await readToEnd(url, { table: "t" });
    await sql.unsafe("ALTER TABLE t RENAME TO u");
    const renamed = await readToEnd(url, { table: "u" });
    const waiting = poll(url, renamed);
    equal((await pollForMore(url, before)).status, 409);
    equal((await requestShape(url, { table: "t", offset: "-1" })).status, 400);
    // Longer than two looks at the catalog, none of which may end the shape.
    const quiet = await Promise.race([waiting, pause(2_500)]);
    equal(quiet, undefined);
    await sql.unsafe("INSERT INTO u VALUES (2, 'y')");
    equal((await waiting).messages[0].value?.a, "y");
  });
});
