/** What commands print for programs is what docs/schemas/ says; `tail` is told in a file of its own. */

import assert from "node:assert/strict";
import { runCli } from "../support/cli_process.ts";
import { assertMatches, type SchemaName } from "../support/json_schemas.ts";
import { testDatabase } from "../support/postgres.ts";
import { freePort, ServerProcess } from "../support/server_process.ts";
import { readToEnd, until } from "../support/shape_requests.ts";

const SECRET = "hush";
const SCHEMA = `CREATE TABLE "Odd items" (id int8 PRIMARY KEY, tags text[], v text);
  INSERT INTO "Odd items" SELECT i, '{a,b}', 'v' || i FROM generate_series(1, 3) i`;
const TABLE = '"Odd items"';

/** The document that a command prints; `code` is what it exits with. */
async function documentOf(
  name: SchemaName,
  args: readonly string[],
  env: Record<string, string>,
  code = 0,
) {
  const { stdout, stderr, code: actual } = await runCli(args, env);
  assert.equal(actual, code, stdout + stderr);
  const document = JSON.parse(stdout);
  assertMatches(name, document);
  return document;
}

async function world() {
  const stack = new AsyncDisposableStack();
  const database = stack.use(await testDatabase());
  await database.sql.unsafe(SCHEMA);
  const server = stack.use(
    await ServerProcess.start({
      databaseUrl: database.url,
      streamId: database.name,
      env: { ELECTRIC_INSECURE: "", ELECTRIC_SECRET: SECRET },
    }),
  );
  const env = { ELECTRIC_URL: server.url, ELECTRIC_SECRET: SECRET };
  return { database, server, env, [Symbol.asyncDispose]: () => stack.disposeAsync() };
}

Deno.test("status --json is as docs/schemas/status.json says, with the secret, without, and with nobody there", async () => {
  await using it = await world();
  const { server, env } = it;
  await until(async () => {
    const { slot, process } = await documentOf("status", ["status", "--json"], env);
    return slot?.state === "active" && process.publication !== null;
  }, "the slot was looked at");
  const url = { ELECTRIC_URL: server.url };
  assert.equal((await documentOf("status", ["status", "--json"], url)).process, null);
  await server.stop();
  await documentOf("status", ["status", "--json"], env, 5);
});

Deno.test("inspect-shape --json is as docs/schemas/ says in all its forms, served and stored", async () => {
  await using it = await world();
  const { database: { sql, url }, server, env } = it;
  const params = { table: TABLE, where: "id < 100", secret: SECRET, replica: "full" };
  const { handle } = await readToEnd(server.url, params);
  await sql`UPDATE "Odd items" SET v = null WHERE id = 1`;
  await sql`DELETE FROM "Odd items" WHERE id = 2`;
  const isWhole = async () => {
    const { items } = await documentOf("shape", ["inspect-shape", handle, "--json"], env);
    return items.update + items.delete === 2;
  };
  await until(isWhole, "the changes have come");
  await checkShapes(handle, env, []);
  await server.stop();
  const stored = ["--storage-dir", server.storageDir];
  const seen = { ...env, ELECTRIC_STORAGE_DIR: server.storageDir };
  await checkShapes(handle, seen, stored);
  await sql`DELETE FROM "Odd items" WHERE id = 1`;
  await sql`UPDATE "Odd items" SET v = 'later' WHERE id = 3`;
  await sql`INSERT INTO "Odd items" VALUES (4)`;
  const verify = ["inspect-shape", handle, "--json", "--verify", "--database-url", url, ...stored];
  const { verified } = await documentOf("shape", verify, seen, 1);
  const kinds = verified.differences.map(({ kind }: { kind: string }) => kind);
  assert.deepEqual(kinds.sort(), ["different", "extra", "missing"]);
});

async function checkShapes(
  handle: string,
  env: Record<string, string>,
  more: readonly string[],
): Promise<void> {
  const key = '"public"."Odd items"/"1"';
  await documentOf("shapes", ["inspect-shape", "--list", "--json", ...more], env);
  for (const flags of [["--rows"], ["--log"], ["--chunks"], ["--key", key], ["--rows", "--log"]]) {
    await documentOf("shape", ["inspect-shape", handle, "--json", ...flags, ...more], env);
  }
}

Deno.test("doctor --json is as docs/schemas/doctor.json says, whatever it finds", async () => {
  await using database = await testDatabase();
  const doctor = ["doctor", "--json"];
  await documentOf("doctor", doctor, { DATABASE_URL: database.url }, 3);
  const nobody = `postgresql://postgres@127.0.0.1:${freePort()}/nothing`;
  await documentOf("doctor", doctor, { DATABASE_URL: nobody }, 1);
});
