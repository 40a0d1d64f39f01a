import { deepEqual, equal, ok } from "node:assert/strict";
import { type TestDatabase, testDatabase } from "../support/postgres.ts";
import { megabytes, readMemory } from "../support/process_memory.ts";
import { pause, readServerRuntime, ServerProcess } from "../support/server_process.ts";
import { poll, type Position, readToEnd, requestShape, until } from "../support/shape_requests.ts";

const LIMIT = 4;
const ROUNDS = 15;

function startServer(database: TestDatabase, env: Record<string, string>): Promise<ServerProcess> {
  return ServerProcess.start({ databaseUrl: database.url, streamId: database.name, env });
}

/** Sends a request and goes away: at once, or when the answer has begun. */
async function leave(url: string, params: Readonly<Record<string, string>>, isBegun: boolean) {
  const abort = new AbortController();
  const response = fetch(`${url}/v1/shape?${new URLSearchParams(params)}`, {
    signal: abort.signal,
  });
  if (isBegun) await (await response).body?.getReader().read();
  else await Promise.race([response.catch(() => {}), pause(20)]);
  abort.abort();
  await response.catch(() => {});
}

/** As many at once as are let in, again and again, each leaving; then all places must be free. */
async function leaveAgainAndAgain(
  url: string,
  params: (round: number) => Readonly<Record<string, string>>,
  isBegun: boolean,
): Promise<void> {
  for (let round = 0; round < ROUNDS; round++) {
    await Promise.all(Array.from({ length: LIMIT }, () => leave(url, params(round), isBegun)));
  }
}

async function assertAllFree(url: string, position: Position): Promise<void> {
  await until(
    async () => {
      const answers = await Promise.all(
        Array.from(
          { length: LIMIT },
          () => requestShape(url, { ...position.params, offset: "now" }),
        ),
      );
      return answers.every(({ status }) => status === 200);
    },
    "every place is free",
    5_000,
  );
}

Deno.test("clients that leave give back their places, whatever they were waiting for", async (test) => {
  await using database = await testDatabase();
  const { sql } = database;
  await sql.unsafe(`CREATE TABLE big AS SELECT i AS id, repeat(md5(i::text), 40) AS v
      FROM generate_series(1, 4000) i;
    CREATE TABLE quiet (id int PRIMARY KEY)`);
  await using server = await startServer(database, {
    ELECTRIC_MAX_CONCURRENT_REQUESTS: `{"initial":${LIMIT},"existing":${LIMIT}}`,
  });
  const { url } = server;
  const quiet = await readToEnd(url, { table: "quiet" });
  const live = { ...quiet.params, handle: quiet.handle, offset: quiet.offset, live: "true" };
  const ways = [
    ["a long poll", () => live, false],
    ["an event stream", () => ({ ...live, live_sse: "true" }), false],
    ["the middle of a large answer", () => ({ table: "big", offset: "-1" }), true],
    [
      "a snapshot of its own",
      (round: number) => ({ table: "big", where: `id > ${round}`, offset: "-1" }),
      false,
    ],
    [
      "the middle of a growing snapshot",
      (round: number) => ({ table: "big", where: `id > ${100 + round}`, offset: "-1" }),
      true,
    ],
  ] as const;
  for (const [what, params, isBegun] of ways) {
    await test.step(what, async () => {
      await leaveAgainAndAgain(url, params, isBegun);
      await assertAllFree(url, quiet);
    });
  }
  await test.step("no connection is left in a transaction", async () => {
    const left = () =>
      sql`SELECT state, query FROM pg_stat_activity
        WHERE datname = ${database.name} AND pid <> pg_backend_pid()
          AND backend_type = 'client backend' AND state <> 'idle'`;
    await until(async () => (await left()).length === 0, "snapshots have ended", 20_000)
      .catch(() => {});
    deepEqual([...await left()], []);
  });
  await test.step("held requests beyond the limit are refused, and let in when others left", async () => {
    const held = Array.from({ length: LIMIT }, () => poll(url, quiet));
    await until(async () => (await requestShape(url, live)).status === 503, "all places are taken");
    await sql`INSERT INTO quiet VALUES (1)`;
    for (const answer of await Promise.all(held)) equal(answer.status, 200);
    await assertAllFree(url, quiet);
  });
});

/** Deno before 2.9 itself takes about 1 MB of a body that its client does not read. */
const GROWN_BYTES_MAX = { "2.4": 300e6, later: 100e6 };

/** Asks for the shape over a bare connection and never reads the answer. */
async function stall(port: number, path: string): Promise<Deno.Conn> {
  const connection = await Deno.connect({ hostname: "127.0.0.1", port });
  const request = `GET ${path} HTTP/1.1\r\nHost: localhost\r\n\r\n`;
  await connection.write(new TextEncoder().encode(request));
  return connection;
}

Deno.test("200 readers that stopped reading a shape of 50 MB cost little memory", async () => {
  await using database = await testDatabase();
  const { sql } = database;
  await sql`CREATE TABLE big AS SELECT i AS id, repeat(md5(i::text), 64) AS v
    FROM generate_series(1, 25000) i`;
  await using server = await startServer(database, {});
  const { messages } = await readToEnd(server.url, { table: "big" });
  equal(messages.filter(({ key }) => key).length, 25_000);
  // Afresh, so that memory which writing the shape has freed doesn't hide what readers take.
  equal((await server.stop()).code, 0);
  await server.start();
  await readToEnd(server.url, { table: "big" });
  const before = readMemory(server.pid).residentBytes;
  const connections = await Promise.all(
    Array.from({ length: 200 }, () => stall(server.port, "/v1/shape?table=big&offset=-1")),
  );
  let grown = 0;
  for (let i = 0; i < 30; i++) {
    equal((await requestShape(server.url, { table: "big", offset: "now" })).status, 200);
    await pause(50);
    grown = Math.max(grown, readMemory(server.pid).residentBytes - before);
  }
  console.log(`      ${megabytes(before)} MB before, ${megabytes(grown)} MB more`);
  for (const connection of connections) connection.close();
  const isOld = (await readServerRuntime()).startsWith("2.4.");
  ok(grown < GROWN_BYTES_MAX[isOld ? "2.4" : "later"], `${megabytes(grown)} MB`);
});
