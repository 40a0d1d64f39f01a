import assert from "node:assert/strict";
import { dropConnections, openPool } from "../../replication/connection.ts";
import { parseDatabaseUrl } from "../../replication/database_url.ts";
import { parseLsn } from "../../replication/lsn.ts";
import { kindsOf, newStreamId, type RunningHealth, start, until } from "../support/health_world.ts";
import { startCluster, type TestDatabase, testDatabase } from "../support/postgres.ts";
import { waitUntil } from "../support/recording_sink.ts";
import { TcpProxy } from "../support/tcp_proxy.ts";

/** What the issue allows for finding a stream that is none. */
const FOUND_MS = 10_000;
/** Silence after which an idle walsender is given up, and a little more. */
const GIVEN_UP_MS = 6500;

function proxyOf({ url }: { url: string }): TcpProxy {
  const { hostname, port } = new URL(url);
  return new TcpProxy({ hostname, port: Number(port) });
}

async function walsenderPid({ sql }: TestDatabase, id: string): Promise<number> {
  const [slot] = await sql`SELECT active_pid FROM pg_replication_slots
    WHERE slot_name = ${`electric_slot_${id}`}`;
  return slot.active_pid;
}

Deno.test("a half-open replication socket is found within 10 s, and replaced", async () => {
  await using db = await testDatabase();
  await using proxy = proxyOf(db);
  const id = newStreamId();
  await using running = start({ url: proxy.url(db.url), streamId: id });
  await until(running, "live");
  assert.equal(proxy.stall(["replication"]), 1);
  await until(running, "fallback", "stream_stalled", 3000);
  await waitUntil(
    "the stream is given up",
    () => /Nothing came for \d s, though the walsender waits/.test(running.health.mode.detail),
    FOUND_MS,
  );
  await until(running, "live", undefined, 5000);
  assert.deepEqual(running.sink.gaps, ["slotMissing"]);
});

Deno.test("half-open sockets everywhere are found within 10 s, and left within 2 s", async () => {
  await using db = await testDatabase();
  await using proxy = proxyOf(db);
  await using running = start({ url: proxy.url(db.url) });
  await until(running, "live");
  proxy.treat("stall");
  proxy.stall();
  await waitUntil(
    "the server is given up",
    () => running.health.mode.reason === "postgres_unreachable" && running.sink.ends > 0,
    FOUND_MS,
  );
  proxy.treat("forward");
  proxy.resume();
  const backMs = performance.now();
  await until(running, "live");
  const tookMs = performance.now() - backMs;
  assert.ok(tookMs < 2000, `it took ${tookMs} ms`);
});

Deno.test("a stopped walsender is found within 10 s, and replaced once it can end", async () => {
  await using db = await testDatabase();
  const id = newStreamId();
  await using running = start({ url: db.url, streamId: id });
  await until(running, "live");
  const pid = await walsenderPid(db, id);
  Deno.kill(pid, "SIGSTOP");
  try {
    await until(running, "fallback", "stream_stalled", 3000);
    await waitUntil("the stream is given up", () => running.sink.ends > 0, FOUND_MS);
    assert.match(`${running.health.mode.reason}`, /^(stream_stalled|slot_in_use|lock_held)$/);
  } finally {
    Deno.kill(pid, "SIGCONT");
  }
  await until(running, "live", undefined, 3000);
  assert.notEqual(await walsenderPid(db, id), pid);
});

Deno.test("a publication that is dropped under an idle stream is found within 10 s", async () => {
  await using db = await testDatabase();
  const id = newStreamId();
  await using running = start({ url: db.url, streamId: id });
  await until(running, "live");
  await db.sql.unsafe(`DROP PUBLICATION electric_publication_${id}`);
  await waitUntil(
    "a new slot is made",
    () => running.sink.gaps.at(-1) === "publicationMissing",
    FOUND_MS,
  );
  await until(running, "live");
  assert.ok(running.modes.some(({ reason }) => reason === "publication_missing"));
});

Deno.test("a publication that leaves kinds of change out is found within 10 s, and all is compared", async () => {
  await using db = await testDatabase();
  const id = newStreamId();
  await using running = start({ url: db.url, streamId: id });
  await until(running, "live");
  const publish = (kinds: string) =>
    db.sql.unsafe(`ALTER PUBLICATION electric_publication_${id} SET (publish = '${kinds}')`);
  await publish("insert");
  await until(running, "fallback", "publication_incomplete");
  await publish("insert, update, delete, truncate");
  await waitUntil(
    "a new slot is made",
    () => running.sink.gaps.at(-1) === "publicationIncomplete",
    FOUND_MS,
  );
  await until(running, "live");
});

/** The longest silence of the stream, in ms, while it catches up with all that was written. */
async function longestSilence({ health }: RunningHealth, { sql }: TestDatabase): Promise<number> {
  const [{ lsn }] = await sql`SELECT pg_current_wal_insert_lsn()::text AS lsn`;
  const target = parseLsn(lsn);
  let longestMs = 0;
  await waitUntil("the stream has caught up", () => {
    const { receivedLsn = 0n, lastProgressMs = 0 } = health.report().replication;
    longestMs = Math.max(longestMs, lastProgressMs);
    return receivedLsn >= target;
  }, 120_000);
  return longestMs;
}

