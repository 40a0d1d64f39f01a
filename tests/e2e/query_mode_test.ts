import assert from "node:assert/strict";
import { ServerProcess } from "../support/server_process.ts";
import { ShapeFollower } from "../support/shape_follower.ts";
import { until } from "../support/shape_requests.ts";
import { startCluster, testDatabase } from "../support/postgres.ts";

const SCHEMA = `
  CREATE TABLE items (id int PRIMARY KEY, n int NOT NULL, body text);
  CREATE TABLE bare (a int, b text);
  CREATE VIEW big AS SELECT id, n, upper(body) AS body FROM items WHERE n >= 10;
  CREATE MATERIALIZED VIEW totals AS SELECT n % 3 AS rest, count(*) AS rows FROM items GROUP BY 1;
  INSERT INTO items SELECT i, i, 'b' || i FROM generate_series(1, 100) i;
  INSERT INTO bare SELECT i, 'x' FROM generate_series(1, 5) i`;

const ENV = { ELECTRIC_CHANGE_SOURCE: "query", ELECTRIC_FALLBACK_INTERVAL: "200ms" };

async function statusOf({ url }: ServerProcess): Promise<{ status: string; reason: string }> {
  return await (await fetch(`${url}/v1/status`)).json();
}

Deno.test("without logical replication tables and views are followed by queries", async () => {
  await using cluster = await startCluster({ settings: { wal_level: "replica" } });
  await using database = await testDatabase({ serverUrl: cluster.url() });
  const { sql } = database;
  await sql.unsafe(SCHEMA);
  await using server = await ServerProcess.start({
    databaseUrl: database.url,
    streamId: "queried",
    env: ENV,
  });
  assert.deepEqual(
    (({ status, reason }) => [status, reason])(await statusOf(server)),
    ["fallback", "query_mode"],
  );
  const queries: readonly [Record<string, string>, string][] = [
    [{ table: "items" }, "SELECT id::text, n::text, body FROM items"],
    [
      { table: "items", where: "n % 2 = 0" },
      "SELECT id::text, n::text, body FROM items WHERE n % 2 = 0",
    ],
    [{ table: "bare" }, "SELECT DISTINCT a::text, b FROM bare"],
    [{ table: "big", key_columns: "id" }, "SELECT id::text, n::text, body FROM big"],
    [{ table: "totals", key_columns: "rest" }, "SELECT rest::text, rows::text FROM totals"],
  ];
  const followers = queries.map(([params]) => new ShapeFollower(server.url, params));
  const abort = new AbortController();
  const following = followers.map((follower) => follower.follow(abort.signal));
  const agree = async () => {
    for (const [i, [params, query]] of queries.entries()) {
      const expected = (await sql.unsafe(query)).map((row) => JSON.stringify(sorted(row))).sort();
      await until(() => {
        const rows = [...followers[i].rows.values()].map((row) => JSON.stringify(sorted(row)));
        return JSON.stringify(rows.sort()) === JSON.stringify(expected);
      }, JSON.stringify(params));
    }
  };
  await agree();
  await sql`UPDATE items SET n = n + 7 WHERE id % 5 = 0`;
  await sql`DELETE FROM items WHERE id < 10`;
  await sql`INSERT INTO items VALUES (500, 500, NULL)`;
  await sql`INSERT INTO bare VALUES (9, 'y')`;
  await sql`REFRESH MATERIALIZED VIEW totals`;
  await agree();
  const handles = followers.map(({ handle }) => handle);
  await server.kill();
  await sql`UPDATE items SET body = 'while it was down' WHERE id = 50`;
  server.launch();
  await agree();
  abort.abort();
  await Promise.all(following);
  assert.deepEqual(followers.map(({ handle }) => handle), handles);
  assert.deepEqual(followers.map(({ refetches }) => refetches), queries.map(() => 0));
});

Deno.test("from queries to logical replication and back nobody is sent back to start", async () => {
  await using database = await testDatabase();
  const { sql } = database;
  await sql.unsafe(SCHEMA);
  const storageDir = await Deno.makeTempDir({ prefix: "electric-ts-" });
  const follower = async (env: Record<string, string>, handle?: ShapeFollower) => {
    await using server = await ServerProcess.start({
      databaseUrl: database.url,
      streamId: "switched",
      storageDir,
      env,
    });
    const reader = new ShapeFollower(server.url, { table: "items" });
    if (handle) reader.resume(handle);
    const abort = new AbortController();
    const following = reader.follow(abort.signal);
    await sql`UPDATE items SET n = n + 1 WHERE id % 3 = 0`;
    await sql`INSERT INTO items SELECT max(id) + 1, 0, 'next' FROM items`;
    await sql`DELETE FROM items WHERE id = (SELECT min(id) FROM items)`;
    const expected = (await sql`SELECT id::text, n::text FROM items ORDER BY items.id`).map(sorted);
    await until(() => {
      const rows = [...reader.rows.values()].map(({ id, n }) => ({ id, n }))
        .sort((a, b) => Number(a.id) - Number(b.id));
      return JSON.stringify(rows) === JSON.stringify(expected);
    }, "all rows are there");
    abort.abort();
    await following;
    await server.stop();
    return reader;
  };
  try {
    const queried = await follower(ENV);
    const logical = await follower({}, queried);
    const again = await follower(ENV, logical);
    assert.deepEqual([logical.handle, again.handle], [queried.handle, queried.handle]);
    assert.deepEqual([logical.refetches, again.refetches], [0, 0]);
  } finally {
    await Deno.remove(storageDir, { recursive: true });
  }
});

function sorted(row: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(row).sort(([a], [b]) => a < b ? -1 : 1));
}
