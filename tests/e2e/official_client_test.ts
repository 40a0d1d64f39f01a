import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
import { isControlMessage, type Row, Shape, ShapeStream } from "@electric-sql/client";
import postgres from "postgres";
import { startCluster } from "../support/postgres.ts";
import { pause, ServerProcess } from "../support/server_process.ts";

const SCHEMA =
  `create table items (id int primary key, v text, n bigint, done bool, at timestamptz);
  insert into items select i, 'item ' || i, i * 10000000000, i % 2 = 0, now()
    from generate_series(1, 500) i`;

/** What the client's parsed rows must be in the end, keyed by id. */
async function selected(sql: postgres.Sql): Promise<Map<number, string>> {
  const rows = await sql`select id, v, n::text, done from items order by id`;
  return new Map(rows.map(({ id, v, n, done }) => [id, `${v} ${n} ${done}`]));
}

function held(shape: Shape<Row<bigint>>): Map<number, string> {
  const rows = shape.currentRows.map(({ id, v, n, done }) =>
    [Number(id), `${v} ${n} ${done}`] as const
  );
  return new Map(rows.toSorted(([a], [b]) => a - b));
}

/** Writes until told to stop, through whatever happens to Postgres; how many writes went through. */
async function keepWriting(url: string, signal: AbortSignal): Promise<number> {
  const sql = postgres(url, { max: 1, onnotice: () => {}, connect_timeout: 2 });
  let written = 0;
  for (let i = 0; !signal.aborted; i++) {
    try {
      await sql`insert into items values (${1000 + i}, 'new', ${i}, false, now())`;
      await sql`update items set v = ${`changed ${i}`}, done = not done where id = ${1 + i % 500}`;
      if (i % 3 === 0) await sql`delete from items where id = ${1000 + i - 30}`;
      written++;
    } catch {
      await pause(50);
    }
  }
  await sql.end({ timeout: 1 });
  return written;
}

async function until(condition: () => boolean | Promise<boolean>, what: string): Promise<void> {
  const deadline = Date.now() + 60_000;
  while (!await condition()) {
    if (Date.now() > deadline) throw new Error(`Still not: ${what}`);
    await pause(20);
  }
}

for (const liveSse of [false, true]) {
  const way = liveSse ? "events" : "long polls";
  Deno.test(`the official client's shape equals the table through crashes, by ${way}`, async () => {
    await using cluster = await startCluster();
    const databaseUrl = cluster.url();
    const sql = postgres(databaseUrl, { max: 2, onnotice: () => {} });
    await sql.unsafe(SCHEMA);
    await using server = await ServerProcess.start({ databaseUrl, streamId: "client" });

    const stop = new AbortController();
    const stream = new ShapeStream<Row<bigint>>({
      url: `${server.url}/v1/shape`,
      params: { table: "items" },
      liveSse,
      signal: stop.signal,
    });
    let refetches = 0;
    stream.subscribe((messages) => {
      refetches += messages.filter((message) =>
        isControlMessage(message) && message.headers.control === "must-refetch"
      ).length;
    });
    const shape = new Shape(stream);
    equal((await shape.rows).length, 500);
    deepEqual(held(shape), await selected(sql));

    await sql`insert into items values (900, 'live', 5, true, now())`;
    await until(() => held(shape).has(900), "the insert arrived");
    await sql`update items set v = 'updated' where id = 900`;
    await until(() => held(shape).get(900)?.startsWith("updated") ?? false, "the update arrived");
    await sql`delete from items where id = 900`;
    await until(() => !held(shape).has(900), "the delete arrived");

    const quiet = new AbortController();
    const writing = keepWriting(databaseUrl, quiet.signal);
    const before = shape.lastOffset;
    await until(() => shape.lastOffset !== before, "the stream of writes arrives");
    await server.kill();
    await server.start();
    const afterKill = shape.lastOffset;
    await until(() => shape.lastOffset !== afterKill, "writes arrive after the kill");
    await cluster.restart();
    await server.whenActive();
    const afterRestart = shape.lastOffset;
    await until(() => shape.lastOffset !== afterRestart, "writes arrive after Postgres' restart");
    quiet.abort();
    equal(await writing > 20, true);

    const expected = await selected(sql);
    const same = () => JSON.stringify([...held(shape)]) === JSON.stringify([...expected]);
    await until(same, "the shape equals the table").catch(() => {});
    deepEqual(held(shape), expected);
    equal(refetches, 0);
    stop.abort();
    await sql.end();
  });
}
