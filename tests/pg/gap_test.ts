import assert from "node:assert/strict";
import { testDatabase } from "../support/postgres.ts";
import { confirmedLsn, newStreamId, start, until } from "../support/health_world.ts";
import { waitUntil } from "../support/recording_sink.ts";

type Sql = Awaited<ReturnType<typeof testDatabase>>["sql"];

async function slots(sql: Sql, id: string): Promise<number> {
  const found = await sql`SELECT FROM pg_replication_slots
    WHERE slot_name = ${`electric_slot_${id}`}`;
  return found.length;
}

async function dropSlot(sql: Sql, id: string): Promise<void> {
  const slot = `electric_slot_${id}`;
  await waitUntil("the slot is dropped", async () => {
    await sql`SELECT pg_terminate_backend(active_pid, 5000) FROM pg_replication_slots
      WHERE slot_name = ${slot}`;
    const dropped = sql`SELECT pg_drop_replication_slot(${slot})`;
    return await dropped.then(() => true, () => false);
  });
}

Deno.test("StreamSink.beforeGap() is waited for before a slot is made", async () => {
  await using db = await testDatabase();
  const id = newStreamId();
  await using running = start({ url: db.url, streamId: id });
  const seen: number[] = [];
  let failures = 0;
  running.sink.onGap = async () => {
    seen.push(await slots(db.sql, id));
    failures += 1;
    if (failures < 3) throw new Error("Disk is full");
  };
  await until(running, "live");
  assert.deepEqual(seen, [0, 0, 0]);
  assert.deepEqual(running.sink.gaps, ["slotMissing"]);
  assert.equal(running.sink.sessions[0].isSlotNew, true);
});

Deno.test("StreamSink.beforeGap() comes between a slot that was dropped and the new one", async () => {
  await using db = await testDatabase();
  const id = newStreamId();
  await using running = start({ url: db.url, streamId: id });
  await until(running, "live");
  const release = Promise.withResolvers<void>();
  running.sink.onGap = () => release.promise;
  await dropSlot(db.sql, id);
  await until(running, "fallback", "slot_lost");
  assert.equal(await slots(db.sql, id), 0);
  release.resolve();
  await until(running, "live");
  assert.deepEqual(running.sink.gaps, ["slotMissing", "slotMissing"]);
  assert.equal(running.sink.sessions.at(-1)?.isSlotNew, true);
});

Deno.test("StreamSink.beforeGap() comes before a lost slot is dropped, in a new process too", async () => {
  await using db = await testDatabase();
  const id = newStreamId();
  const publication = `electric_publication_${id}`;
  {
    await using first = start({ url: db.url, streamId: id });
    await until(first, "live");
  }
  await db.sql.unsafe(`DROP PUBLICATION ${publication}`);
  const seen: number[] = [];
  await using running = start({ url: db.url, streamId: id });
  running.sink.onGap = async () => void seen.push(await slots(db.sql, id));
  await until(running, "live");
  assert.deepEqual(running.sink.gaps, ["publicationMissing"]);
  assert.deepEqual(seen, [1]);
});

Deno.test("StreamSink.beforeGap() is not called when the stream goes on", async () => {
  await using db = await testDatabase();
  const id = newStreamId();
  await using running = start({ url: db.url, streamId: id });
  await until(running, "live");
  const before = await confirmedLsn(db.sql, id);
  await db.sql`SELECT pg_terminate_backend(active_pid, 5000) FROM pg_replication_slots
    WHERE slot_name = ${`electric_slot_${id}`}`;
  await waitUntil("it streams again", () => running.sink.sessions.length === 2);
  assert.equal(running.sink.sessions[1].confirmedLsn, before);
  assert.deepEqual(running.sink.gaps, ["slotMissing"]);
});
