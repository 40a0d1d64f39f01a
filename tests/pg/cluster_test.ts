import assert from "node:assert/strict";
import { nextWrite, SCHEMA_SQL } from "../../cli/demo/sample.ts";
import { startCluster, testDatabase } from "../support/postgres.ts";

Deno.test("testDatabase() is ready for logical replication, in UTF-8 and C order", async () => {
  await using database = await testDatabase({ settings: { statement_timeout: "7s" } });
  const [row] = await database.sql`
    SELECT current_database() AS name, current_setting('wal_level') AS wal,
      current_setting('statement_timeout') AS timeout,
      (SELECT datcollate FROM pg_database WHERE datname = current_database()) AS collate,
      current_setting('server_encoding') AS encoding, 'B' < 'a' AS is_c`;
  assert.deepEqual({ ...row }, {
    name: database.name,
    wal: "logical",
    timeout: "7s",
    collate: "C.UTF-8",
    encoding: "UTF8",
    is_c: true,
  });
});

Deno.test("testDatabase() drops its slots and itself when it is disposed", async () => {
  await using other = await testDatabase();
  let name: string;
  {
    await using database = await testDatabase();
    name = database.name;
    await database.sql`SELECT pg_create_logical_replication_slot(${name}, 'pgoutput')`;
  }
  const [{ slots }] = await other.sql`
    SELECT count(*)::int AS slots FROM pg_replication_slots WHERE slot_name = ${name}`;
  const [{ databases }] = await other.sql`
    SELECT count(*)::int AS databases FROM pg_database WHERE datname = ${name}`;
  assert.deepEqual([slots, databases], [0, 0]);
});

Deno.test("a cluster keeps what was committed over a restart and over a kill", async () => {
  await using cluster = await startCluster({ isDurable: true, settings: { work_mem: "5MB" } });
  await using database = await testDatabase({ serverUrl: cluster.url() });
  const { sql } = database;
  await sql`CREATE TABLE t (n int)`;
  await sql`INSERT INTO t VALUES (1)`;
  await cluster.configure({ work_mem: "6MB" });
  await cluster.restart();
  await sql`INSERT INTO t VALUES (2)`;
  assert.equal((await sql`SHOW work_mem`)[0].work_mem, "6MB");
  cluster.kill();
  await cluster.start();
  assert.deepEqual((await sql`SELECT n FROM t ORDER BY n`).map(({ n }) => n), [1, 2]);
});

Deno.test("a cluster goes when the process that started it is killed", async () => {
  const config = new URL("../../deno.json", import.meta.url).pathname;
  const support = new URL("../support/postgres.ts", import.meta.url).href;
  const script = `import { startCluster } from "${support}";
    const cluster = await startCluster();
    console.log(cluster.url());
    setInterval(() => {}, 1000);`;
  await using child = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--quiet", "--config", config, "--ext=ts", "-"],
    stdin: "piped",
    stdout: "piped",
  }).spawn();
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode(script));
  await writer.close();
  const reader = child.stdout.getReader();
  const url = new URL(new TextDecoder().decode((await reader.read()).value).trim());
  await connect(url);
  child.kill("SIGKILL");
  await reader.cancel();
  while (await canConnect(url)) await new Promise((resolve) => setTimeout(resolve, 50));
});

async function connect({ hostname, port }: URL): Promise<void> {
  (await Deno.connect({ hostname, port: Number(port) })).close();
}

async function canConnect(url: URL): Promise<boolean> {
  try {
    await connect(url);
    return true;
  } catch {
    return false;
  }
}

Deno.test("the demo's writes run on its schema and keep it from growing", async () => {
  await using database = await testDatabase();
  const { sql } = database;
  await sql.unsafe(SCHEMA_SQL);
  await sql.unsafe(`INSERT INTO issues (project_id, title)
    SELECT 1, 'Issue ' || n FROM generate_series(1, 1000) AS n`);
  // A fixed sequence: what it writes is the same each time.
  let state = 1;
  const random = () => (state = state * 48_271 % 2_147_483_647) / 2_147_483_647;
  for (let i = 0; i < 300; i++) await sql.unsafe(nextWrite(random));
  const [{ n }] = await sql`SELECT count(*)::int AS n FROM issues`;
  assert(n > 100 && n < 700, `There are ${n} issues`);
});
