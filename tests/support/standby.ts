/** A streaming standby of a cluster, with a proxy between them: stalled, the standby falls behind. */

import { join } from "node:path";
import postgres from "postgres";
import { copyCluster } from "../../cli/demo/postgres_cluster.ts";
import type { Cluster } from "./postgres.ts";
import { pause } from "./server_process.ts";
import { TcpProxy } from "./tcp_proxy.ts";

export interface Standby extends AsyncDisposable {
  readonly cluster: Cluster;
  /** From the standby to its primary. */
  readonly link: TcpProxy;
}

/** Restarts the primary to copy its files, and resolves when the standby follows it. */
export async function startStandby(primary: Cluster): Promise<Standby> {
  await using stack = new AsyncDisposableStack();
  await primary.stop();
  const cluster = stack.use(await copyCluster(primary));
  await primary.start();
  const link = stack.use(new TcpProxy({ hostname: "127.0.0.1", port: primary.port }));
  await cluster.configure({
    primary_conninfo: `host=127.0.0.1 port=${link.port} user=postgres application_name=standby`,
    hot_standby: true,
  });
  // Whoever runs Postgres must be able to open it for writing.
  await Deno.writeTextFile(join(cluster.dataDir, "standby.signal"), "");
  await Deno.chmod(join(cluster.dataDir, "standby.signal"), 0o666);
  await cluster.start();
  await followed(primary);
  const moved = stack.move();
  return { cluster, link, [Symbol.asyncDispose]: () => moved.disposeAsync() };
}

async function followed(primary: Cluster): Promise<void> {
  const sql = postgres(primary.url(), { max: 1 });
  try {
    const isFollowed = async () =>
      (await sql`SELECT FROM pg_stat_replication WHERE state = 'streaming'`).length > 0;
    while (!await isFollowed()) await pause(20);
  } finally {
    await sql.end();
  }
}
