import assert from "node:assert/strict";
import { parseLsn } from "../../replication/lsn.ts";
import { parseDatabaseUrl } from "../../replication/database_url.ts";
import type { ModeEvent } from "../../replication/mode_machine.ts";
import { Replicator } from "../../replication/replicator.ts";
import { type TestDatabase, testDatabase } from "../support/postgres.ts";
import { recordingLogger, RecordingSink, waitUntil } from "../support/recording_sink.ts";

interface Running extends AsyncDisposable {
  readonly replicator: Replicator;
  readonly sink: RecordingSink;
  readonly events: ModeEvent[];
  readonly log: readonly string[];
  /** Stops it and resolves with how long that took, in ms. */
  stop(): Promise<number>;
}

function start(url: string, streamId: string, options: { isManual?: boolean } = {}): Running {
  const sink = new RecordingSink();
  const events: ModeEvent[] = [];
  const logger = recordingLogger();
  const replicator = new Replicator({
    url: parseDatabaseUrl(url),
    streamId,
    isManual: options.isManual ?? false,
    sink,
    logger,
    onEvent: (event) => events.push(event),
  });
  const controller = new AbortController();
  const running = replicator.run(controller.signal);
  const stop = async () => {
    const startMs = performance.now();
    controller.abort();
    await running;
    return performance.now() - startMs;
  };
  const dispose = async () => void await stop();
  return { replicator, sink, events, log: logger.lines, stop, [Symbol.asyncDispose]: dispose };
}

async function streaming(running: Running): Promise<void> {
  await waitUntil("the stream runs", () => running.events.at(-1)?.kind === "streaming").catch(
    (error) => assert.fail(`${error.message}: ${lastDetail(running)}`),
  );
}

/** Why it does not stream, as last told. */
function lastDetail({ events }: Running): string {
  const event = events.at(-1);
  return event !== undefined && "detail" in event ? event.detail : "";
}

function isWaiting({ events }: Running): boolean {
  return events.at(-1)?.kind === "waitingForLock";
}

function newStreamId(): string {
  return `t${crypto.randomUUID().replaceAll("-", "").slice(0, 12)}`;
}

async function createTable(db: TestDatabase, streamId: string): Promise<void> {
  await db.sql.unsafe("CREATE TABLE IF NOT EXISTS items (id int PRIMARY KEY, body text)");
  await db.sql.unsafe(`ALTER PUBLICATION electric_publication_${streamId} ADD TABLE items`);
}

async function insertItems(db: TestDatabase, from: number, until: number): Promise<void> {
  await db.sql`INSERT INTO items SELECT i, 'row ' || i FROM generate_series(
    ${from}::int, ${until}::int) i`;
}

async function confirmedLsn(db: TestDatabase, streamId: string): Promise<bigint> {
  const [slot] = await db.sql`SELECT confirmed_flush_lsn::text AS lsn FROM pg_replication_slots
    WHERE slot_name = ${`electric_slot_${streamId}`}`;
  return parseLsn(slot.lsn);
}

async function currentLsn(db: TestDatabase): Promise<bigint> {
  const [row] = await db.sql`SELECT pg_current_wal_lsn()::text AS lsn`;
  return parseLsn(row.lsn);
}

async function walsenderPid(db: TestDatabase, streamId: string): Promise<number> {
  const [slot] = await db.sql`SELECT active_pid FROM pg_replication_slots
    WHERE slot_name = ${`electric_slot_${streamId}`}`;
  return slot.active_pid;
}

function numbers(from: number, until: number): string[] {
  return Array.from({ length: until - from + 1 }, (_, i) => String(from + i));
}

Deno.test("Replicator sets up publication and slot and streams a transaction", async () => {
  await using db = await testDatabase();
  const id = newStreamId();
  await using running = start(db.url, id);
  await streaming(running);
  await createTable(db, id);
  await insertItems(db, 1, 3);
  await waitUntil("three rows came", () => running.sink.inserted().length === 3);
  assert.deepEqual(running.sink.inserted(), ["1", "2", "3"]);
  const [session] = running.sink.sessions;
  assert.equal(session.isSlotNew, true);
  assert.equal(session.database, db.name);
  assert.ok(session.serverVersion >= 140_000);
  assert.ok(BigInt(session.systemId) > 0n);
  const [publication] = await db.sql`SELECT pubinsert, pubupdate, pubdelete, pubtruncate,
    to_jsonb(p)->>'pubgencols' AS generated FROM pg_publication p`;
  const { generated, ...operations } = publication;
  assert.deepEqual(Object.values(operations), [true, true, true, true]);
  if (session.serverVersion >= 180_000) assert.equal(generated, "s");
  assert.ok(await running.stop() < 2500);
});