Deno.test("a walsender that decodes a large transaction in silence is left in peace", async () => {
  await using db = await testDatabase();
  await using running = start({ url: db.url });
  await until(running, "live");
  await db.sql.unsafe("CREATE TABLE unpublished (id int)");
  // Longer than the time after which a silent stream is given up, however fast the machine is.
  let silentMs = 0;
  for (let rows = 4_000_000; silentMs < GIVEN_UP_MS && rows < 50_000_000; rows *= 2) {
    await db.sql`INSERT INTO unpublished SELECT generate_series(1, ${rows}::int)`;
    silentMs = await longestSilence(running, db);
  }
  assert.ok(silentMs >= GIVEN_UP_MS, `it was silent for ${silentMs} ms`);
  assert.equal(running.sink.ends, 0, "the stream was never given up");
  // Meanwhile nobody knows what it will bring: shapes are kept fresh otherwise.
  assert.equal(kindsOf(running).at(-1), "live");
  assert.ok(kindsOf(running).includes("fallback"));
});

/** Stops a walsender while it decodes, and not while it waits. */
async function stopAtWork({ sql }: TestDatabase, pid: number): Promise<void> {
  await waitUntil("the walsender is stopped at work", async () => {
    Deno.kill(pid, "SIGSTOP");
    const [{ wait_event }] = await sql`SELECT wait_event FROM pg_stat_activity WHERE pid = ${pid}`;
    if (wait_event === null) return true;
    Deno.kill(pid, "SIGCONT");
    return false;
  }, 60_000);
}

Deno.test("a walsender that is stopped while it decodes is given up in the end, and replaced once it can end", async () => {
  await using db = await testDatabase();
  // Its timeout is asked for twice before.
  await db.sql.unsafe(`ALTER DATABASE ${db.name} SET wal_sender_timeout = '2s'`);
  const id = newStreamId();
  await using running = start({ url: db.url, streamId: id, stillMaxMs: 8_000 });
  await until(running, "live");
  const pid = await walsenderPid(db, id);
  await db.sql.unsafe("CREATE TABLE unpublished (id int)");
  await db.sql`INSERT INTO unpublished SELECT generate_series(1, 3000000)`;
  await stopAtWork(db, pid);
  try {
    await until(running, "fallback", "stream_stalled", 5000);
    const isTold = () => running.modes.some(({ detail }) => /has done nothing for/.test(detail));
    await waitUntil("the stream is given up", isTold, 30_000);
  } finally {
    Deno.kill(pid, "SIGCONT");
  }
  await until(running, "live", undefined, 30_000);
  assert.notEqual(await walsenderPid(db, id), pid);
});

Deno.test("another history of the database is found within 10 s, and followed", async () => {
  await using before = await startCluster();
  await using after = await startCluster();
  await using proxy = proxyOf({ url: before.url() });
  await using running = start({ url: proxy.url(before.url()) });
  await until(running, "live");
  // As in a failover that leaves the old primary's connections open.
  proxy.route({ hostname: "127.0.0.1", port: after.port });
  proxy.cut(["query"]);
  await waitUntil("it streams from there", () => running.sink.sessions.length === 2, FOUND_MS);
  assert.ok(running.modes.some(({ reason }) => reason === "history_changed"));
  const [first, second] = running.sink.sessions;
  assert.notEqual(first.systemId, second.systemId);
});

Deno.test("dropConnections() rejects queries of a network that fell silent; the next dials", async () => {
  await using db = await testDatabase();
  await using proxy = proxyOf(db);
  const pool = openPool({ url: parseDatabaseUrl(proxy.url(db.url)), max: 1 });
  try {
    const hanging = assert.rejects(async () => await pool`SELECT pg_sleep(60)`, {
      code: "CONNECTION_CLOSED",
    });
    await waitUntil("the query runs", async () => {
      const [{ n }] = await db.sql`SELECT count(*)::int AS n FROM pg_stat_activity
        WHERE datname = ${db.name} AND wait_event = 'PgSleep'`;
      return n === 1;
    });
    proxy.stall();
    dropConnections(pool);
    await hanging;
    await waitUntil("another connection answers", async () => {
      const rows = pool`SELECT 4`;
      return await rows.then(() => true, () => false);
    });
  } finally {
    await pool.end({ timeout: 1 });
  }
});

Deno.test("connections from before a silence of the network are dropped", async () => {
  await using db = await testDatabase();
  await using proxy = proxyOf(db);
  let drops = 0;
  await using running = start({ url: proxy.url(db.url), onLongSilence: () => drops += 1 });
  await until(running, "live");
  proxy.treat("stall");
  proxy.stall();
  await waitUntil("the silence is noticed", () => drops === 1, FOUND_MS);
  await until(running, "starting");
  proxy.treat("forward");
  proxy.resume();
  await until(running, "live");
  assert.equal(drops, 1);
});

Deno.test("a role without any privilege to look around sees enough", async () => {
  await using db = await testDatabase();
  await using proxy = proxyOf(db);
  const role = `plain_${newStreamId()}`;
  await db.sql.unsafe(`CREATE ROLE ${role} LOGIN REPLICATION PASSWORD 'x'`);
  await db.sql.unsafe(`GRANT CREATE ON DATABASE ${db.name} TO ${role}`);
  try {
    const url = new URL(db.url);
    [url.username, url.password] = [role, "x"];
    await using running = start({ url: proxy.url(url.href) });
    await until(running, "live");
    proxy.stall(["replication"]);
    await until(running, "fallback", "stream_stalled", FOUND_MS);
    await until(running, "live", undefined, FOUND_MS);
    assert.match(`${running.health.report().connection.systemId}`, /^\d+$/);
  } finally {
    await db.sql.unsafe(`DROP OWNED BY ${role}`);
    await db.sql.unsafe(`DROP ROLE ${role}`);
  }
});
