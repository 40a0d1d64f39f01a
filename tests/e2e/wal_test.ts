import { equal, ok } from "node:assert/strict";
import { join } from "node:path";
import { openKv } from "@deno/kv";
import postgres from "postgres";
import { KvStore } from "../../shapes/log/kv_store.ts";
import { SNAPSHOT_END } from "../../shapes/offset.ts";
import { type TestDatabase, testDatabase } from "../support/postgres.ts";
import { Random } from "../support/random.ts";
import { pause, ServerProcess } from "../support/server_process.ts";
import { parseStanding } from "../../shapes/standing.ts";
import { ShapeFollower } from "../support/shape_follower.ts";
import { readToEnd, until } from "../support/shape_requests.ts";

const CONFIRMS_MS = 20_000;

function startServer(database: TestDatabase): Promise<ServerProcess> {
  return ServerProcess.start({ databaseUrl: database.url, streamId: database.name });
}

async function isConfirmed(sql: postgres.Sql, database: string, lsn: string): Promise<boolean> {
  const [slot] = await sql`SELECT confirmed_flush_lsn >= ${lsn}::pg_lsn AS reached
    FROM pg_replication_slots WHERE database = ${database}`;
  return slot.reached;
}

Deno.test("writes that concern no shape do not pin the WAL, in this database or another", async () => {
  await using database = await testDatabase();
  await using other = await testDatabase();
  const { sql } = database;
  await sql`CREATE TABLE published (id int PRIMARY KEY)`;
  await using server = await startServer(database);
  await readToEnd(server.url, { table: "published" });
  for (const writer of [database, other]) {
    await writer
      .sql`CREATE TABLE noise AS SELECT i, repeat('x', 500) v FROM generate_series(1, 5000) i`;
    const [{ lsn }] = await sql`SELECT pg_current_wal_lsn()::text AS lsn`;
    const startMs = performance.now();
    await until(() => isConfirmed(sql, database.name, lsn), "the slot moved on", CONFIRMS_MS);
    console.log(`      confirmed after ${Math.round(performance.now() - startMs)} ms`);
  }
});

Deno.test("the stream outlives a short wal_sender_timeout while ingest is busy", async () => {
  await using database = await testDatabase({
    settings: { wal_sender_timeout: "2s", synchronous_commit: "off" },
  });
  const { sql } = database;
  await sql`CREATE TABLE busy (id int PRIMARY KEY, v text)`;
  await using server = await startServer(database);
  for (let i = 0; i < 20; i++) await readToEnd(server.url, { table: "busy", where: `id >= ${i}` });
  const sender = () =>
    sql`SELECT pid FROM pg_stat_replication WHERE pid =
      (SELECT active_pid FROM pg_replication_slots WHERE database = ${database.name})`;
  const [{ pid }] = await sender();
  // 20 shapes each: some seconds of work, most of it from one transaction.
  await sql`INSERT INTO busy SELECT i, repeat('y', 50) FROM generate_series(1, 40000) i`;
  for (let i = 0; i < 5; i++) {
    await sql`INSERT INTO busy SELECT i, 'z' FROM generate_series(${90_000 + i * 1000}::int, ${
      90_999 + i * 1000
    }::int) i`;
  }
  await sql`INSERT INTO busy VALUES (1000000, 'last')`;
  const stop = new AbortController();
  const follower = new ShapeFollower(server.url, { table: "busy", where: "id >= 7" });
  const startMs = performance.now();
  const following = follower.follow(stop.signal);
  const isOver = () => follower.rows.has('"public"."busy"/"1000000"');
  await Promise.race([until(isOver, "everything arrived", 60_000), following]);
  stop.abort();
  await following;
  console.log(`      busy for ${Math.round(performance.now() - startMs)} ms`);
  equal((await sender())[0]?.pid, pid, "the connection was never lost");
});

/** Inserts rows that tell the WAL position before them, one transaction each. */
async function writePositions(url: string, writer: number, signal: AbortSignal): Promise<void> {
  const sql = postgres(url, { max: 1, onnotice: () => {} });
  while (!signal.aborted) {
    await sql`INSERT INTO positions (writer, at) VALUES (${writer}, pg_current_wal_insert_lsn())`;
  }
  await sql.end({ timeout: 1 });
}

/**
 * Ids of the rows that the stored log of the only shape has. Undefined if the log is known to lack
 * some, because the stream was late and the shape was being compared: the next start compares it.
 */
async function readStoredIds(storageDir: string): Promise<Set<number> | undefined> {
  await using store = new KvStore(await openKv(join(storageDir, "shapes.sqlite")));
  const { shapes: [{ handle, head, standing }] } = await store.load();
  const { isFollowed, frozenAt } = parseStanding(standing);
  if (!isFollowed || frozenAt !== undefined) return undefined;
  const decoder = new TextDecoder();
  let text = "";
  if (head) {
    for await (const { bytes } of store.readLog(handle, SNAPSHOT_END, head)) {
      text += decoder.decode(bytes, { stream: true });
    }
  }
  const items: { value: { id: string } }[] = JSON.parse(`[${text.slice(1)}]`);
  return new Set(items.map(({ value }) => Number(value.id)));
}

async function isWhole(url: string): Promise<boolean> {
  const { shapes } = await (await fetch(`${url}/v1/status`)).json();
  return shapes.total === 1 && shapes.live === 1;
}

Deno.test("I1: what was acknowledged is in the store, whenever the process is killed", async () => {
  await using database = await testDatabase({ settings: { synchronous_commit: "off" } });
  const { sql } = database;
  await sql`CREATE TABLE positions (id serial PRIMARY KEY, writer int, at pg_lsn)`;
  await using server = await startServer(database);
  await readToEnd(server.url, { table: "positions" });
  const random = new Random(Date.now());
  console.log(`      seed ${random.seed}`);
  const stop = new AbortController();
  const writers = [1, 2, 3].map((writer) => writePositions(database.url, writer, stop.signal));
  let acknowledged = 0;
  for (let round = 0, looked = 0; looked < 5; round++) {
    ok(round < 20, "The stream is followed now and then");
    await Promise.race([pause(100 + random.below(600)), ...writers]);
    await server.kill();
    const [{ confirmed }] = await sql`SELECT confirmed_flush_lsn::text AS confirmed
      FROM pg_replication_slots WHERE database = ${database.name}`;
    const stored = await readStoredIds(server.storageDir);
    if (!stored) {
      await server.start();
      await until(() => isWhole(server.url), "the shape has been compared");
      continue;
    }
    looked++;
    // A row was committed before its writer began the next.
    const rows = await sql`SELECT id FROM (
        SELECT id, lead(at) OVER (PARTITION BY writer ORDER BY id) AS next FROM positions) rows
      WHERE next <= ${confirmed}::pg_lsn`;
    const missing = rows.filter(({ id }) => !stored.has(id));
    equal(missing.length, 0, `acknowledged and lost: ${missing.map(({ id }) => id)}`);
    acknowledged = rows.length;
    await server.start();
  }
  stop.abort();
  await Promise.all(writers);
  ok(acknowledged > 100, `${acknowledged} rows`);
});
