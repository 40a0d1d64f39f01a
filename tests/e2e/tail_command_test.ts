import assert from "node:assert/strict";
import { ShapeFixtureServer } from "../client/shape_fixture_server.ts";
import { cliCommand, CliProcess, runCli } from "../support/cli_process.ts";
import { assertMatches } from "../support/json_schemas.ts";
import { newStreamId } from "../support/health_world.ts";
import { testDatabase } from "../support/postgres.ts";
import { freePort, ServerProcess } from "../support/server_process.ts";

const SECRET = "hush-hush";

async function world() {
  const stack = new AsyncDisposableStack();
  const database = stack.use(await testDatabase());
  await database.sql.unsafe(`
    CREATE TABLE a (id int8 PRIMARY KEY, note text);
    CREATE TABLE b (id int8 PRIMARY KEY, note text);
    INSERT INTO a SELECT n, 'row ' || n FROM generate_series(1, 3) n`);
  const server = stack.use(
    await ServerProcess.start({
      databaseUrl: database.url,
      streamId: newStreamId(),
      env: { ELECTRIC_INSECURE: "", ELECTRIC_SECRET: SECRET },
    }),
  );
  const env = { ELECTRIC_URL: server.url, ELECTRIC_SECRET: SECRET };
  return { sql: database.sql, server, env, [Symbol.asyncDispose]: () => stack.disposeAsync() };
}

type Line = Record<string, unknown> & { readonly value?: Record<string, unknown> };

/** Each is as docs/schemas/tail.json says. */
function linesOf({ stdout }: { stdout: string }): Line[] {
  const lines = stdout.split("\n").slice(0, -1).map((line) => JSON.parse(line));
  for (const line of lines) assertMatches("tail", line);
  return lines;
}

function changesOf(run: { stdout: string }): string[] {
  return linesOf(run).filter(({ operation }) => operation)
    .map(({ table, operation, value }) => `${table} ${operation} ${value?.id}`);
}

Deno.test("tail follows tables through changes, a restart and a truncation, and sums up at Ctrl-C", async () => {
  await using it = await world();
  const { sql, server } = it;
  const args = ["tail", "--table", "a", "--table", "b", "--replica", "full"];
  await using run = new CliProcess(args, it.env);
  const has = (text: string) => run.until(() => run.stdout.includes(text));
  await has('"table":"a","control":"up-to-date"');
  await has('"table":"b","control":"up-to-date"');
  assert.deepEqual(changesOf(run), ["a insert 1", "a insert 2", "a insert 3"]);

  await sql.begin(async (tx) => {
    await tx`INSERT INTO b VALUES (9007199254740993, 'first')`;
    await tx`UPDATE a SET note = 'new' WHERE id = 1`;
    await tx`INSERT INTO b VALUES (2, 'third')`;
  });
  await has('"third"');
  await run.until(() => changesOf(run).length === 6);
  assert.deepEqual(changesOf(run).slice(3), [
    "b insert 9007199254740993",
    "a update 1",
    "b insert 2",
  ]);
  const update = linesOf(run).find(({ operation }) => operation === "update");
  assert.deepEqual(update?.value, { id: "1", note: "new" });
  assert.deepEqual(update?.old_value, { note: "row 1" });
  assert.match(`${update?.offset}`, /^\d+_\d+$/);

  await server.stop();
  await run.until(() => /a: interrupted: .*; trying again/.test(run.stderr));
  await sql`INSERT INTO a VALUES (4, 'meanwhile')`;
  await server.start();
  await has('"meanwhile"');
  await run.until(() => /a: connected again after/.test(run.stderr));

  await sql`TRUNCATE a`;
  await run.until(() => run.stderr.includes("a: the shape has ended, all its rows come once more"));
  await has('"control":"must-refetch"');
  await sql`INSERT INTO a VALUES (5, 'after')`;
  await has('"after"');

  const controls = new Set(linesOf(run).map(({ control }) => control));
  assert(controls.has("up-to-date") && controls.has("must-refetch"));
  run.kill("SIGINT");
  const { code, stderr } = await run.result();
  assert.equal(code, 130);
  assert.match(stderr, /\n8 changes \(7 insert, 1 update\) in [^\n]+, \d interruptions?\n$/);
  assert(!`${stderr}${run.stdout}`.includes(SECRET));
});

