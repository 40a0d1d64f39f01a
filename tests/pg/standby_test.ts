import assert from "node:assert/strict";
import postgres from "postgres";
import { startCluster } from "../support/postgres.ts";
import { pause } from "../support/server_process.ts";
import { startStandby } from "../support/standby.ts";

async function until(condition: () => Promise<boolean>): Promise<void> {
  while (!await condition()) await pause(20);
}

Deno.test("a standby that was stalled is behind when it is promoted, on a timeline of its own", async () => {
  await using primary = await startCluster({ isDurable: true });
  await using stack = new AsyncDisposableStack();
  const connect = (url: string) => {
    const sql = postgres(url, { max: 1, onnotice: () => {} });
    stack.defer(() => sql.end({ timeout: 0 }));
    return sql;
  };
  const before = connect(primary.url());
  await before`CREATE TABLE t (n int)`;
  await using standby = await startStandby(primary);
  const sql = connect(primary.url()), copy = connect(standby.cluster.url());
  await sql`INSERT INTO t VALUES (1)`;
  const read = async () => (await copy`SELECT n FROM t ORDER BY n`).map(({ n }) => n);
  await until(async () => (await read()).length === 1);
  assert.equal(standby.link.stall(["replication"]), 1);
  await sql`INSERT INTO t VALUES (2)`;
  primary.kill();
  await standby.cluster.promote();
  await copy`INSERT INTO t VALUES (3)`;
  assert.deepEqual(await read(), [1, 3]);
  const [{ timeline }] = await copy`
    SELECT ('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::int AS timeline`;
  assert.equal(timeline, 2);
});
