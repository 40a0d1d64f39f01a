/** One attempt to connect to Postgres. */

import { openPool } from "../../replication/connection.ts";
import type { DatabaseUrl } from "../../replication/database_url.ts";
import { classifyPostgresError } from "../../replication/postgres_error.ts";

/** Connects once: the code of what went wrong, or whether the connection is encrypted. */
export async function tryConnect(url: DatabaseUrl): Promise<string> {
  const pool = openPool({ url, max: 1 });
  try {
    const [row] = await pool`SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()`;
    return row.ssl ? "encrypted" : "plain";
  } catch (error) {
    return classifyPostgresError(error);
  } finally {
    await pool.end({ timeout: 0 });
  }
}
