import assert from "node:assert/strict";
import { openReplication } from "../../replication/connection.ts";
import { parseDatabaseUrl } from "../../replication/database_url.ts";
import { ReplicationHealth } from "../../replication/health.ts";
import type { Mode } from "../../shapes/mode.ts";
import { startCluster, testDatabase } from "../support/postgres.ts";
import { recordingLogger, RecordingSink, waitUntil } from "../support/recording_sink.ts";
import { TcpProxy } from "../support/tcp_proxy.ts";

interface Running extends AsyncDisposable {
  readonly health: ReplicationHealth;
  readonly sink: RecordingSink;
  readonly modes: Mode[];
  readonly log: readonly string[];
}

function start(url: string, streamId = newStreamId()): Running {
  const sink = new RecordingSink();
  const modes: Mode[] = [];
  const logger = recordingLogger();
  const health = new ReplicationHealth({
    url: parseDatabaseUrl(url),
    streamId,
    isManual: false,
    sink,
    logger,
    onMode: (mode) => modes.push(mode),
  });
  const controller = new AbortController();
  const running = health.run(controller.signal);
  const dispose = async () => {
    controller.abort();
    await running;
  };
  return { health, sink, modes, log: logger.lines, [Symbol.asyncDispose]: dispose };
}

function newStreamId(): string {
  return `t${crypto.randomUUID().replaceAll("-", "").slice(0, 12)}`;
}

async function until(running: Running, kind: Mode["kind"], reason?: Mode["reason"]): Promise<void> {
  const isThere = () => {
    const { mode } = running.health;
    return mode.kind === kind && (reason === undefined || mode.reason === reason);
  };
  await waitUntil(`the mode is ${kind}`, isThere).catch((error) =>
    assert.fail(`${error.message}, but it is ${JSON.stringify(running.health.mode)}`)
  );
}

function kinds({ modes }: Running): string[] {
  return modes.map(({ kind }) => kind).filter((kind, i, all) => kind !== all[i - 1]);
}

Deno.test("ReplicationHealth starts without a moment of fallback", async () => {
  await using db = await testDatabase();
  await using running = start(db.url);
  await until(running, "live");
  assert.deepEqual(kinds(running), ["starting", "live"]);
  assert.deepEqual(running.log.filter((line) => line.startsWith("warn")), []);
  await waitUntil("it was looked at", () => running.health.report().connection.state === "up");
  const { connection, replication } = running.health.report();
  assert.ok(Number(connection.serverVersion) >= 140_000);
  assert.ok(Number(connection.timeline) >= 1);
  assert.match(`${connection.systemId}`, /^\d+$/);
  assert.equal(replication.isAvailable, true);
});

Deno.test("ReplicationHealth is starting while Postgres is down, live within 2 s of its return", async () => {
  await using cluster = await startCluster();
  await using running = start(cluster.url());
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
  await using running = start(proxy.url(db.url));
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
  assert.deepEqual(kinds(running), ["starting", "live", "fallback", "live"]);
});

Deno.test("ReplicationHealth serves in fallback from the first failed set-up on", async () => {
  await using cluster = await startCluster({ settings: { wal_level: "replica" } });
  await using running = start(cluster.url());
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
  await using running = start(db.url, id);
  await until(running, "fallback", "slot_in_use");
  await other.close();
  const backMs = performance.now();
  await until(running, "live");
  assert.ok(performance.now() - backMs < 2000);
});
