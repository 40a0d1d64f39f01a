/**
 * Which history of the database the logs tell of. A promoted replica or a restored backup begins a
 * history of its own, whose WAL positions may be lower than those that logs hold already. Positions
 * in logs never go back (invariant I3), so such a history's are shifted.
 */

import type { StoredIdentity } from "./log/store.ts";

/** What tells one history from another. */
export interface HistoryName {
  readonly systemId: string;
  readonly timeline: number;
  readonly database: string;
}

/** Records begin at multiples of this many bytes: shifted positions must, too. */
const ALIGNMENT = 8n;

export function isSameHistory(stored: StoredIdentity | undefined, name: HistoryName): boolean {
  return stored !== undefined && stored.systemId === name.systemId &&
    stored.timeline === name.timeline && stored.database === name.database;
}

/**
 * A history that begins after all that logs hold. `position`: from where on its transactions come,
 * as the server counts; `reached`: the last position that a log or an answer may have named.
 */
export function beginHistory(
  name: HistoryName,
  before: StoredIdentity | undefined,
  position: bigint,
  reached: bigint,
): StoredIdentity {
  const shift = before?.shift ?? 0n;
  const isBeyond = position + shift > reached;
  const needed = isBeyond ? shift : align(reached - position + ALIGNMENT);
  const { systemId, timeline, database } = name, beganAt = position + needed;
  const timelineBeganAt = before && isSameHistory(before, name) ? before.timelineBeganAt : beganAt;
  return { systemId, timeline, database, shift: needed, beganAt, timelineBeganAt };
}

function align(bytes: bigint): bigint {
  return (bytes + ALIGNMENT - 1n) / ALIGNMENT * ALIGNMENT;
}

/**
 * Where a reconcile's items go: beyond the last transaction taken in, before any that may follow.
 * Transactions end at multiples of 8, so a position with the lowest bit set is never one of theirs.
 */
export function reconciledLsn(committed: bigint, appended: bigint): bigint {
  return (committed > appended ? committed : appended) | 1n;
}
