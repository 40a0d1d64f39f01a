import assert from "node:assert/strict";
import { runCli } from "../support/cli_process.ts";
import { testDatabase } from "../support/postgres.ts";
import { freePort } from "../support/server_process.ts";

Deno.test("doctor exits with 3 for warnings, 1 for errors, and shows no password", async () => {
  await using database = await testDatabase();
  const url = new URL(database.url);
  url.password = "tiger";
  const warned = await runCli(["doctor"], { DATABASE_URL: url.href, ELECTRIC_SECRET: "hush" });
  assert.deepEqual([warned.code, warned.stderr], [3, ""]);
  assert.match(warned.stdout, /^warning max_slot_wal_keep_size +no limit$/m);
  assert.match(warned.stdout, /\nReady: 0 errors, 1 warning\n$/);
  const limited = await runCli(["doctor", "--json", "--max-retained-wal", "1GB"], {
    DATABASE_URL: url.href,
  });
  const { ready, errors, warnings, findings } = JSON.parse(limited.stdout);
  assert.deepEqual([limited.code, ready, errors, warnings], [0, true, 0, 0]);
  assert.deepEqual(Object.keys(findings[0]), ["check", "severity", "found", "meaning", "mend"]);
  url.port = `${freePort()}`;
  const broken = await runCli(["doctor", `--database-url=${url.href}`]);
  assert.equal(broken.code, 1);
  assert.match(broken.stdout, /^error +connection/);
  for (const { stdout, stderr } of [warned, limited, broken]) {
    assert(!/tiger|hush/.test(stdout + stderr));
  }
});

Deno.test("doctor needs a database to be named", async () => {
  const { code, stdout, stderr } = await runCli(["doctor"]);
  assert.deepEqual([code, stdout], [2, ""]);
  assert.match(stderr, /^Error: DATABASE_URL is required: .*\nSee `electric-ts help doctor`\n$/);
});
