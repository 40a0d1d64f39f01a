import assert from "node:assert/strict";
import { testDatabase } from "../support/postgres.ts";
import { ServerProcess } from "../support/server_process.ts";
import { ShapeFollower } from "../support/shape_follower.ts";
import { until } from "../support/shape_requests.ts";

/** Each row of the view takes as long as the table says. */
const SCHEMA = `
  CREATE TABLE items (id int PRIMARY KEY);
  CREATE TABLE pace (seconds float);
  CREATE VIEW slow AS SELECT id FROM items, pace WHERE pg_sleep(seconds)::text = '';
  INSERT INTO items VALUES (1), (2);
  INSERT INTO pace VALUES (0)`;

interface AdminShape {
  readonly table: { readonly name: string };
  readonly slow: boolean;
}

Deno.test("a shape whose queries take too long is told of, and delays no other", async () => {
  await using database = await testDatabase();
  const { sql } = database;
  await sql.unsafe(SCHEMA);
  await using server = await ServerProcess.start({
    databaseUrl: database.url,
    streamId: "slow",
    env: {
      ELECTRIC_CHANGE_SOURCE: "query",
      ELECTRIC_FALLBACK_INTERVAL: "200ms",
      ELECTRIC_RECONCILE_TIMEOUT: "1s",
    },
  });
  const countSlow = async () =>
    (await (await fetch(`${server.url}/v1/status`)).json()).shapes.slow as number;
  const slow = new ShapeFollower(server.url, { table: "slow", key_columns: "id" });
  const other = new ShapeFollower(server.url, { table: "items" });
  const abort = new AbortController();
  const following = [slow, other].map((follower) => follower.follow(abort.signal));
  await until(() => slow.rows.size === 2 && other.rows.size === 2, "both have the rows");
  await sql`UPDATE pace SET seconds = 60`;
  await until(async () => await countSlow() === 1, "the slow one is counted");
  await sql`INSERT INTO items VALUES (3)`;
  await until(() => other.rows.size === 3, "the other has the new row");
  const { shapes } = await (await fetch(`${server.url}/admin/shapes`)).json() as {
    shapes: AdminShape[];
  };
  assert.deepEqual(shapes.filter((shape) => shape.slow).map(({ table }) => table.name), ["slow"]);
  const metrics = await (await fetch(`${server.url}/metrics`)).text();
  assert.match(metrics, /^electric_reconcile_timeouts_total [1-9]/m);
  assert.equal(slow.rows.size, 2);
  await sql`UPDATE pace SET seconds = 0`;
  await until(() => slow.rows.size === 3, "the slow one has the new row");
  await until(async () => await countSlow() === 0, "it is no longer counted");
  abort.abort();
  await Promise.all(following);
  assert.deepEqual([slow.refetches, other.refetches], [0, 0]);
});