Deno.test("Replicator prints values with the display settings", async () => {
  await using db = await testDatabase({
    settings: { TimeZone: "Asia/Tokyo", bytea_output: "escape" },
  });
  const id = newStreamId();
  await using running = start(db.url, id);
  await streaming(running);
  await db.sql.unsafe("CREATE TABLE moments (at timestamptz PRIMARY KEY, raw bytea)");
  await db.sql.unsafe(`ALTER PUBLICATION electric_publication_${id} ADD TABLE moments`);
  await db.sql.unsafe("INSERT INTO moments VALUES ('2024-01-01 00:00:00+02', '\\x00ff')");
  await waitUntil("the row came", () => running.sink.inserted().length === 1);
  assert.deepEqual(running.sink.inserted(), ["2023-12-31 22:00:00+00"]);
  const event = running.sink.events.find(({ kind }) => kind === "change");
  assert.ok(event?.kind === "change" && event.change.kind === "insert");
  const { bytes, starts, lengths } = event.change.row;
  const raw = new TextDecoder().decode(bytes.subarray(starts[1], starts[1] + lengths[1]));
  assert.equal(raw, "\\x00ff");
});

Deno.test("Replicator loses nothing when the walsender is terminated", async () => {
  await using db = await testDatabase();
  const id = newStreamId();
  await using running = start(db.url, id);
  await streaming(running);
  await createTable(db, id);
  await insertItems(db, 1, 100);
  await db.sql`SELECT pg_terminate_backend(${await walsenderPid(db, id)}, 5000)`;
  await insertItems(db, 101, 200);
  await waitUntil("the last row came", () => running.sink.inserted().includes("200"));
  const unique = [...new Set(running.sink.inserted())];
  assert.deepEqual(unique, numbers(1, 200));
  assert.equal(running.sink.sessions.length, 2);
  assert.equal(running.sink.sessions[1].isSlotNew, false);
  const interrupted = running.log.find((line) => line.includes("interrupted"));
  assert.match(interrupted ?? "", /terminating connection due to administrator command \(57P01\)/);
});

Deno.test("Replicator starts again from what was confirmed", async () => {
  await using db = await testDatabase();
  const id = newStreamId();
  {
    await using first = start(db.url, id);
    await streaming(first);
    await createTable(db, id);
    await insertItems(db, 1, 5);
    await waitUntil("five rows came", () => first.sink.inserted().length === 5);
    first.replicator.confirm(first.sink.lastLsn());
    await insertItems(db, 6, 9);
    await waitUntil("nine rows came", () => first.sink.inserted().length === 9);
  }
  await using second = start(db.url, id);
  await waitUntil("the unconfirmed rows came again", () => second.sink.inserted().includes("9"));
  assert.deepEqual(second.sink.inserted(), numbers(6, 9));
});

Deno.test("Replicator reports while its sink is busy beyond wal_sender_timeout", async () => {
  await using db = await testDatabase({ settings: { wal_sender_timeout: "2s" } });
  const id = newStreamId();
  await using running = start(db.url, id);
  await streaming(running);
  await createTable(db, id);
  const gate = Promise.withResolvers<void>();
  running.sink.gate = gate.promise;
  await insertItems(db, 1, 50_000);
  await waitUntil("the sink is busy", () => running.sink.events.length > 0);
  const pid = await walsenderPid(db, id);
  const busyUntilMs = Date.now() + 6000;
  await waitUntil("six seconds are over", () => Date.now() > busyUntilMs);
  assert.equal(await walsenderPid(db, id), pid);
  running.sink.gate = undefined;
  gate.resolve();
  await waitUntil("all rows came", () => running.sink.inserted().length === 50_000);
  assert.equal(running.sink.sessions.length, 1);
  assert.deepEqual(running.sink.inserted(), numbers(1, 50_000));
});

