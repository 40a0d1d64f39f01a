/**
 * Real Postgres for tests. All test files of a run share one server: the one that TEST_DATABASE_URL
 * names, or one that the first test starts, of TEST_PG_BIN's version or the embedded one.
 */

import { join } from "node:path";
import postgres from "postgres";
import { openTempFolder } from "../../cli/demo/postgres_binaries.ts";
import {
  CLUSTER_PREFIX,
  type ClusterOptions,
  type PostgresCluster,
  startCluster as startAnyCluster,
} from "../../cli/demo/postgres_cluster.ts";

export type { ClusterOptions, PostgresCluster as Cluster };

export interface TestDatabase extends AsyncDisposable {
  /** For the superuser; holds no password. */
  readonly url: string;
  readonly name: string;
  /** Up to five connections; notices are ignored. Closed on dispose. */
  readonly sql: postgres.Sql;
}

export interface TestDatabaseOptions {
  /** `ALTER DATABASE … SET` before anyone connects. */
  readonly settings?: Readonly<Record<string, string | number | boolean>>;
  /** A server of one's own instead of the shared one: `cluster.url()`. */
  readonly serverUrl?: string;
}

/** Makes a fresh database. Its replication slots and then it itself are dropped on dispose. */
export async function testDatabase(options: TestDatabaseOptions = {}): Promise<TestDatabase> {
  const serverUrl = options.serverUrl ?? await sharedServerUrl();
  const name = `test_${Deno.pid}_${crypto.randomUUID().replaceAll("-", "").slice(0, 12)}`;
  await withAdmin(serverUrl, async (admin) => {
    await admin.unsafe(`CREATE DATABASE ${name} TEMPLATE template0`);
    for (const [setting, value] of Object.entries(options.settings ?? {})) {
      await admin.unsafe(`ALTER DATABASE ${name} SET ${setting} = '${value}'`);
    }
  });
  const url = new URL(serverUrl);
  url.pathname = `/${name}`;
  const sql = postgres(url.href, { max: 5, onnotice: () => {} });
  return {
    url: url.href,
    name,
    sql,
    async [Symbol.asyncDispose]() {
      await sql.end({ timeout: 0 });
      await withAdmin(serverUrl, (admin) => dropDatabase(admin, name));
    },
  };
}

/** Starts a server of its own, for tests that restart or break it. Dispose it. */
export async function startCluster(options: ClusterOptions = {}): Promise<PostgresCluster> {
  return await startAnyCluster({ binDir: Deno.env.get("TEST_PG_BIN") || undefined, ...options });
}

/** URL of the shared server's database `postgres`. */
export async function sharedServerUrl(): Promise<string> {
  const given = Deno.env.get("TEST_DATABASE_URL");
  if (given) return given;
  // Test files share the process but no module state: they meet in a file.
  const path = join(openTempFolder(), `${CLUSTER_PREFIX}${Deno.pid}-shared.url`);
  using file = await Deno.open(path, { create: true, read: true, write: true, mode: 0o600 });
  await file.lock(true);
  const known = await Deno.readTextFile(path);
  // A process of the same number may have left the file.
  if (known && await isListening(known)) return known;
  const cluster = await startCluster();
  await Deno.writeTextFile(path, cluster.url());
  return cluster.url();
}

async function isListening(url: string): Promise<boolean> {
  const { hostname, port } = new URL(url);
  try {
    (await Deno.connect({ hostname, port: Number(port) })).close();
    return true;
  } catch {
    return false;
  }
}

async function withAdmin(url: string, work: (admin: postgres.Sql) => Promise<void>): Promise<void> {
  const admin = postgres(url, { max: 1, onnotice: () => {} });
  try {
    await work(admin);
  } finally {
    await admin.end({ timeout: 0 });
  }
}

async function dropDatabase(admin: postgres.Sql, name: string): Promise<void> {
  for (;;) {
    const slots = await admin<{ slot_name: string; active_pid: number | null }[]>`
      SELECT slot_name, active_pid FROM pg_replication_slots WHERE database = ${name}`;
    if (slots.length === 0) break;
    for (const { slot_name, active_pid } of slots) await dropSlot(admin, slot_name, active_pid);
  }
  await admin.unsafe(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`);
}

async function dropSlot(admin: postgres.Sql, slot: string, user: number | null): Promise<void> {
  // Waits up to 5 s for the walsender to be gone: it holds the slot until then.
  if (user !== null) await admin`SELECT pg_terminate_backend(${user}, 5000)`;
  try {
    await admin`SELECT pg_drop_replication_slot(${slot})`;
  } catch (error) {
    // 55006: somebody took it again; 42704: it was temporary and went with its connection.
    const isExpected = error instanceof postgres.PostgresError &&
      (error.code === "55006" || error.code === "42704");
    if (!isExpected) throw error;
  }
}
