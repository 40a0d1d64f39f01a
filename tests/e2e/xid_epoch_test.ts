import { deepStrictEqual as deepEqual, ok, strictEqual as equal } from "node:assert/strict";
import postgres from "postgres";
import { setNextXid } from "../support/next_xid.ts";
import { startCluster } from "../support/postgres.ts";
import { pause, ServerProcess } from "../support/server_process.ts";
import { ShapeFollower } from "../support/shape_follower.ts";

/** So close before the 32-bit ids begin anew that the test's own transactions reach it. */
const IDS_BEFORE_WRAP = 1_500n;

interface Writers {
  readonly sql: postgres.Sql;
  readonly ended: Promise<unknown>;
}

/** Writes in transactions of several kinds, some of them open for long. */
function startWriters(url: string, signal: AbortSignal): Writers {
  const sql = postgres(url, { max: 6, onnotice: () => {} });
  const run = async (worker: number) => {
    for (let i = 0; !signal.aborted; i++) {
      const id = worker * 1_000 + i % 300;
      await sql.begin(async (transaction) => {
        await transaction`INSERT INTO items VALUES (${id}, ${i})
          ON CONFLICT (id) DO UPDATE SET n = excluded.n`;
        if (i % 7 === 0) await pause(30);
        if (i % 5 === 0) await transaction`DELETE FROM items WHERE id = ${id - 3}`;
      });
    }
  };
  return { sql, ended: Promise.all([1, 2, 3, 4].map(run)) };
}

async function nextXid(sql: postgres.Sql): Promise<bigint> {
  const [{ xmax }] = await sql`SELECT pg_snapshot_xmax(pg_current_snapshot())::text AS xmax`;
  return BigInt(xmax);
}

Deno.test("snapshots and stream agree when transaction ids are past and cross 2^32", async () => {
  await using cluster = await startCluster();
  await setNextXid(cluster, (2n << 32n) - IDS_BEFORE_WRAP);
  const sql = postgres(cluster.url(), { max: 2, onnotice: () => {} });
  await sql`CREATE TABLE items (id int PRIMARY KEY, n int)`;
  await sql`INSERT INTO items SELECT i, 0 FROM generate_series(1, 500) i`;
  await using server = await ServerProcess.start({
    databaseUrl: cluster.url(),
    streamId: "epoch",
  });
  const first = await nextXid(sql);
  ok(first >> 32n === 1n, "the epoch is set");
  const stop = new AbortController();
  const writers = startWriters(cluster.url(), stop.signal);
  const followers: ShapeFollower[] = [];
  const following: Promise<void>[] = [];
  // New shapes all the time, until ids have begun anew a while ago.
  for (let i = 0; await nextXid(sql) < (2n << 32n) + 1_000n; i++) {
    ok(i < 400, "the ids are used up");
    const follower = new ShapeFollower(server.url, { table: "items", where: `id > ${i}` });
    followers.push(follower);
    following.push(follower.follow(stop.signal));
    await Promise.race([pause(60), ...following]);
  }
  stop.abort();
  await Promise.all([writers.ended, ...following]);
  await sql`INSERT INTO items VALUES (100000, 1)`;
  const [{ lsn }] = await sql`SELECT pg_current_wal_insert_lsn() - '0/0'::pg_lsn AS lsn`;
  await sql`INSERT INTO items VALUES (100001, 1)`;
  for (const [i, follower] of followers.entries()) {
    await follower.followTo(BigInt(lsn));
    const expected =
      await sql`SELECT id::text, n::text FROM items WHERE id > ${i} ORDER BY items.id`;
    const held = [...follower.rows.values()].toSorted((a, b) => Number(a.id) - Number(b.id));
    deepEqual(held.map(({ id, n }) => `${id} ${n}`), expected.map(({ id, n }) => `${id} ${n}`));
    equal(follower.refetches, 0);
  }
  console.log(`      ${followers.length} shapes, ids ${first} to ${await nextXid(sql)}`);
  await Promise.all([sql.end({ timeout: 0 }), writers.sql.end({ timeout: 0 })]);
});
