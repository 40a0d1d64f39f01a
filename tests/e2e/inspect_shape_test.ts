import assert from "node:assert/strict";
import { type TestDatabase, testDatabase } from "../support/postgres.ts";
import { type CliResult, runCli } from "../support/cli_process.ts";
import { freePort, ServerProcess } from "../support/server_process.ts";
import { readToEnd, requestShape, until } from "../support/shape_requests.ts";

const SECRET = "hush";
const NOWHERE = "/nowhere";
const SCHEMA = `CREATE TABLE "Odd items" (id int PRIMARY KEY, b bool, a inet, v text);
  INSERT INTO "Odd items" SELECT i, i % 2 = 0, ('10.0.0.' || i)::inet, 'v' || i
  FROM generate_series(1, 20) i`;
const TABLE = '"Odd items"';
const WHERE = "id <= $1 and b is not null";

function inspect(args: readonly string[], env: Record<string, string> = {}): Promise<CliResult> {
  const at = args.indexOf("--storage-dir");
  // A sealed root lets it see this folder alone.
  const seen = at < 0 || args[at + 1] === NOWHERE ? "" : args[at + 1];
  return runCli(["inspect-shape", ...args], { ELECTRIC_STORAGE_DIR: seen, ...env });
}

async function succeed(args: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await inspect(args, { ELECTRIC_SECRET: SECRET });
  assert.equal(code, 0, stderr + stdout);
  assert.equal(stderr, "");
  return stdout;
}

const PARAMS = { table: TABLE, where: WHERE, "params[1]": "10", secret: SECRET };
const NAMED = ["--table", TABLE, "--where", WHERE, "--param", "1=10"];

interface FoundRow {
  readonly key: string;
  readonly value: Readonly<Record<string, string | null>>;
}

/** Two shapes, of which changes have come; the handle of the one with a condition. */
async function makeShapes(sql: TestDatabase["sql"], server: ServerProcess): Promise<string> {
  const { handle } = await readToEnd(server.url, PARAMS);
  await readToEnd(server.url, { table: TABLE, replica: "full", secret: SECRET });
  await sql`UPDATE "Odd items" SET v = 'new', b = not b WHERE id = 3`;
  await sql`DELETE FROM "Odd items" WHERE id = 4`;
  await until(async () => {
    const { offset } = await requestShape(server.url, { ...PARAMS, offset: "now" });
    const { head } = JSON.parse(await succeed([handle, "--url", server.url, "--json"]));
    return offset !== "0_inf" && offset === head &&
      (await readToEnd(server.url, PARAMS)).messages.some(({ headers }) =>
        headers.operation === "delete"
      );
  }, "the changes have come");
  return handle;
}

async function checkServed(server: ServerProcess, handle: string, databaseUrl: string) {
  const at = ["--url", server.url];

  const list = JSON.parse(await succeed(["--list", "--json", "--sort", "snapshot_bytes", ...at]));
  assert.equal(list.shapes.length, 2);
  assert(list.shapes[0].snapshot_bytes > list.shapes[1].snapshot_bytes);
  assert(list.uptime_seconds > 0);
  assert.equal(typeof list.shapes[0].changes_per_second, "number");
  const screen = await succeed(["--list", ...at]);
  assert.match(screen, /^HANDLE +TABLE +STATE/);
  assert(screen.includes(handle) && screen.includes('public."Odd items"'));
  assert(screen.includes(`("id" <= '10'::int4) AND ("b" IS NOT NULL)\n`), screen);
  // The server is found as the other commands find it.
  for (const [name, value] of [["URL", server.url], ["PORT", `${server.port}`]]) {
    const env = { ELECTRIC_SECRET: SECRET, [`ELECTRIC_${name}`]: value };
    const found = await inspect([handle, "--json"], env);
    assert.equal(found.code, 0, found.stderr);
  }

  assert.match(await succeed([...NAMED, ...at]), new RegExp(`^Handle +${handle}\n`));
  const found = JSON.parse(await succeed([...NAMED, ...at, "--rows", "--json"]));
  assert.equal(found.handle, handle);
  assert.deepEqual(found.items, { insert: 10, update: 1, delete: 1 });
  assert.equal(found.row_count, 9);
  assert.deepEqual(
    found.rows.map(({ value }: { value: { id: string } }) => value.id).sort(),
    ["1", "10", "2", "3", "5", "6", "7", "8", "9"],
  );
  const key = '"public"."Odd items"/"3"';
  const history = (await succeed([handle, ...at, "--key", key])).trimEnd().split("\n");
  assert.equal(history.length, 2);
  assert.match(history[0], /^insert/);
  assert.match(history[1], /^update \d+_\d+ .*"v":"new"/);
  assert.match(await succeed([handle, ...at, "--chunks"]), /^0_0 {2}\d.*\nopen {2}\d/);
  assert.match(await succeed([handle, ...at, "--log"]), /snapshot-end/);
  for (const shape of [[handle], ["--table", TABLE, "--replica", "full"]]) {
    const agreed = await succeed([...shape, ...at, "--verify", "--database-url", databaseUrl]);
    assert.match(agreed, /^The shape has the \d+ rows that the database has\n$/);
  }
  return found;
}

