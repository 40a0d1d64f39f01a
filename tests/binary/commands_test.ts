/** Each command of the compiled program in the sealed root, with what it exits with. */

import assert from "node:assert/strict";
import { COMMAND_NAMES, SHELLS } from "../../cli/command_line.ts";
import { CliProcess, runCli } from "../support/cli_process.ts";
import { testDatabase } from "../support/postgres.ts";
import { freePort, ServerProcess } from "../support/server_process.ts";

Deno.test("version and help answer, of every command", async () => {
  for (const args of [["version"], ["--version"], ["status", "--version"]]) {
    const { code, stdout, stderr } = await runCli(args);
    assert.deepEqual([code, stderr], [0, ""]);
    assert.match(stdout, /^electric-ts \d+\.\d+\.\d+ \(\S+, Deno \S+\)\n$/);
  }
  for (const args of [["help"], ...COMMAND_NAMES.map((name) => ["help", name])]) {
    const { code, stdout, stderr } = await runCli(args);
    assert.deepEqual([code, stderr], [0, ""], args.join(" "));
    assert.match(stdout, /^Examples:\n/);
  }
  const wrong = await runCli(["stauts"]);
  assert.deepEqual([wrong.code, wrong.stdout], [2, ""]);
  assert.match(wrong.stderr, /did you mean "status"\?/);
});

Deno.test("completions are printed for each shell, and for no other", async () => {
  for (const shell of SHELLS) {
    const { code, stdout, stderr } = await runCli(["completions", shell]);
    assert.deepEqual([code, stderr], [0, ""]);
    assert(stdout.includes("inspect-shape"), shell);
  }
  for (const args of [["completions"], ["completions", "cmd"]]) {
    const { code, stdout } = await runCli(args);
    assert.deepEqual([code, stdout], [2, ""]);
  }
});

Deno.test("doctor exits by what it finds: 0, 3 for warnings, 1 for errors, 2 for no database", async () => {
  await using database = await testDatabase();
  const env = { DATABASE_URL: database.url };
  assert.equal((await runCli(["doctor", "--max-retained-wal", "1GB"], env)).code, 0);
  const warned = await runCli(["doctor"], env);
  assert.equal(warned.code, 3, warned.stdout + warned.stderr);
  assert.match(warned.stdout, /\nReady: 0 errors, 1 warning\n$/);
  assert.equal((await runCli(["doctor", "--table", "nowhere"], env)).code, 1);
  const nobody = `postgresql://postgres@127.0.0.1:${freePort()}/nothing`;
  assert.equal((await runCli(["doctor"], { DATABASE_URL: nobody })).code, 1);
  assert.equal((await runCli(["doctor"])).code, 2);
});

Deno.test("tail, status and inspect-shape exit by what they meet", async () => {
  await using database = await testDatabase();
  await database.sql`CREATE TABLE items AS SELECT 1 AS id, 'one' AS v`;
  await using server = await ServerProcess.start({
    databaseUrl: database.url,
    streamId: database.name,
  });
  const env = { ELECTRIC_URL: server.url };
  const once = await runCli(["tail", "--table", "items", "--follow=false"], env);
  assert.deepEqual([once.code, once.stderr], [0, ""]);
  assert.match(once.stdout, /"operation":"insert"/);
  for (const [signal, code] of [["SIGINT", 130], ["SIGTERM", 143]] as const) {
    await using run = new CliProcess(["tail", "--table", "items"], env);
    await run.until(() => run.stdout.includes("up-to-date"));
    run.kill(signal);
    assert.equal((await run.result()).code, code);
  }
  assert.equal((await runCli(["tail"], env)).code, 2);
  const status = await runCli(["status", "--exit-code"], env);
  assert.equal(status.code, 0);
  assert.match(status.stdout, /^requests .* a second for shapes/m);
  assert.equal((await runCli(["inspect-shape", "--list"], env)).code, 0);
  assert.equal((await runCli(["inspect-shape", "nothing"], env)).code, 1);
  await server.stop();
  assert.equal((await runCli(["tail", "--table", "items"], env)).code, 5);
  assert.equal((await runCli(["status", "--exit-code"], env)).code, 5);
});
