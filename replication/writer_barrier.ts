/** Waits for transactions that wrote to tables before these were published. */

import type { Sql } from "./connection.ts";

/** Modes that somebody who changes rows holds until the end of the transaction. */
const WRITER_MODES =
  "'RowExclusiveLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock'";
const POLL_MIN_MS = 20;
const POLL_MAX_MS = 500;

export interface WriterBarrier {
  readonly oids: readonly number[];
  /**
   * Only transactions with an id from before this one; null for all. A transaction without an id
   * has written nothing yet.
   */
  readonly beforeXid: string | null;
  readonly timeoutMs: number;
}

/**
 * Resolves with true when every transaction that writes to the tables at the time of the call has
 * ended, prepared ones too; with false when the time is over. Takes no lock: nobody waits for us.
 */
export async function waitForWriters(sql: Sql, barrier: WriterBarrier): Promise<boolean> {
  const deadlineMs = performance.now() + barrier.timeoutMs;
  let writers = await readWriters(sql, barrier);
  for (let pauseMs = POLL_MIN_MS; writers.size > 0; pauseMs = Math.min(POLL_MAX_MS, 2 * pauseMs)) {
    if (performance.now() + pauseMs > deadlineMs) return false;
    await new Promise((resolve) => setTimeout(resolve, pauseMs));
    // Those that came later wrote to a published table.
    writers = writers.intersection(await readWriters(sql, barrier));
  }
  return true;
}

/** Ids (`virtualtransaction`) of the transactions that write to the tables. */
async function readWriters(sql: Sql, { oids, beforeXid }: WriterBarrier): Promise<Set<string>> {
  const condition = beforeXid === null ? "" : `
      AND EXISTS (
        SELECT FROM pg_catalog.pg_locks x
        WHERE x.virtualtransaction = l.virtualtransaction AND x.locktype = 'transactionid'
          AND x.mode = 'ExclusiveLock' AND x.granted
          AND pg_catalog.age(x.transactionid) > pg_catalog.age('${beforeXid}'::xid))`;
  const rows = await sql.unsafe<{ id: string }[]>(`
    SELECT DISTINCT l.virtualtransaction AS id
    FROM pg_catalog.pg_locks l
    WHERE l.locktype = 'relation' AND l.relation IN (${oids}) AND l.granted
      AND l.database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database())
      AND l.mode IN (${WRITER_MODES})
      AND l.pid IS DISTINCT FROM pg_catalog.pg_backend_pid()${condition}`);
  return new Set(rows.map(({ id }) => id));
}
