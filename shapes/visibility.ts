/** Which transactions a snapshot has already seen: what joins a snapshot to the stream. */

import type { Visibility } from "./ports.ts";

const MODULUS = 0x1_0000_0000;
const HALF = 0x8000_0000;

/**
 * True when the snapshot holds the transaction's effects, so that the log must leave it out. The
 * stream's ids have 32 bits and the snapshot's 64: they are compared on the circle, as Postgres
 * does, which is safe because the two are close in time: a transaction that committed at or beyond
 * the WAL position read after the snapshot was taken is never in it, whatever its id.
 */
export function isInSnapshot(
  visibility: Visibility,
  transaction: { readonly xid: number; readonly commitLsn: bigint },
): boolean {
  if (transaction.commitLsn >= visibility.walPosition) return false;
  if (visibility.isByPosition) return true;
  if (precedes(transaction.xid, low(visibility.xmin))) return true;
  if (!precedes(transaction.xid, low(visibility.xmax))) return false;
  return !visibility.inProgress.some((xid) => low(xid) === transaction.xid);
}

/** Whether the snapshot shows what a transaction did that is known to have committed by now. */
export function shows({ xmax, inProgress }: Visibility, xid: number): boolean {
  return precedes(xid, low(xmax)) && !inProgress.some((open) => low(open) === xid);
}

/**
 * The transactions that the later snapshot has seen and the earlier one has not: 32-bit ids, none if
 * there are more than `max` or if they can't be told.
 */
export function newlySeen(before: Visibility, now: Visibility, max: number): number[] {
  const [from, to] = [before.xmin, now.xmax];
  if (before.isByPosition || now.isByPosition || to - from > BigInt(max * 100)) return [];
  const found: number[] = [];
  const known = new Set(before.inProgress), open = new Set(now.inProgress);
  for (let xid = from; xid < to; xid++) {
    if (open.has(xid) || (xid < before.xmax && !known.has(xid))) continue;
    found.push(low(xid));
    if (found.length > max) return [];
  }
  return found;
}

function low(xid: bigint): number {
  return Number(BigInt.asUintN(32, xid));
}

/** `TransactionIdPrecedes` of Postgres: a is before b on the circle of 2^32 ids. */
function precedes(a: number, b: number): boolean {
  const distance = (a - b + MODULUS) % MODULUS;
  return distance >= HALF;
}
