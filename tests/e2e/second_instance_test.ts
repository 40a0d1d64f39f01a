import { deepStrictEqual as deepEqual, match, ok, strictEqual as equal } from "node:assert/strict";
import {
  isChangeMessage,
  isControlMessage,
  type Row,
  Shape,
  ShapeStream,
} from "@electric-sql/client";
import type postgres from "postgres";
import { testDatabase } from "../support/postgres.ts";
import { ServerProcess } from "../support/server_process.ts";
import { poll, readToEnd, requestShape, until } from "../support/shape_requests.ts";

const SCHEMA = `CREATE TABLE items (id int PRIMARY KEY, v text);
  INSERT INTO items SELECT i, 'item ' || i FROM generate_series(1, 500) i;
  CREATE TABLE other (id int PRIMARY KEY)`;

/** The official client leaves a timer and a request when it is aborted. */
const LEAVES_TIMER = { sanitizeOps: false, sanitizeResources: false };

interface World {
  readonly sql: postgres.Sql;
  readonly first: ServerProcess;
  readonly second: ServerProcess;
}

/** Two instances on one storage directory, of which the second stands by. */
async function withTwo(work: (world: World) => Promise<void>): Promise<void> {
  await using database = await testDatabase();
  await database.sql.unsafe(SCHEMA);
  const options = { databaseUrl: database.url, streamId: database.name };
  await using first = await ServerProcess.start(options);
  await readToEnd(first.url, { table: "items" });
  await using second = await ServerProcess.launch({
    ...options,
    storageDir: first.storageDir,
    env: { ELECTRIC_STANDBY: "true" },
  });
  await until(async () => (await statusOf(second)) !== undefined, "the second one listens");
  await work({ sql: database.sql, first, second });
}

interface Status {
  readonly status: string;
  readonly reason: string | null;
  readonly shape: string;
  readonly connection: string;
}

async function statusOf({ url }: ServerProcess): Promise<Status | undefined> {
  try {
    return await (await fetch(`${url}/v1/status`)).json();
  } catch {
    return undefined;
  }
}

/** The official client's view of the table. */
function follow({ url }: ServerProcess, liveSse: boolean) {
  const stop = new AbortController();
  const params = { table: "items" };
  const stream = new ShapeStream<Row>({
    url: `${url}/v1/shape`,
    params,
    liveSse,
    signal: stop.signal,
  });
  const seen = { refetches: 0, inserts: new Map<number, number>() };
  stream.subscribe((messages) => {
    for (const message of messages) {
      if (isControlMessage(message)) {
        if (message.headers.control === "must-refetch") seen.refetches++;
      } else if (isChangeMessage(message) && message.headers.operation === "insert") {
        const id = Number(message.value.id);
        seen.inserts.set(id, (seen.inserts.get(id) ?? 0) + 1);
      }
    }
  });
  const shape = new Shape(stream);
  const rows = () =>
    shape.currentRows.map(({ id, v }) => `${id} ${v}`).toSorted((a, b) =>
      parseInt(a) - parseInt(b)
    );
  return { shape, seen, rows, [Symbol.dispose]: () => stop.abort() };
}

async function stored(sql: postgres.Sql): Promise<string[]> {
  const rows = await sql`SELECT id, v FROM items ORDER BY id`;
  return rows.map(({ id, v }) => `${id} ${v}`);
}

/** Writes until the signal fires; how many times. */
async function keepWriting(sql: postgres.Sql, signal: AbortSignal): Promise<number> {
  let count = 0;
  for (; !signal.aborted; count++) {
    await sql`INSERT INTO items VALUES (${1000 + count}, 'new')`;
    await sql`UPDATE items SET v = ${`changed ${count}`} WHERE id = ${1 + count % 500}`;
    if (count % 3 === 2) await sql`DELETE FROM items WHERE id = ${998 + count}`;
  }
  return count;
}

