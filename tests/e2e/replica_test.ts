import assert from "node:assert/strict";
import postgres from "postgres";
import { startCluster } from "../support/postgres.ts";
import { ServerProcess } from "../support/server_process.ts";
import { ShapeFollower } from "../support/shape_follower.ts";
import { until } from "../support/shape_requests.ts";
import { startStandby } from "../support/standby.ts";
import { TcpProxy } from "../support/tcp_proxy.ts";

async function statusOf(url: string): Promise<{ status: string; reason: string | null }> {
  return await (await fetch(`${url}/v1/status`)).json();
}

Deno.test("while the primary is down a replica is queried, and followed once it is promoted", async () => {
  await using stack = new AsyncDisposableStack();
  const primary = stack.use(
    await startCluster({ settings: { wal_level: "logical", wal_sender_timeout: "5s" } }),
  );
  const standby = stack.use(await startStandby(primary));
  // The server knows the database by this address, wherever it is.
  const address = stack.use(new TcpProxy({ hostname: "127.0.0.1", port: primary.port }));
  const sql = postgres(primary.url(), { max: 2, onnotice: () => {} });
  stack.defer(() => sql.end({ timeout: 0 }));
  await sql.unsafe(`CREATE TABLE items (id int PRIMARY KEY, n int NOT NULL);
    INSERT INTO items SELECT i, i FROM generate_series(1, 100) i`);
  const server = stack.use(
    await ServerProcess.start({
      databaseUrl: address.url(primary.url()),
      streamId: "replica",
      env: {
        ELECTRIC_FALLBACK_DATABASE_URL: standby.cluster.url(),
        ELECTRIC_FALLBACK_INTERVAL: "200ms",
      },
    }),
  );
  const follower = new ShapeFollower(server.url, { table: "items" });
  const abort = new AbortController();
  const following = follower.follow(abort.signal);
  await until(() => follower.rows.size === 100, "all rows are there");
  // Written while the stream is cut off, so that only the replica can tell of it.
  address.treat("refuse", ["replication"]);
  address.cut(["replication"]);
  await sql`DELETE FROM items WHERE id > 90`;
  const isReplayed = async () => {
    const [{ caught }] = await sql`SELECT count(*) = 1 AS caught FROM pg_stat_replication
      WHERE application_name = 'standby' AND replay_lsn >= pg_current_wal_insert_lsn()`;
    return caught;
  };
  await until(isReplayed, "the standby has it");
  primary.kill();
  await until(() => follower.rows.size === 90, "the replica's rows are there");
  const down = await statusOf(server.url);
  assert.deepEqual([down.status, down.reason], ["fallback", "primary_unreachable"]);
  const made = new ShapeFollower(server.url, { table: "items", where: "n > 50" });
  const madeFollowing = made.follow(abort.signal);
  await until(() => made.rows.size === 40, "a shape can be made");

  await standby.cluster.promote();
  address.route({ hostname: "127.0.0.1", port: standby.cluster.port });
  address.treat("forward");
  await until(async () => (await statusOf(server.url)).status === "live", "live again", 30_000);
  const promoted = postgres(standby.cluster.url(), { max: 1, onnotice: () => {} });
  stack.defer(() => promoted.end({ timeout: 0 }));
  await promoted`UPDATE items SET n = 7 WHERE id = 7`;
  await promoted`INSERT INTO items VALUES (1000, 1000)`;
  await until(() => follower.rows.size === 91 && made.rows.size === 41, "both go on", 30_000);
  abort.abort();
  await Promise.all([following, madeFollowing]);
  assert.deepEqual([follower.refetches, made.refetches], [0, 0]);
  assert.ok([...follower.rows.values()].some(({ id, n }) => id === "7" && n === "7"));
});
