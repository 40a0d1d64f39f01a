import assert from "node:assert/strict";
import { newStreamId, start, until } from "../support/health_world.ts";
import { type TestDatabase, testDatabase } from "../support/postgres.ts";
import { waitUntil } from "../support/recording_sink.ts";

/** All but the test's own. */
async function connections({ sql, name }: TestDatabase): Promise<number> {
  const rows = await sql`SELECT FROM pg_stat_activity
    WHERE datname = ${name} AND application_name = 'electric-ts'`;
  return rows.length;
}

Deno.test("an idle server closes all connections, keeps its slot, and wakes on a request", async () => {
  await using db = await testDatabase();
  const id = newStreamId();
  let working = 0;
  const whileAwake = async (signal: AbortSignal) => {
    working += 1;
    await new Promise((resolve) => signal.addEventListener("abort", resolve));
    working -= 1;
  };
  await using running = start({ url: db.url, streamId: id, idleTimeoutMs: 1000, whileAwake });
  await until(running, "live");
  assert.equal(working, 1);
  await db.sql.unsafe("CREATE TABLE items (id int PRIMARY KEY)");
  await db.sql.unsafe(`ALTER PUBLICATION electric_publication_${id} ADD TABLE items`);
  await until(running, "starting", "sleeping");
  await waitUntil("nothing is connected", async () => await connections(db) === 0);
  assert.equal(working, 0);
  assert.equal(running.health.report().connection.state, "sleeping");
  await db.sql`INSERT INTO items VALUES (1)`;
  const end = running.health.beginRequest();
  const wokenMs = performance.now();
  await waitUntil("the row came", () => running.sink.inserted().length === 1);
  const tookMs = performance.now() - wokenMs;
  assert.ok(tookMs < 2000, `it took ${tookMs} ms`);
  assert.deepEqual(running.sink.gaps, ["slotMissing"]);
  end();
  await until(running, "starting", "sleeping");
  assert.deepEqual(running.log.filter((line) => line.startsWith("warn")).map(modeOf), ["starting"]);
});

function modeOf(line: string): string | undefined {
  return /Mode is (\w+)/.exec(line)?.[1];
}

Deno.test("a request that is held and changes keep the connections open", async () => {
  await using db = await testDatabase();
  const id = newStreamId();
  await using running = start({ url: db.url, streamId: id, idleTimeoutMs: 1000 });
  await until(running, "live");
  const end = running.health.beginRequest();
  const untilMs = Date.now() + 2500;
  await waitUntil("more than the time is over", () => Date.now() > untilMs);
  assert.equal(running.health.mode.kind, "live");
  end();
  await until(running, "starting", "sleeping");
});

Deno.test("a sleeping server wakes by itself when it makes Postgres keep much WAL", async () => {
  await using db = await testDatabase();
  await using running = start({
    url: db.url,
    idleTimeoutMs: 1000,
    wakeIntervalMs: 300,
    maxRetainedBytes: 8 * 2 ** 20,
  });
  await until(running, "live");
  await until(running, "starting", "sleeping");
  const before = running.sink.sessions.length;
  await db.sql.unsafe("CREATE TABLE ballast (body text)");
  await db.sql.unsafe("ALTER TABLE ballast ALTER body SET STORAGE PLAIN");
  await db.sql.unsafe(
    "INSERT INTO ballast SELECT repeat('x', 7000) FROM generate_series(1, 900)",
  );
  await waitUntil("it is awake", () => running.sink.sessions.length === before + 1);
  assert.equal(running.sink.sessions.at(-1)?.isSlotNew, false);
});