for (const liveSse of [false, true]) {
  const way = liveSse ? "events" : "long polls";
  Deno.test(
    `a second instance serves what the first one stores, and takes over within 5 s, by ${way}`,
    LEAVES_TIMER,
    async () => {
      await withTwo(async ({ sql, first, second }) => {
        using client = follow(second, liveSse);
        equal((await client.shape.rows).length, 500);
        const quiet = new AbortController();
        const writing = keepWriting(sql, quiet.signal);
        await until(() => client.seen.inserts.has(1020), "changes arrive while it stands by");

        await first.kill();
        const startMs = performance.now();
        await until(async () => (await statusOf(second))?.status === "live", "it took over");
        const tookMs = performance.now() - startMs;
        console.log(`      live ${Math.round(tookMs)} ms after the first one's death`);
        ok(tookMs < 5_000);
        const before = client.shape.lastOffset;
        await until(() => client.shape.lastOffset !== before, "changes arrive");
        quiet.abort();
        ok(await writing > 20);

        const expected = await stored(sql);
        await until(() => client.rows().length === expected.length, "all rows").catch(() => {});
        await until(() => client.rows().join() === expected.join(), "the same").catch(() => {});
        deepEqual(client.rows(), expected);
        equal(client.seen.refetches, 0);
        deepEqual([...client.seen.inserts].filter(([, times]) => times > 1), []);
      });
    },
  );
}

Deno.test("a second instance says what it is and refuses what it can't do", async () => {
  await withTwo(async ({ sql, first, second }) => {
    deepEqual(await statusOf(second).then((status) => ({ ...status, since: "" })), {
      ...await statusOf(second),
      status: "starting",
      reason: "lock_held",
      connection: "waiting",
      shape: "read_only",
      since: "",
    });
    const health = await fetch(`${second.url}/v1/health`);
    equal(health.status, 202);
    deepEqual(await health.json(), { status: "waiting" });
    const ready = await fetch(`${second.url}/health/ready`);
    equal(ready.status, 200, await ready.text());

    const known = await fetch(`${second.url}/v1/shape?table=items&offset=-1`);
    equal(known.headers.get("electric-fallback-mode"), "true");
    await known.body?.cancel();
    const unknown = await fetch(`${second.url}/v1/shape?table=other&offset=-1`);
    equal(unknown.status, 503);
    ok(Number(unknown.headers.get("retry-after")) > 0);
    match(await unknown.text(), /Another instance holds the storage/);
    const dropped = await fetch(`${second.url}/v1/shape?table=items`, { method: "DELETE" });
    equal(dropped.status, 503);
    await dropped.body?.cancel();

    // What the first one makes is found, and what it ends is gone.
    const made = await readToEnd(first.url, { table: "other" });
    await until(
      async () =>
        (await requestShape(second.url, { table: "other", offset: "-1" })).handle === made.handle,
      "the new shape is stored",
    );
    const atEnd = await readToEnd(second.url, { table: "other" });
    const held = poll(second.url, atEnd);
    await sql`INSERT INTO other VALUES (1)`;
    equal((await held).messages[0]?.value?.id, "1");
    const gone = await fetch(`${first.url}/v1/shape?table=other`, { method: "DELETE" });
    equal(gone.status, 202);
    await gone.body?.cancel();
    await until(
      async () => (await requestShape(second.url, atEnd.params)).status !== 200,
      "the shape is gone here, too",
    );
  });
});

Deno.test(
  "a first instance writes undisturbed by a second one, and hands over when it is stopped",
  LEAVES_TIMER,
  async () => {
    await withTwo(async ({ sql, first, second }) => {
      using client = follow(second, false);
      equal((await client.shape.rows).length, 500);
      for (let i = 0; i < 20; i++) {
        await sql`INSERT INTO items SELECT ${10_000 * (i + 1)}::int + g, repeat('x', 200)
        FROM generate_series(1, 2000) g`;
        await requestShape(second.url, { table: "items", offset: "-1" });
      }
      const expected = await stored(sql);
      await until(() => client.rows().length === expected.length, "all rows", 60_000);
      const { code, stderr } = await first.stop();
      equal(code, 0);
      equal(stderr, "");
      await until(async () => (await statusOf(second))?.status === "live", "it took over");
      await sql`INSERT INTO items VALUES (999, 'after')`;
      await until(() => client.rows().includes("999 after"), "the change arrives");
      deepEqual(client.rows(), await stored(sql));
      equal(client.seen.refetches, 0);
    });
  },
);

Deno.test("a second instance that stands by ends when it is asked to", async () => {
  await withTwo(async ({ first, second }) => {
    const atEnd = await readToEnd(second.url, { table: "items" });
    const held = poll(second.url, atEnd);
    // The held poll is in by the time that a later request is answered.
    equal((await requestShape(second.url, { table: "items", offset: "-1" })).status, 200);
    const { code } = await second.stop();
    equal(code, 0);
    equal((await held).status, 200);
    equal((await statusOf(first))?.status, "live");
  });
});
