import assert from "node:assert/strict";
import { newStreamId, start, until } from "../support/health_world.ts";
import { startCluster, testDatabase } from "../support/postgres.ts";
import { waitUntil } from "../support/recording_sink.ts";
import { TcpProxy } from "../support/tcp_proxy.ts";

const MEGABYTE = 2 ** 20;

type Sql = Awaited<ReturnType<typeof testDatabase>>["sql"];

/** Uncompressed rows: about as much WAL. */
async function writeMegabytes(sql: Sql, count: number): Promise<void> {
  await sql.unsafe("CREATE TABLE IF NOT EXISTS ballast (body text)");
  await sql.unsafe("ALTER TABLE ballast ALTER body SET STORAGE PLAIN");
  await sql`INSERT INTO ballast SELECT repeat('x', 7000) FROM generate_series(1, ${
    count * 150
  }::int)`;
}

async function restartLsn(sql: Sql, id: string): Promise<string | undefined> {
  const [slot] = await sql`SELECT restart_lsn::text AS lsn FROM pg_replication_slots
    WHERE slot_name = ${`electric_slot_${id}`}`;
  return slot?.lsn;
}

Deno.test("a slot that keeps too much WAL is dropped while replication is refused", async () => {
  await using cluster = await startCluster();
  await using db = await testDatabase({ serverUrl: cluster.url() });
  const { hostname, port } = new URL(db.url);
  await using proxy = new TcpProxy({ hostname, port: Number(port) });
  const id = newStreamId();
  await using running = start({
    url: proxy.url(db.url),
    streamId: id,
    maxRetainedBytes: 16 * MEGABYTE,
  });
  await until(running, "live");
  const seen: (string | undefined)[] = [];
  running.sink.onGap = async () => void seen.push(await restartLsn(db.sql, id));
  proxy.treat("refuse", ["replication"]);
  proxy.cut(["replication"]);
  await until(running, "fallback", "stream_interrupted");
  await writeMegabytes(db.sql, 20);
  await until(running, "fallback", "wal_budget");
  await waitUntil("the slot is gone", async () => await restartLsn(db.sql, id) === undefined);
  // It was still there when the sink was told.
  assert.equal(seen.length, 1);
  assert.ok(seen[0]);
  assert.equal(running.sink.gaps.at(-1), "walBudget");
  assert.ok(running.log.some((line) => /keep much WAL .*ELECTRIC_MAX_RETAINED_WAL/.test(line)));
  assert.equal(running.health.mode.reason, "wal_budget");
  proxy.treat("forward");
  await until(running, "live");
  assert.equal(running.sink.sessions.at(-1)?.isSlotNew, true);
});

Deno.test("a slot that keeps too much WAL is made anew when its stream does not consume", async () => {
  await using cluster = await startCluster();
  await using db = await testDatabase({ serverUrl: cluster.url() });
  const id = newStreamId();
  await using running = start({ url: db.url, streamId: id, maxRetainedBytes: 16 * MEGABYTE });
  await until(running, "live");
  const before = await restartLsn(db.sql, id);
  // The recording sink confirms nothing.
  await writeMegabytes(db.sql, 20);
  await waitUntil("the sink is told", () => running.sink.gaps.includes("walBudget"));
  await until(running, "live");
  assert.notEqual(await restartLsn(db.sql, id), before);
  assert.equal(running.sink.sessions.at(-1)?.isSlotNew, true);
  const { slot } = running.health.report().replication;
  assert.equal(slot?.budgetBytes, 16 * MEGABYTE);
});

Deno.test("half of max_slot_wal_keep_size is warned of, and a slot lost to it is replaced", async () => {
  await using cluster = await startCluster({
    settings: { max_slot_wal_keep_size: "32MB", max_wal_size: "64MB" },
  });
  await using db = await testDatabase({ serverUrl: cluster.url() });
  const { hostname, port } = new URL(db.url);
  await using proxy = new TcpProxy({ hostname, port: Number(port) });
  await using running = start({ url: proxy.url(db.url) });
  await until(running, "live");
  proxy.treat("refuse", ["replication"]);
  proxy.cut(["replication"]);
  await until(running, "fallback");
  await writeMegabytes(db.sql, 20);
  const isWarned = () =>
    running.log.some((line) => /keep much WAL .*raise max_slot_wal_keep_size/.test(line));
  await waitUntil("it is warned", isWarned);
  await writeMegabytes(db.sql, 80);
  await db.sql`CHECKPOINT`;
  await waitUntil(
    "the slot is lost",
    () => running.health.report().replication.slot?.state === "lost",
  );
  proxy.treat("forward");
  await until(running, "live");
  assert.equal(running.sink.gaps.at(-1), "slotLost");
  assert.equal(running.sink.sessions.at(-1)?.isSlotNew, true);
});
