/** The case's own Postgres: a cluster with the tables and the server's role. */

import { join } from "node:path";
import postgres from "postgres";
import { type Cluster, startCluster } from "../support/postgres.ts";
import type { ProxyTarget } from "../support/tcp_proxy.ts";
import { DATABASE, ROLE, SCHEMA_SQL } from "./schema.ts";

const SETTINGS = {
  // What was acknowledged survives `kill -9` of Postgres; only the machine may not crash.
  synchronous_commit: "on",
  fsync: "off",
  full_page_writes: "off",
  // Relative to the data folder: a way in that pg_hba.conf tells apart from TCP.
  unix_socket_directories: ".",
};

/** Starts a cluster with everything in it. */
export async function startPrimary(): Promise<Cluster> {
  const cluster = await startCluster({ settings: SETTINGS });
  await withSql(cluster.url(), async (sql) => {
    await sql.unsafe(`CREATE ROLE ${ROLE} LOGIN REPLICATION`);
    await sql.unsafe(`CREATE DATABASE ${DATABASE} OWNER ${ROLE}`);
  });
  await withSql(cluster.url(DATABASE), async (sql) => void await sql.unsafe(SCHEMA_SQL));
  return cluster;
}

/** The same database for the server's role. */
export function roleUrl(url: string): string {
  const changed = new URL(url);
  changed.username = ROLE;
  return changed.href;
}

export function tcpTarget(cluster: Cluster): ProxyTarget {
  return { hostname: "127.0.0.1", port: cluster.port };
}

/** The cluster's Unix socket: for pg_hba.conf its connections are `local`. */
export function socketTarget(cluster: Cluster): ProxyTarget {
  return { path: join(cluster.dataDir, `.s.PGSQL.${cluster.port}`) };
}

/** Runs with a connection for the superuser. */
export async function withSql<T>(url: string, work: (sql: postgres.Sql) => Promise<T>): Promise<T> {
  const sql = postgres(url, { max: 1, onnotice: () => {} });
  try {
    return await work(sql);
  } finally {
    await sql.end({ timeout: 0 });
  }
}