/** The database goes on without the server. */
async function checkDifferences(
  sql: TestDatabase["sql"],
  args: readonly string[],
  rows: readonly FoundRow[],
): Promise<void> {
  await sql`DELETE FROM "Odd items" WHERE id = 1`;
  await sql`UPDATE "Odd items" SET v = 'later' WHERE id = 2`;
  await sql`INSERT INTO "Odd items" VALUES (0, true, '::1', 'more')`;
  const apart = await inspect([...args, "--json"]);
  assert.equal(apart.code, 1, apart.stderr);
  const { verified } = JSON.parse(apart.stdout);
  assert.equal(verified.rows, 9);
  assert.deepEqual(verified.differences, [
    {
      kind: "missing",
      key: '"public"."Odd items"/"0"',
      value: { id: "0", b: verified.differences[0].value.b, a: "::1", v: "more" },
    },
    {
      kind: "extra",
      key: '"public"."Odd items"/"1"',
      value: rows.find(({ value }) => value.id === "1")?.value,
    },
    {
      kind: "different",
      key: '"public"."Odd items"/"2"',
      columns: { v: ["v2", "later"] },
    },
  ]);
  const told = await inspect(args);
  assert.match(
    told.stdout,
    /only in the database.*\nonly in the shape.*\ndifferent.*v: "v2" in the/,
  );
}

Deno.test("inspect-shape shows shapes of a server that runs, and of the storage it leaves", async () => {
  await using database = await testDatabase();
  const { sql } = database;
  await sql.unsafe(SCHEMA);
  await using server = await ServerProcess.start({
    databaseUrl: database.url,
    streamId: database.name,
    env: { ELECTRIC_INSECURE: "", ELECTRIC_SECRET: SECRET },
  });
  const handle = await makeShapes(sql, server);
  const found = await checkServed(server, handle, database.url);
  const stored = ["--storage-dir", server.storageDir];
  const locked = await inspect([handle, ...stored]);
  assert.equal(locked.code, 1);
  assert.match(
    locked.stderr,
    new RegExp(`^Error: Storage directory .* in use by process ${server.pid}`),
  );

  await server.stop();
  const after = JSON.parse(await succeed([handle, ...stored, "--rows", "--json"]));
  assert.deepEqual(after.rows, found.rows);
  assert.deepEqual(after.items, found.items);
  assert.equal(after.head, found.head);
  assert.equal(after.last_used, null);
  assert.equal(JSON.parse(await succeed([...NAMED, ...stored, "--json"])).handle, handle);

  await checkDifferences(
    sql,
    [handle, ...stored, "--verify", "--database-url", database.url],
    after.rows,
  );
  // The server goes on with what was looked at.
  await server.start();
  assert.equal((await requestShape(server.url, { ...PARAMS, offset: "now" })).handle, handle);
});

Deno.test("inspect-shape says what is wrong and how to mend it", async () => {
  const url = `http://127.0.0.1:${freePort()}`;
  const cases: readonly [readonly string[], number, RegExp][] = [
    [["--list", "--url", url], 1, /Can't reach a server at .*--storage-dir/],
    [["--list", "--url", "nonsense"], 2, /--url: Expected an address/],
    [["--list", "--tabel=x"], 2, /Unknown flag "--tabel".*--table/],
    [[], 2, /Name one shape/],
    [["h-1", "--table", "items"], 2, /Name one shape/],
    [["h-1", "h-2"], 2, /Unexpected argument "h-2"/],
    [["h-1", "--verify"], 2, /--verify needs the database/],
    [["--table", "items", "--param", "x"], 2, /--param: Expected a place and its value/],
    [["--list", "--storage-dir", NOWHERE], 1, /There is no storage in "\/nowhere"/],
  ];
  for (const [args, code, message] of cases) {
    const told = await inspect(args);
    assert.equal(told.code, code, told.stderr);
    assert.equal(told.stdout, "");
    assert.match(told.stderr, message);
  }
  const help = await inspect(["--help"]);
  assert.equal(help.code, 0);
  assert.match(help.stdout, /^Examples:\n/);
});
