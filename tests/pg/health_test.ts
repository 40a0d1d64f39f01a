import assert from "node:assert/strict";
import { openReplication } from "../../replication/connection.ts";
import { parseDatabaseUrl } from "../../replication/database_url.ts";
import { kindsOf, newStreamId, start, until } from "../support/health_world.ts";
import { startCluster, testDatabase } from "../support/postgres.ts";
import { waitUntil } from "../support/recording_sink.ts";
import { TcpProxy } from "../support/tcp_proxy.ts";

Deno.test("ReplicationHealth starts without a moment of fallback", async () => {
  await using db = await testDatabase();
  await using running = start({ url: db.url });
  await until(running, "live");
  assert.deepEqual(kindsOf(running), ["starting", "live"]);
  assert.deepEqual(running.log.filter((line) => line.startsWith("warn")), []);
  // The stream may be there before the first look at the server.
  const wasLookedAt = () => running.health.report().connection.serverVersion !== undefined;
  await waitUntil("it was looked at", wasLookedAt);
  const { connection, replication } = running.health.report();
  assert.equal(connection.state, "up");
  assert.ok(Number(connection.serverVersion) >= 140_000);
  assert.ok(Number(connection.timeline) >= 1);
  assert.match(`${connection.systemId}`, /^\d+$/);
  assert.equal(replication.isAvailable, true);
});

Deno.test("ReplicationHealth is starting while Postgres is down, live within 2 s of its return", async () => {
  await using cluster = await startCluster();
  await using running = start({ url: cluster.url() });
  await until(running, "live");
  await cluster.stop("immediate");
  await until(running, "starting", "postgres_unreachable");
  await cluster.start();
  const backMs = performance.now();
  await until(running, "live");
  const tookMs = performance.now() - backMs;
  assert.ok(tookMs < 2000, `it took ${tookMs} ms`);
  const changes = running.log.filter((line) => line.includes("Mode is"));
  assert.match(changes.at(-1) ?? "", /^warn Mode is live before=.* beforeMs=\d+ outageMs=\d+/);
});

Deno.test("ReplicationHealth serves in fallback while replication alone is refused", async () => {
  await using db = await testDatabase();
  const { hostname, port } = new URL(db.url);
  await using proxy = new TcpProxy({ hostname, port: Number(port) });
  await using running = start({ url: proxy.url(db.url) });
  await until(running, "live");
  proxy.treat("refuse", ["replication"]);
  proxy.cut(["replication"]);
  await until(running, "fallback", "stream_interrupted");
  assert.match(running.health.mode.detail, /^Timeout waiting for /);
  const { connection, replication } = running.health.report();
  assert.equal(connection.state, "up");
  assert.equal(replication.isAvailable, false);
  proxy.treat("forward");
  const backMs = performance.now();
  await until(running, "live");
  const tookMs = performance.now() - backMs;
  assert.ok(tookMs < 2000, `it took ${tookMs} ms`);
  assert.deepEqual(kindsOf(running), ["starting", "live", "fallback", "live"]);
});

Deno.test("ReplicationHealth serves in fallback from the first failed set-up on", async () => {
  await using cluster = await startCluster({ settings: { wal_level: "replica" } });
  await using running = start({ url: cluster.url() });
  await until(running, "fallback", "wal_level");
  assert.match(running.health.mode.detail, /wal_level "replica", not "logical"/);
});

Deno.test("ReplicationHealth names a slot that somebody else reads from", async () => {
  await using db = await testDatabase();
  const id = newStreamId();
  await using other = openReplication({ url: parseDatabaseUrl(db.url) });
  await db.sql.unsafe(`CREATE PUBLICATION electric_publication_${id}`);
  await other.query(`CREATE_REPLICATION_SLOT electric_slot_${id} LOGICAL pgoutput`);
  const stream = await other.stream(
    `START_REPLICATION SLOT electric_slot_${id} LOGICAL 0/0 (proto_version '1', publication_names 'p')`,
  );
  stream.resume();
  await using running = start({ url: db.url, streamId: id });
  await until(running, "fallback", "slot_in_use");
  await other.close();
  const backMs = performance.now();
  await until(running, "live");
  assert.ok(performance.now() - backMs < 2000);
});
