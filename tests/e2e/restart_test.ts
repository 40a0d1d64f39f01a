import { deepStrictEqual as deepEqual, match, ok, strictEqual as equal } from "node:assert/strict";
import { testDatabase } from "../support/postgres.ts";
import { pause, ServerProcess } from "../support/server_process.ts";
import {
  poll,
  type Position,
  readToEnd,
  requestShape,
  type ShapeParams,
  until,
} from "../support/shape_requests.ts";
import type { Message } from "../support/shape_follower.ts";

const SCHEMA = `CREATE TABLE items (id int PRIMARY KEY, v text);
  INSERT INTO items SELECT i, 'item ' || i FROM generate_series(1, 200) i;
  CREATE TABLE other (id int PRIMARY KEY)`;

async function withServer(
  work: (
    world: { sql: Awaited<ReturnType<typeof testDatabase>>["sql"]; server: ServerProcess },
  ) => Promise<void>,
): Promise<void> {
  await using database = await testDatabase();
  await database.sql.unsafe(SCHEMA);
  await using server = await ServerProcess.start({
    databaseUrl: database.url,
    streamId: database.name,
  });
  await work({ sql: database.sql, server });
}

/** Every answer to a reader who starts anew and follows each link, as text. */
async function everything(url: string, params: Readonly<Record<string, string>>) {
  const answers: { offset: string; handle: string; text: string }[] = [];
  for (let position: Record<string, string> = { offset: "-1" };;) {
    const { handle, offset, text } = await requestShape(url, { ...params, ...position });
    answers.push({ handle, offset, text: text.replace(/"global_last_seen_lsn":"\d+"/, "") });
    if (text.includes('"up-to-date"')) return answers;
    position = { handle, offset };
  }
}

for (const way of ["stop", "kill"] as const) {
  Deno.test(`a restart after a ${way} keeps handles, offsets and every answer`, async () => {
    await withServer(async ({ sql, server }) => {
      const wishes: ShapeParams[] = [
        { table: "items" },
        { table: "items", where: "id < 50" },
        { table: "other" },
      ];
      for (const wish of wishes) await readToEnd(server.url, wish);
      await sql`INSERT INTO items VALUES (1000, 'live'), (1001, 'live too')`;
      await sql`UPDATE items SET v = 'changed' WHERE id = 7`;
      for (const wish of wishes.slice(0, 2)) {
        await until(
          async () =>
            (await requestShape(server.url, { ...wish, offset: "now" })).offset !== "0_inf",
          "the changes arrived",
        );
      }
      await until(async () => {
        const texts = (await everything(server.url, wishes[1])).map(({ text }) => text);
        return texts.join().includes("changed");
      }, "all of them");
      const before = await Promise.all(wishes.map((wish) => everything(server.url, wish)));
      const [{ handle }] = before[0];

      await server[way]();
      await sql`INSERT INTO items VALUES (2000, 'while it was down')`;
      await server.start();

      const fromEnd = await requestShape(server.url, { table: "items", handle, offset: "0_inf" });
      equal(fromEnd.status, 200, fromEnd.text);
      await until(async () => {
        const last = (await everything(server.url, wishes[0])).at(-1);
        return last?.text.includes("while it was down") ?? false;
      }, "what was written meanwhile arrived");
      const after = await Promise.all(wishes.map((wish) => everything(server.url, wish)));
      deepEqual(after[1], before[1]);
      deepEqual(after[2], before[2]);
      deepEqual(after[0].slice(0, -1), before[0].slice(0, -1));
      equal(after[0].at(-1)?.handle, handle);
    });
  });
}

Deno.test("a server with 1,000 shapes is ready again within 2 seconds", async () => {
  await withServer(async ({ sql, server }) => {
    const wishes = Array.from({ length: 1_000 }, (_, i) => ({
      table: "items",
      where: `id > ${i}`,
      offset: "-1",
    }));
    const handles: string[] = [];
    for (let i = 0; i < wishes.length; i += 50) {
      const batch = wishes.slice(i, i + 50).map((wish) => requestShape(server.url, wish));
      for (const { status, handle } of await Promise.all(batch)) {
        equal(status, 200);
        handles.push(handle);
      }
    }
    await sql`INSERT INTO items VALUES (5000, 'for all')`;
    const last = { table: "items", where: "id > 999", handle: handles[999] };
    await until(
      async () =>
        (await requestShape(server.url, { ...last, offset: "0_inf" })).text.includes("for all"),
      "the change arrived",
    );
    await server.kill();
    const startMs = performance.now();
    await server.start();
    const readyMs = performance.now() - startMs;
    console.log(`      1,000 shapes ready after ${Math.round(readyMs)} ms`);
    const again = await requestShape(server.url, { ...wishes[500] });
    equal(again.handle, handles[500]);
    const change = await requestShape(server.url, { ...last, offset: "0_inf" });
    ok(change.text.includes("for all"));
    // 2 s are asked for; other tests may be running.
    ok(readyMs < 4_000, `${readyMs} ms`);
  });
});

