/** pgoutput messages (protocol 1) made here, for volumes that no capture holds. */

import type { Relation } from "../../../shapes/change.ts";

const encoder = new TextEncoder();
const IDENTITY_FULL = "f";

type Part = Uint8Array | string;

export function beginBytes(commitLsn: bigint, xid: number): Uint8Array {
  return join("B", int(commitLsn, 8), int(0n, 8), int(xid, 4));
}

export function commitBytes(commitLsn: bigint, endLsn: bigint): Uint8Array {
  return join("C", int(0, 1), int(commitLsn, 8), int(endLsn, 8), int(0n, 8));
}

export function relationBytes({ oid, schema, name, columns }: Relation): Uint8Array {
  const parts = columns.flatMap(({ name, typeOid, typeMod, isIdentity }) => [
    int(Number(isIdentity), 1),
    `${name}\0`,
    int(typeOid, 4),
    int(typeMod, 4),
  ]);
  const count = int(columns.length, 2);
  return join("R", int(oid, 4), `${schema}\0${name}\0`, IDENTITY_FULL, count, ...parts);
}

export function insertBytes(oid: number, row: readonly (string | null)[]): Uint8Array {
  return join("I", int(oid, 4), "N", ...tuple(row));
}

/** With the whole old row, as REPLICA IDENTITY FULL has it. */
export function updateBytes(
  oid: number,
  old: readonly (string | null)[],
  row: readonly (string | null)[],
): Uint8Array {
  return join("U", int(oid, 4), "O", ...tuple(old), "N", ...tuple(row));
}

function tuple(texts: readonly (string | null)[]): Part[] {
  const columns = texts.flatMap((text) => {
    if (text === null) return ["n"];
    const bytes = encoder.encode(text);
    return ["t", int(bytes.length, 4), bytes];
  });
  return [int(texts.length, 2), ...columns];
}

/** Big-endian, two's complement. */
function int(value: number | bigint, size: number): Uint8Array {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigInt64(0, BigInt(value));
  return bytes.subarray(8 - size);
}

function join(...parts: readonly Part[]): Uint8Array {
  const bytes = parts.map((part) => typeof part === "string" ? encoder.encode(part) : part);
  const joined = new Uint8Array(bytes.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of bytes) {
    joined.set(part, at);
    at += part.length;
  }
  return joined;
}
