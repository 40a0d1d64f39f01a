import { ok, strictEqual as equal } from "node:assert/strict";
import { testDatabase } from "../support/postgres.ts";
import { megabytes, readMemory } from "../support/process_memory.ts";
import { pause, ServerProcess } from "../support/server_process.ts";
import {
  pollForMore,
  readToEnd,
  requestShape,
  type ShapeParams,
} from "../support/shape_requests.ts";

const CHANGES = 1_000_000;

/** Counts a shape's rows without keeping them, and checks that offsets grow. */
async function countInserts(url: string, params: ShapeParams): Promise<number> {
  let count = 0;
  for (let position: ShapeParams = { offset: "-1" };;) {
    const { status, text, handle, offset } = await requestShapeText(url, {
      ...params,
      ...position,
    });
    equal(status, 200, text.slice(0, 500));
    count += text.split('"operation":"insert"').length - 1;
    if (text.endsWith('"}}]') && text.slice(-200).includes('"up-to-date"')) return count;
    position = { handle, offset };
  }
}

/** Like `requestShape`, for answers too large to parse. */
async function requestShapeText(url: string, params: ShapeParams) {
  const response = await fetch(`${url}/v1/shape?${new URLSearchParams(params)}`);
  return {
    status: response.status,
    text: await response.text(),
    handle: response.headers.get("electric-handle") ?? "",
    offset: response.headers.get("electric-offset") ?? "",
  };
}

/** Reads the shape again and again until told to stop; how long each answer took. */
async function timeRequests(url: string, params: ShapeParams, signal: AbortSignal) {
  const times: number[] = [];
  while (!signal.aborted) {
    const startMs = performance.now();
    const { status } = await requestShape(url, params);
    times.push(performance.now() - startMs);
    equal(status, 200);
    await pause(5);
  }
  return times.toSorted((a, b) => a - b);
}

Deno.test("a transaction of a million changes takes little memory, holds up no reader and survives a kill", async () => {
  await using database = await testDatabase({ settings: { synchronous_commit: "off" } });
  const { sql } = database;
  await sql.unsafe(`CREATE TABLE big (id int PRIMARY KEY, v text);
    CREATE TABLE small (id int PRIMARY KEY); INSERT INTO small VALUES (1)`);
  await using server = await ServerProcess.start({
    databaseUrl: database.url,
    streamId: database.name,
  });
  const big = await readToEnd(server.url, { table: "big" });
  const small = await readToEnd(server.url, { table: "small" });
  await sql`INSERT INTO big SELECT i, 'some value of row ' || i FROM generate_series(1, ${CHANGES}::int) i`;
  const [{ after }] = await sql`SELECT pg_current_wal_insert_lsn()::text AS after`;
  await sql`INSERT INTO small VALUES (2)`;

  // In the middle: bytes of it are in the store, the transaction is not acknowledged.
  const stored = async () => {
    let bytes = 0;
    for await (const { name } of Deno.readDir(server.storageDir)) {
      bytes += (await Deno.stat(`${server.storageDir}/${name}`)).size;
    }
    return bytes;
  };
  while (await stored() < 20e6) await pause(10);
  await server.kill();
  const [slot] = await sql`SELECT confirmed_flush_lsn < ${after}::pg_lsn AS behind
    FROM pg_replication_slots WHERE database = ${database.name}`;
  equal(slot.behind, true, "the kill came in the middle");

  const startMs = performance.now();
  await server.start();
  const done = new AbortController();
  const timing = timeRequests(server.url, { ...small.params, offset: "-1" }, done.signal);
  // Shapes that it does not concern may have what came after it before.
  equal((await pollForMore(server.url, small)).status, 200);
  equal((await pollForMore(server.url, big)).status, 200);
  done.abort();
  const times = await timing;
  const passMs = performance.now() - startMs;
  const { peakBytes } = readMemory(server.pid);
  const [median, p99, longest] = [0.5, 0.99, 1].map((share) =>
    Math.round(times[Math.ceil(share * times.length) - 1])
  );
  console.log(
    `      ${Math.round(passMs)} ms, peak ${megabytes(peakBytes)} MB, other readers: ` +
      `${times.length} answers, median ${median} ms, p99 ${p99} ms, longest ${longest} ms`,
  );
  ok(peakBytes < 400e6, `${megabytes(peakBytes)} MB`);
  ok(p99 < 500, `${p99} ms`);
  equal(await countInserts(server.url, { table: "big" }), CHANGES);
  equal((await requestShape(server.url, { table: "big", offset: "now" })).handle, big.handle);
});

Deno.test("rows of 50 MB pass unchanged, live and in the snapshot", async () => {
  await using database = await testDatabase();
  const { sql } = database;
  await sql.unsafe(`CREATE TABLE wide (id int PRIMARY KEY, v text, w text);
    ALTER TABLE wide ALTER v SET STORAGE EXTERNAL`);
  await using server = await ServerProcess.start({
    databaseUrl: database.url,
    streamId: database.name,
  });
  const empty = await readToEnd(server.url, { table: "wide" });
  // Text that differs everywhere, so that a piece that is missing or twice would be noticed.
  await sql`INSERT INTO wide SELECT 1, string_agg(to_char(i, 'FM00000000') || E'\\\\"', ''), 'w'
    FROM generate_series(1, 5000000) i`;
  const [{ md5, size }] = await sql`SELECT md5(v), length(v) AS size FROM wide`;
  equal(size, 50_000_000);
  const md5Of = async (text: string | null | undefined) =>
    (await sql`SELECT md5(${text ?? ""}::text)`)[0].md5;

  const live = await pollForMore(server.url, empty);
  equal(await md5Of(live.messages[0].value?.v), md5);
  // Its old row comes with it, and fills in what the update did not touch.
  await sql`UPDATE wide SET w = 'changed'`;
  const changed = await pollForMore(server.url, { ...empty, offset: live.offset });
  equal(JSON.stringify(changed.messages[0].value), '{"id":"1","w":"changed"}');
  await server.kill();
  await server.start();
  const logged = await readToEnd(server.url, { table: "wide" });
  equal(await md5Of(logged.messages.find(({ value }) => value)?.value?.v), md5);
  const fresh = await readToEnd(server.url, { table: "wide", where: "id > 0", replica: "full" });
  equal(await md5Of(fresh.messages[0].value?.v), md5);
  await sql`UPDATE wide SET w = 'again'`;
  const full = await pollForMore(server.url, fresh);
  equal(await md5Of(full.messages[0].value?.v), md5);
  console.log(`      peak ${megabytes(readMemory(server.pid).peakBytes)} MB`);
});