Deno.test("tail ends when up to date, at its limit, and from where it is told", async () => {
  await using it = await world();
  const once = ["tail", "--table", "a", "--follow=false"];
  const all = await runCli(once, it.env);
  assert.deepEqual([all.code, all.stderr, changesOf(all).length], [0, "", 3]);
  const some = await runCli(
    [...once, "--where", "id = $1 OR note = $2", "--param", "1=2", "--param", "2=row 3"],
    it.env,
  );
  assert.deepEqual(changesOf(some), ["a insert 2", "a insert 3"]);
  const columns = await runCli([...once, "--columns", "id"], it.env);
  assert.deepEqual(linesOf(columns)[0].value, { id: "1" });
  const limited = await runCli(["tail", "--table", "a", "--limit", "2", "--sse"], it.env);
  assert.deepEqual([limited.code, changesOf(limited).length], [0, 2]);
  const later = await runCli([...once, "--since", "now"], it.env);
  assert.deepEqual(linesOf(later).map(({ control }) => control), ["up-to-date"]);
});

Deno.test("tail by event stream brings changes too", async () => {
  await using it = await world();
  await using run = new CliProcess(["tail", "--table", "a", "--sse", "--since", "now"], it.env);
  await run.until(() => run.stdout.includes("up-to-date"));
  await it.sql`INSERT INTO a VALUES (7, 'by stream')`;
  await run.until(() => run.stdout.includes('"by stream"'));
});

Deno.test("tail ends quietly when nobody reads on", async () => {
  await using it = await world();
  await it.sql`INSERT INTO a SELECT n, repeat('x', 1000) FROM generate_series(10, 3000) n`;
  const words = cliCommand(["tail", "--table", "a"]).map((word) => `'${word}'`).join(" ");
  const { code, stdout, stderr } = await new Deno.Command("bash", {
    args: ["-c", `set -o pipefail; ${words} | head -n 2`],
    env: it.env,
  }).output();
  const decoder = new TextDecoder();
  assert.deepEqual([code, decoder.decode(stderr)], [0, ""]);
  assert.equal(linesOf({ stdout: decoder.decode(stdout) }).length, 2);
});

Deno.test("tail says what is wrong with a request, and never the secret", async () => {
  await using it = await world();
  const cases: readonly (readonly [string[], Record<string, string>, number, RegExp])[] = [
    [["--table", "nope"], it.env, 1, /answers 400: .*"nope" does not exist/],
    [["--table", "a", "--where", "id = "], it.env, 1, /answers 400: .*where/],
    [
      ["--table", "a"],
      { ...it.env, ELECTRIC_SECRET: "wrong-one" },
      1,
      /answers 401: .*ELECTRIC_SECRET/,
    ],
    [
      ["--table", "a"],
      { ELECTRIC_PORT: `${freePort()}` },
      5,
      /^Error: Can't reach .*nothing listens/,
    ],
    [[], it.env, 2, /^Error: Name a table: --table issues\n/],
    [["--table", "a", "--since", "5_0"], it.env, 2, /--handle/],
    [["--table", "a", "--limit", "0"], it.env, 2, /^Error: --limit: Expected a value at least 1/],
  ];
  for (const [args, env, code, message] of cases) {
    const result = await runCli(["tail", ...args], env);
    assert.deepEqual([result.code, result.stdout], [code, ""], result.stderr);
    assert.match(result.stderr, message);
    assert(!/hush-hush|wrong-one/.test(result.stderr), result.stderr);
  }
});

Deno.test("tail tells when the server falls back and is live again", async () => {
  await using server = new ShapeFixtureServer();
  await using run = new CliProcess(["tail", "--table", "items"], { ELECTRIC_URL: server.origin });
  await server.until(() => server.held > 0);
  server.mode = "fallback";
  server.release();
  await run.until(() => run.stderr.includes("the server is in fallback"));
  await server.until(() => server.held > 0);
  server.mode = "live";
  server.insert(1);
  server.release();
  await run.until(() => run.stderr.includes("the server is live again"));
  await run.until(() => run.stdout.includes('"operation":"insert"'));
  assert.deepEqual(
    linesOf(run).map(({ control, mode, operation }) => control ?? mode ?? operation),
    [
      "up-to-date",
      "fallback",
      "live",
      "insert",
    ],
  );
  run.kill("SIGTERM");
  assert.equal((await run.result()).code, 143);
});