Deno.test("Replicator does not read ahead of a blocked sink", async () => {
  await using db = await testDatabase();
  const id = newStreamId();
  await using running = start(db.url, id);
  await streaming(running);
  await createTable(db, id);
  // Uncompressed, so that the WAL is as large as what the server would send.
  await db.sql.unsafe("ALTER TABLE items ALTER body SET STORAGE EXTERNAL");
  const gate = Promise.withResolvers<void>();
  running.sink.gate = gate.promise;
  const rssBefore = Deno.memoryUsage().rss;
  // Twenty transactions of 10 MB.
  for (let i = 0; i < 20; i++) {
    await db.sql`INSERT INTO items SELECT ${i}::int * 1000 + j, repeat(md5(j::text), 320)
      FROM generate_series(1, 1000) j`;
  }
  const sent = () =>
    db.sql`SELECT sent_lsn::text AS lsn FROM pg_stat_replication
      WHERE pid = (SELECT active_pid FROM pg_replication_slots
        WHERE slot_name = ${`electric_slot_${id}`})`.then(([row]) => row.lsn);
  // The server has stopped sending once two readings half a second apart agree.
  let last = await sent();
  await waitUntil("the server stopped sending", async () => {
    await new Promise((resolve) => setTimeout(resolve, 500));
    const previous = last;
    last = await sent();
    return previous === last;
  });
  const grownBytes = Deno.memoryUsage().rss - rssBefore;
  assert.ok(running.sink.events.length < 50, `${running.sink.events.length} events were delivered`);
  assert.ok(grownBytes < 64 * 2 ** 20, `memory grew by ${grownBytes} bytes`);
  assert.ok(await currentLsn(db) - parseLsn(last) > 100n * 2n ** 20n);
  running.sink.gate = undefined;
  gate.resolve();
  await waitUntil("all rows came", () => running.sink.inserted().length === 20_000, 60_000);
});

Deno.test("Replicator lets the slot move on an idle database and past unpublished tables", async () => {
  await using db = await testDatabase();
  const id = newStreamId();
  await using running = start(db.url, id);
  running.sink.onBatch = (events) => {
    for (const event of events) {
      if (event.kind === "progress") running.replicator.confirm(event.walEnd);
    }
  };
  await streaming(running);
  await db.sql.unsafe("CREATE TABLE unpublished (id int)");
  await db.sql.unsafe("INSERT INTO unpublished SELECT generate_series(1, 1000)");
  const written = await currentLsn(db);
  await waitUntil("the slot has moved", async () => await confirmedLsn(db, id) >= written);
  assert.deepEqual(running.sink.inserted(), []);
});

Deno.test("Replicator never reports more than was confirmed", async () => {
  await using db = await testDatabase({ settings: { wal_sender_timeout: "1s" } });
  const id = newStreamId();
  await using running = start(db.url, id);
  await streaming(running);
  const before = await confirmedLsn(db, id);
  await createTable(db, id);
  await insertItems(db, 1, 10);
  await waitUntil("the rows came", () => running.sink.inserted().length === 10);
  const received = running.sink.lastLsn();
  // Reports go out every third of a second, so the server has had several by then.
  await waitUntil("the server knows what was received", async () => {
    const [row] = await db.sql`SELECT write_lsn::text AS lsn FROM pg_stat_replication
      WHERE pid = ${await walsenderPid(db, id)}`;
    return row?.lsn && parseLsn(row.lsn) >= received;
  });
  assert.equal(await confirmedLsn(db, id), before);
  running.replicator.confirm(received);
  await waitUntil("the slot has moved", async () => await confirmedLsn(db, id) === received);
});

Deno.test("Replicator waits while another one holds the lock, and takes over", async () => {
  await using db = await testDatabase();
  const id = newStreamId();
  const first = start(db.url, id);
  await streaming(first);
  await createTable(db, id);
  await using second = start(db.url, id);
  await waitUntil("the second waits", () => isWaiting(second));
  assert.equal(lastDetail(second), "Timeout waiting for Postgres lock acquisition");
  assert.equal(second.sink.sessions.length, 0);
  await first.stop();
  await streaming(second);
  await insertItems(db, 1, 2);
  await waitUntil("rows came", () => second.sink.inserted().length === 2);
  assert.equal(second.sink.sessions[0].isSlotNew, false);
});

