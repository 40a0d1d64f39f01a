/**
 * Positions in a shape's log. A position is the commit LSN of a transaction and the number of an
 * operation in it; offsets are exclusive lower bounds when they are asked for, and the last one
 * carried when they are answered (WIRE.md 2.4, 4.8).
 */

export interface Offset {
  readonly lsn: bigint;
  /** Position within the transaction; `Infinity` is the end of it (`0_inf`: end of the snapshot). */
  readonly op: number;
}

/** What the `offset` parameter may say. */
export type RequestedOffset =
  | { readonly kind: "before" }
  | { readonly kind: "now" }
  | { readonly kind: "at"; readonly offset: Offset };

/** The end of the snapshot and the start of the transaction log. */
export const SNAPSHOT_END: Offset = { lsn: 0n, op: Infinity };

const GRAMMAR = /^([+-]?\d+)_(?:([+-]?\d+)|(inf))$/;

/** Parses the `offset` parameter; undefined when it is outside the grammar. */
export function parseRequestedOffset(text: string): RequestedOffset | undefined {
  if (text === "-1") return { kind: "before" };
  if (text === "now") return { kind: "now" };
  const match = GRAMMAR.exec(text);
  if (!match) return undefined;
  const lsn = BigInt(match[1].replace("+", ""));
  const op = match[3] ? Infinity : Number(match[2]);
  if (lsn === -1n && op === 0) return { kind: "before" };
  if (lsn < 0n || op < 0) return undefined;
  return { kind: "at", offset: { lsn, op } };
}

export function formatOffset(offset: Offset): string {
  return `${offset.lsn}_${offset.op === Infinity ? "inf" : offset.op}`;
}

/** Formats a requested offset canonically, as etags show it. */
export function formatRequestedOffset(requested: RequestedOffset): string {
  switch (requested.kind) {
    case "before":
      return "-1";
    case "now":
      return "now";
    case "at":
      return formatOffset(requested.offset);
  }
}

/** Negative, zero or positive, as for `Array.prototype.sort`. */
export function compareOffsets(a: Offset, b: Offset): number {
  if (a.lsn !== b.lsn) return a.lsn < b.lsn ? -1 : 1;
  return a.op === b.op ? 0 : a.op < b.op ? -1 : 1;
}
