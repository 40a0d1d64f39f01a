/**
 * Whether the instance that holds our lock is dead: the server may keep the connection of a machine
 * that is gone for hours. Pure, but for the SQL that it is asked with.
 */

export interface LockHolder {
  readonly pid: number;
  /** `pg_stat_activity.state`. */
  readonly state: string | undefined;
  readonly waitEvent: string | undefined;
  /** Since `state` changed last. */
  readonly stateMs: number;
  /** When its last status was sent, by its own clock; undefined before it streams. */
  readonly replyMs: number | undefined;
}

/** What is remembered of a holder: since when it has given no sign of life. */
export interface HolderWatch {
  readonly pid: number;
  readonly replyMs: number | undefined;
  readonly sinceMs: number;
}

/** An instance that streams sends a status every other second, older versions every 10 s. */
export const HOLDER_SILENCE_MS = 15_000;
/** An instance that sets up asks one thing after the other, and waits for its own disk between. */
const IDLE_MAX_MS = 60_000;

/** SQL for at most one row with one column, `holder`. The key is as `pg_try_advisory_lock` takes it. */
export function holderSql(key: bigint): string {
  const high = BigInt.asUintN(32, key >> 32n), low = BigInt.asUintN(32, key);
  return `
SELECT pg_catalog.json_build_object(
  'pid', a.pid, 'state', a.state, 'waitEvent', a.wait_event,
  'stateMs', pg_catalog.date_part('epoch', pg_catalog.clock_timestamp() - a.state_change) * 1000,
  'replyMs', pg_catalog.date_part('epoch', r.reply_time) * 1000)::text AS holder
FROM pg_catalog.pg_locks l
JOIN pg_catalog.pg_stat_activity a USING (pid)
LEFT JOIN pg_catalog.pg_stat_replication r USING (pid)
WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1
  AND l.classid = ${high} AND l.objid = ${low}
  AND l.database = (SELECT oid FROM pg_catalog.pg_database
    WHERE datname = pg_catalog.current_database())`;
}

/** Reads what `holderSql` gives; undefined when nobody holds the lock. */
export function parseHolder(text: unknown): LockHolder | undefined {
  if (typeof text !== "string") return undefined;
  // The query builds exactly this, but for NULLs.
  const { pid, state, waitEvent, stateMs, replyMs } = JSON.parse(text) as {
    [K in keyof LockHolder]: LockHolder[K] | null;
  };
  return {
    pid: pid ?? 0,
    state: state ?? undefined,
    waitEvent: waitEvent ?? undefined,
    stateMs: stateMs ?? 0,
    replyMs: replyMs ?? undefined,
  };
}

/**
 * Notes a look at the holder. Only the time in which its backend waits counts: one that decodes a
 * large transaction reads no status of its client, however well that is. Clocks are not compared.
 */
export function watchHolder(
  before: HolderWatch | undefined,
  { pid, replyMs, waitEvent }: LockHolder,
  nowMs: number,
): HolderWatch {
  const isSame = before?.pid === pid && before.replyMs === replyMs &&
    waitEvent?.startsWith("WalSender") === true;
  return isSame ? before : { pid, replyMs, sinceMs: nowMs };
}

/** Why the holder is dead; undefined when it is not known to be. */
export function judgeHolder(
  { replyMs, sinceMs }: HolderWatch,
  holder: LockHolder,
  nowMs: number,
  silenceMs = HOLDER_SILENCE_MS,
): string | undefined {
  if (replyMs !== undefined) {
    const silentMs = nowMs - sinceMs;
    if (silentMs < silenceMs) return undefined;
    return `It streams, and has sent no status for ${Math.round(silentMs / 1000)} s`;
  }
  // A slot is made, or another query runs, for as long as that takes.
  if (holder.state !== "idle" || holder.stateMs < IDLE_MAX_MS) return undefined;
  return `It does not stream, and has asked nothing for ${Math.round(holder.stateMs / 1000)} s`;
}