Deno.test("a second server on the same storage directory says who has it and exits with 1", async () => {
  await withServer(async ({ server }) => {
    const { code, stderr } = await server.runSecond();
    equal(code, 1);
    match(
      stderr,
      new RegExp(`Storage directory "${server.storageDir}" is in use by process ${server.pid}`),
    );
    equal((await requestShape(server.url, { table: "items", offset: "-1" })).status, 200);
  });
});

/** Opens an event stream and reads its first events. */
async function openEvents(url: string, { params, handle, offset }: Position) {
  const query = new URLSearchParams({ ...params, handle, offset, live: "true", live_sse: "true" });
  const response = await fetch(`${url}/v1/shape?${query}`);
  return { status: response.status, ended: response.text() };
}

Deno.test("SIGTERM answers every held request, confirms the slot and exits with 0", async () => {
  await using database = await testDatabase();
  const { sql } = database;
  await sql.unsafe(SCHEMA);
  await using server = await ServerProcess.start({
    databaseUrl: database.url,
    streamId: database.name,
  });
  const items = await readToEnd(server.url, { table: "items" });
  const other = await readToEnd(server.url, { table: "other" });
  const polls = Array.from({ length: 50 }, () => poll(server.url, other));
  const streams = await Promise.all(
    Array.from({ length: 20 }, () => openEvents(server.url, items)),
  );
  // The held polls are in by the time that a later one is answered.
  await sql`INSERT INTO items VALUES (3000, 'seen before the end')`;
  equal((await poll(server.url, items)).status, 200);
  const [{ lsn }] = await sql`SELECT pg_current_wal_lsn()::text AS lsn`;

  const startMs = performance.now();
  const { code, stderr } = await server.stop();
  const stoppedMs = performance.now() - startMs;
  console.log(`      stopped after ${Math.round(stoppedMs)} ms`);
  equal(code, 0, stderr);
  ok(stoppedMs < 10_000);
  for (const { status, text } of await Promise.all(polls)) {
    equal(status, 200, text);
    ok(text.includes("up-to-date"), text);
  }
  for (const { status, ended } of streams) {
    equal(status, 200);
    ok((await ended).includes("seen before the end"));
  }
  const readSlot = async () => {
    const [slot] = await sql`SELECT active, confirmed_flush_lsn >= ${lsn}::pg_lsn AS confirmed
      FROM pg_replication_slots WHERE slot_name = ${`electric_slot_${database.name}`}`;
    return { ...slot };
  };
  // The walsender may outlive the process that it served by a moment.
  await until(async () => !(await readSlot()).active, "the slot is free");
  deepEqual(await readSlot(), { active: false, confirmed: true });
});

Deno.test("a second signal ends the server at once", async () => {
  await withServer(async ({ sql, server }) => {
    await sql`INSERT INTO items SELECT i, repeat('x', 2000) FROM generate_series(10000, 20000) i`;
    // A reader who takes nothing keeps the first signal from ending the server right away.
    const stalled = await fetch(`${server.url}/v1/shape?table=items&offset=-1`);
    equal(stalled.status, 200);
    const stopped = server.stop();
    // The same one, as it comes where a parent passes on what all of its group get.
    server.signal("SIGTERM");
    await until(async () => !await isListening(server.port), "it stopped listening");
    await pause(200);
    const startMs = performance.now();
    server.signal("SIGTERM");
    const { code } = await stopped;
    equal(code, 143);
    ok(performance.now() - startMs < 1_000);
    await stalled.body?.cancel().catch(() => {});
  });
});

async function isListening(port: number): Promise<boolean> {
  try {
    (await Deno.connect({ hostname: "127.0.0.1", port })).close();
    return true;
  } catch {
    return false;
  }
}

Deno.test("who stops inside of a transaction gets all that follows, also after a kill", async () => {
  await withServer(async ({ sql, server }) => {
    const start = await readToEnd(server.url, { table: "items" });
    await sql`DO $$ BEGIN FOR i IN 1..600 LOOP
      INSERT INTO items SELECT i * 1000 + j, repeat('x', 300) FROM generate_series(1, 4) j; COMMIT;
    END LOOP; END $$`;
    const isThere = async () =>
      (await everything(server.url, { table: "items" }))
        .some(({ text }) => text.includes(`"600004"`));
    await until(isThere, "the changes arrived");
    const { messages } = await readToEnd(server.url, start.params);
    const positions = messages.flatMap(({ headers: { lsn, op_position } }) =>
      lsn ? [`${lsn}_${op_position}`] : []
    );
    equal(positions.length, 2_400);
    await server.kill();
    await server.start();
    // As clients of event streams come back: the first of the four has been read.
    for (let i = 0; i < positions.length; i += 4 * 20) {
      const { text } = await requestShape(server.url, {
        ...start.params,
        handle: start.handle,
        offset: positions[i],
      });
      const rest = JSON.parse(text).flatMap(({ headers: { lsn, op_position } }: Message) =>
        lsn ? [`${lsn}_${op_position}`] : []
      );
      deepEqual(rest, positions.slice(i + 1));
    }
  });
});
