import assert from "node:assert/strict";
import { newStreamId, start, until } from "../support/health_world.ts";
import { type TestDatabase, testDatabase } from "../support/postgres.ts";
import { waitUntil } from "../support/recording_sink.ts";

/** Another instance, in a process of its own; resolves when it streams. */
async function startOther(url: string, streamId: string): Promise<Deno.ChildProcess> {
  const script = new URL("../support/hold_stream.ts", import.meta.url).pathname;
  const other = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-check", script, url, streamId],
    stdin: "null",
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  const reader = other.stdout.getReader();
  const { value } = await reader.read();
  await reader.cancel();
  assert.equal(new TextDecoder().decode(value), "live\n");
  return other;
}

async function end(other: Deno.ChildProcess): Promise<void> {
  try {
    other.kill("SIGKILL");
  } catch {
    // It was killed before.
  }
  await other.status;
}

async function holderPid({ sql, name }: TestDatabase): Promise<number | undefined> {
  const [row] = await sql`SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted
    AND database = (SELECT oid FROM pg_database WHERE datname = ${name})`;
  return row?.pid;
}

function breaks(log: readonly string[]): string[] {
  return log.filter((line) => line.includes("A dead instance's backend is ended"));
}

Deno.test("a second instance takes over within 5 s of the death of the first", async () => {
  await using db = await testDatabase();
  const id = newStreamId();
  const other = await startOther(db.url, id);
  try {
    await using running = start({ url: db.url, streamId: id });
    await until(running, "starting", "lock_held");
    assert.equal(running.health.report().connection.state, "waiting");
    other.kill("SIGKILL");
    const deathMs = performance.now();
    await until(running, "live");
    const tookMs = performance.now() - deathMs;
    assert.ok(tookMs < 5000, `it took ${tookMs} ms`);
    assert.equal(running.sink.sessions[0].isSlotNew, false);
    assert.deepEqual(breaks(running.log), []);
  } finally {
    await end(other);
  }
});

Deno.test("the lock of an instance that has stopped is broken, of one that lives it is not", async () => {
  await using db = await testDatabase();
  const id = newStreamId();
  const other = await startOther(db.url, id);
  try {
    await using running = start({ url: db.url, streamId: id, holderSilenceMs: 4000 });
    // Long enough that the lock of a dead one would have been broken twice.
    await until(running, "fallback", "lock_held");
    assert.deepEqual(breaks(running.log), []);
    other.kill("SIGSTOP");
    await until(running, "live");
    assert.match(breaks(running.log)[0], /cause=It streams, and has sent no status for [45678] s/);
  } finally {
    await end(other);
  }
});

Deno.test("the lock of an instance whose slot is still being made is not broken", async () => {
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
  await using first = start({ url: db.url, streamId: id });
  await until(first, "fallback", "slot_creation_waits");
  const pid = await holderPid(db);
  await using second = start({ url: db.url, streamId: id, holderSilenceMs: 1000 });
  await until(second, "fallback", "lock_held");
  assert.equal(await holderPid(db), pid);
  assert.deepEqual(breaks(second.log), []);
  release.resolve();
  await open;
  await until(first, "live");
  assert.equal(second.health.mode.reason, "lock_held");
});

Deno.test("the backend of a connection that was given up keeps no lock", async () => {
  await using db = await testDatabase();
  const id = newStreamId();
  await using running = start({ url: db.url, streamId: id });
  await until(running, "live");
  const pid = await holderPid(db);
  assert.ok(pid);
  Deno.kill(pid, "SIGSTOP");
  await until(running, "fallback", "lock_held", 15_000);
  Deno.kill(pid, "SIGCONT");
  await until(running, "live", undefined, 3000);
  await waitUntil("the other backend is gone", async () => await holderPid(db) !== pid);
});
