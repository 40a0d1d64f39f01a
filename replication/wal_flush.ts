/**
 * A snapshot sees what commits as soon as it is committed, which with `synchronous_commit` off is
 * before it is on disk: a crash of the server then takes back what was read, and uses its transaction
 * ids again. The stream never runs ahead of the disk; snapshots must not either.
 */

import { setTimeout as pause } from "node:timers/promises";
import { parseLsn } from "./lsn.ts";
import type { Transaction } from "./transaction.ts";

export interface WalFlushOptions {
  /** Has the server put its WAL on disk; may reject, and need not end. */
  readonly flush: (() => Promise<unknown>) | undefined;
  readonly signal: AbortSignal;
}

const PAUSE_MIN_MS = 4;
const PAUSE_MAX_MS = 64;

/** Postgres, "Asynchronous Commit": no commit is on disk later than this many rounds of the writer. */
const WRITER_ROUNDS = 3;

/** Before it only a commit flushes, which takes a transaction id. */
const SERVER_VERSION_FLUSH = 170_000;

/**
 * Writes a message, whose position is `lsn`, and with it puts all WAL before it on disk. Without a
 * version: in the way that any server knows.
 */
export function flushSql(serverVersion = 0): string {
  const isByFlag = serverVersion >= SERVER_VERSION_FLUSH;
  const mode = isByFlag ? "false, 'electric-ts', '', true" : "true, 'electric-ts', ''";
  const setting = isByFlag ? "" : ", pg_catalog.set_config('synchronous_commit', 'local', true)";
  return `SELECT pg_catalog.pg_logical_emit_message(${mode})::text AS lsn${setting}`;
}

/** Where the WAL on disk ends; NULL on a replica, which replays nothing else. */
export const FLUSHED_SQL = `CASE WHEN NOT pg_catalog.pg_is_in_recovery()
      THEN pg_catalog.pg_current_wal_flush_lsn() END::text`;

const FLUSHED_AND_ROUND_SQL = `SELECT ${FLUSHED_SQL} AS flushed,
  (SELECT setting::int FROM pg_catalog.pg_settings WHERE name = 'wal_writer_delay') AS round_ms`;

/** Whether all WAL before the position is on disk, as `FLUSHED_SQL` says. */
export function isFlushed(flushed: string | null, position: bigint): boolean {
  return flushed === null || parseLsn(flushed) >= position;
}

/**
 * Resolves once the server can't take back what committed before the position. It is asked by the
 * transaction that has seen it, for the server can't have crashed while that goes on.
 */
export async function awaitFlush(
  transaction: Transaction,
  position: bigint,
  { flush, signal }: WalFlushOptions,
): Promise<void> {
  const startMs = performance.now();
  for (let pauseMs = PAUSE_MIN_MS;; pauseMs = Math.min(2 * pauseMs, PAUSE_MAX_MS)) {
    const [{ flushed, round_ms: roundMs }] = await transaction.query(FLUSHED_AND_ROUND_SQL);
    signal.throwIfAborted();
    if (isFlushed(flushed, position)) return;
    // What then is not on disk is no commit.
    if (performance.now() - startMs > WRITER_ROUNDS * roundMs) return;
    // Those who wait for their own commits have it there in a moment.
    if (pauseMs === 2 * PAUSE_MIN_MS) flush?.().catch(() => {});
    await pause(pauseMs, undefined, { signal });
  }
}