Deno.test("Replicator names the publication that is missing in manual mode", async () => {
  await using db = await testDatabase();
  const id = newStreamId();
  await using running = start(db.url, id, { isManual: true });
  await waitUntil("it failed", () => running.log.length > 0);
  assert.match(
    lastDetail(running),
    new RegExp(
      "^Timeout waiting for replication client to be ready: " +
        `Publication "electric_publication_${id}" does not exist, and manual`,
    ),
  );
  const slots = await db.sql`SELECT 1 FROM pg_replication_slots WHERE database = ${db.name}`;
  assert.equal(slots.length, 0);
});

Deno.test("Replicator says that slot creation waits for open transactions, and stops at once", async () => {
  await using db = await testDatabase();
  const id = newStreamId();
  const release = Promise.withResolvers<void>();
  const opened = Promise.withResolvers<void>();
  const open = db.sql.begin(async (tx) => {
    await tx`SELECT pg_current_xact_id()`;
    opened.resolve();
    await release.promise;
  });
  await opened.promise;
  await using running = start(db.url, id);
  await waitUntil("it waits", () => /pending transactions/.test(lastDetail(running)));
  // The lock must not outlive the replicator, though the server is still waiting.
  assert.ok(await running.stop() < 2500);
  await waitUntil("the lock is free", async () => {
    const locks = await db.sql`SELECT 1 FROM pg_locks WHERE locktype = 'advisory'
      AND database = (SELECT oid FROM pg_database WHERE datname = ${db.name})`;
    return locks.length === 0;
  });
  await using other = start(db.url, id);
  await waitUntil("the other waits", () => /pending trans/.test(lastDetail(other)));
  release.resolve();
  await open;
  await streaming(other);
  assert.equal(other.sink.sessions[0].isSlotNew, true);
});

Deno.test("Replicator makes a new slot when the publication was dropped under it", async () => {
  await using db = await testDatabase();
  const id = newStreamId();
  await using running = start(db.url, id);
  await streaming(running);
  await createTable(db, id);
  await insertItems(db, 1, 1);
  await waitUntil("a row came", () => running.sink.inserted().length === 1);
  await db.sql.unsafe(`DROP PUBLICATION electric_publication_${id}`);
  await insertItems(db, 2, 2);
  await waitUntil("it starts again", () => running.sink.sessions.length === 2);
  assert.equal(running.sink.sessions[1].isSlotNew, true);
  await streaming(running);
  await createTable(db, id);
  await insertItems(db, 3, 3);
  await waitUntil("a row came", () => running.sink.inserted().includes("3"));
});

Deno.test("Replicator starts again when its sink fails, from what was confirmed", async () => {
  await using db = await testDatabase();
  const id = newStreamId();
  await using running = start(db.url, id);
  await streaming(running);
  await createTable(db, id);
  let failures = 0;
  running.sink.onBatch = (events) => {
    if (failures > 0 || !events.some(({ kind }) => kind === "change")) return;
    failures += 1;
    throw new Error("Disk is full");
  };
  await insertItems(db, 1, 10);
  await waitUntil("the rows came", () => running.sink.inserted().length === 10);
  assert.equal(failures, 1);
  assert.equal(running.sink.sessions.length, 2);
  const told = running.events.map((event) => "detail" in event ? event.detail : "");
  assert.ok(told.some((detail) => detail.endsWith("be ready: Disk is full")));
});

Deno.test("Replicator keeps trying when the server refuses, and logs no password", async () => {
  const running = start("postgresql://someone:hunter2@127.0.0.1:1/nowhere", newStreamId());
  const failures = () => running.events.filter(({ kind }) => kind === "interrupted").length;
  await waitUntil("it tried three times", () => failures() >= 3);
  assert.equal(running.log.length, 1);
  assert.match(
    lastDetail(running),
    /^Timeout waiting for Postgres lock acquisition: Cann/,
  );
  assert.ok(!running.log.join().includes("hunter2"));
  assert.ok(await running.stop() < 1000);
});
