/** What the crash tests write, transaction by transaction: every process can tell what belongs there. */

import { SNAPSHOT_END } from "../../../shapes/offset.ts";
import type { ShapeStore } from "../../../shapes/log/store.ts";

export const HANDLES = ["h0", "h1", "h2", "h3", "h4", "h5"];
const SIZES = [30, 300, 3_000, 400, 20_000, 90, 70_000, 12, 200_000];

/** The text that a transaction appends to a shape; undefined if it does not concern it. */
export function entryText(handle: number, lsn: bigint): string | undefined {
  const n = Number(lsn) * 7 + handle * 3;
  if (n % 5 < 2) return undefined;
  return `,h${handle}_${lsn} `.padEnd(SIZES[n % SIZES.length], "x");
}

export function createShapes(store: ShapeStore): void {
  for (const handle of HANDLES) {
    store.createShape(handle, `meta of ${handle}`);
    store.appendSnapshot(handle, 0, new TextEncoder().encode(`,${handle}`));
    store.completeSnapshot(handle, `snapshot of ${handle}`);
  }
}

export function writeTransaction(store: ShapeStore, lsn: bigint): void {
  HANDLES.forEach((handle, i) => {
    const text = entryText(i, lsn);
    if (text === undefined) return;
    const last = { lsn, op: 3 };
    store.appendLog(handle, { first: { lsn, op: 0 }, last, bytes: new TextEncoder().encode(text) });
    if ((Number(lsn) + i) % 11 === 0) store.endChunk(handle, last);
  });
  store.setAppliedLsn(lsn);
}

/** What a shape's log holds when transactions 1 to `lsn` have been applied. */
export function logText(handle: number, lsn: bigint): string {
  let text = "";
  for (let i = 1n; i <= lsn; i++) text += entryText(handle, i) ?? "";
  return text;
}

export async function readAll(store: ShapeStore, handle: string): Promise<string> {
  let text = "";
  const end = { lsn: 2n ** 64n - 1n, op: Infinity };
  for await (const { bytes } of store.readLog(handle, SNAPSHOT_END, end)) {
    text += new TextDecoder().decode(bytes);
  }
  return text;
}
