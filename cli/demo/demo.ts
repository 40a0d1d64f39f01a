/** `electric-ts demo`: a Postgres with sample data and a stream of writes, and a server on it. */

import { setTimeout as delay } from "node:timers/promises";
import type { Logger } from "../../shapes/ports.ts";
import { openPool, type Sql } from "../../replication/connection.ts";
import { parseDatabaseUrl } from "../../replication/database_url.ts";
import { startCluster } from "./postgres_cluster.ts";
import { nextWrite, SCHEMA_SQL } from "./sample.ts";
import { formatWelcome } from "./welcome.ts";
import type { LineLogger } from "../logger.ts";
import type { ServeConfig } from "../options.ts";
import { serve } from "../serve.ts";

/** Stands for the database until the demo has made it. */
export const DEMO_DATABASE_URL = "postgresql://postgres@127.0.0.1/demo";

const WRITE_INTERVAL_MS = 500;
const POLL_MS = 100;
const READY_TIMEOUT_MS = 60_000;

/**
 * Runs until the signal fires, then removes everything. `say` gets what the user is to read. Of the
 * configuration the database, the storage folder and a port that is taken are replaced.
 */
export async function demo(
  config: ServeConfig,
  logger: LineLogger,
  signal: AbortSignal,
  say: (text: string) => void,
): Promise<void> {
  say("Starting Postgres (its binaries are downloaded from npm the first time) …\n");
  await using cluster = await startCluster({ isDurable: true, settings: { max_connections: 100 } });
  const databaseUrl = cluster.url("demo");
  await makeDatabase(cluster.url(), databaseUrl);
  const port = choosePort(config.port);
  const storageDir = await Deno.makeTempDir({ prefix: "electric-ts-demo-" });
  try {
    const urls = { databaseUrl, pooledDatabaseUrl: databaseUrl };
    await runDemo({ ...config, ...urls, port, storageDir }, logger, signal, say);
    say("Stopped.\n");
  } finally {
    await Deno.remove(storageDir, { recursive: true });
  }
}

/** Serves, guides and writes until the signal fires or one of them fails; then all have ended. */
async function runDemo(
  config: ServeConfig,
  logger: LineLogger,
  signal: AbortSignal,
  say: (text: string) => void,
): Promise<void> {
  const failure = new AbortController();
  const ending = AbortSignal.any([signal, failure.signal]);
  const parts = [serve(config, logger, ending), guide(config, logger, ending, say)];
  try {
    await Promise.all(parts);
  } finally {
    failure.abort();
    await Promise.allSettled(parts);
  }
}

async function guide(
  config: ServeConfig,
  logger: LineLogger,
  signal: AbortSignal,
  say: (text: string) => void,
): Promise<void> {
  const apiUrl = `http://localhost:${config.port}`;
  const position = await findPosition(apiUrl, signal);
  if (!position) return;
  say(formatWelcome({ apiUrl, databaseUrl: config.databaseUrl, ...position }));
  await keepWriting(config.databaseUrl, logger, signal);
}

async function makeDatabase(serverUrl: string, databaseUrl: string): Promise<void> {
  await withDatabase(serverUrl, (sql) => sql.unsafe("CREATE DATABASE demo"));
  await withDatabase(databaseUrl, (sql) => sql.unsafe(SCHEMA_SQL));
}

async function withDatabase(url: string, work: (sql: Sql) => PromiseLike<unknown>): Promise<void> {
  const sql = openPool({ url: parseDatabaseUrl(url), max: 1, applicationName: "electric-ts demo" });
  try {
    await work(sql);
  } finally {
    await sql.end({ timeout: 1 });
  }
}

/** The wanted port, or any free one if it is taken. */
function choosePort(wanted: number): number {
  for (const port of [wanted, 0]) {
    try {
      using listener = Deno.listen({ port });
      return listener.addr.port;
    } catch (error) {
      if (!(error instanceof Deno.errors.AddrInUse)) throw error;
    }
  }
  throw new Error("There is no free port");
}

/** Waits until the API answers and asks where "issues" is now; undefined when stopped before. */
async function findPosition(
  apiUrl: string,
  signal: AbortSignal,
): Promise<{ handle: string; offset: string } | undefined> {
  const deadlineMs = performance.now() + READY_TIMEOUT_MS;
  while (!signal.aborted) {
    try {
      const answer = await fetch(`${apiUrl}/v1/shape?table=issues&offset=now`, { signal });
      const text = await answer.text();
      const handle = answer.headers.get("electric-handle");
      const offset = answer.headers.get("electric-offset");
      if (answer.ok && handle && offset) return { handle, offset };
      if (answer.status < 500) throw new Error(`The server answered ${answer.status}: ${text}`);
    } catch (error) {
      // Not listening yet.
      if (!(error instanceof TypeError) && !signal.aborted) throw error;
    }
    if (performance.now() > deadlineMs) throw new Error("The server did not become ready");
    await pause(POLL_MS, signal);
  }
  return undefined;
}

async function keepWriting(url: string, logger: Logger, signal: AbortSignal): Promise<void> {
  await withDatabase(url, async (sql) => {
    while (!signal.aborted) {
      try {
        await sql.unsafe(nextWrite(Math.random));
      } catch (error) {
        logger.warn("A sample write failed", { reason: String(error) });
      }
      await pause(WRITE_INTERVAL_MS, signal);
    }
  });
}

async function pause(ms: number, signal: AbortSignal): Promise<void> {
  // Rejects when the signal fires: the pause is over then too.
  await delay(ms, undefined, { signal }).catch(() => {});
}
