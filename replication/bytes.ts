/**
 * Reads network-order fields out of a message, in place. Every read checks the bounds first and
 * throws `ProtocolError`, so a decoder built on it is total: no input makes it throw anything else,
 * loop, or allocate more than the input's own size.
 */

import { ProtocolError } from "./protocol_error.ts";

/** A place in a message. One per message: the fields move it along. */
export interface Cursor {
  readonly bytes: Uint8Array;
  /** For errors: which kind of message is being read. */
  readonly messageKind: string;
  at: number;
}

/** Starts behind the byte that tells the kind. */
export function openCursor(bytes: Uint8Array, messageKind: string): Cursor {
  return { bytes, messageKind, at: 1 };
}

// One view for all: making one per message costs more than the rest of a short message.
const scratch = new DataView(new ArrayBuffer(8));
// The server may name a table with U+FEFF, so a leading one is no byte order mark.
const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

export function readUint8(cursor: Cursor): number {
  const at = take(cursor, 1);
  return cursor.bytes[at];
}

export function readUint16(cursor: Cursor): number {
  const at = take(cursor, 2);
  const { bytes } = cursor;
  return bytes[at] << 8 | bytes[at + 1];
}

export function readInt32(cursor: Cursor): number {
  const at = take(cursor, 4);
  return int32At(cursor.bytes, at);
}

export function readUint32(cursor: Cursor): number {
  return readInt32(cursor) >>> 0;
}

export function readUint64(cursor: Cursor): bigint {
  const at = take(cursor, 8);
  scratch.setInt32(0, int32At(cursor.bytes, at));
  scratch.setInt32(4, int32At(cursor.bytes, at + 4));
  return scratch.getBigUint64(0);
}

/** Microseconds since 2000-01-01 UTC, as Postgres counts time; answered in Unix milliseconds. */
export function readTimeMs(cursor: Cursor): number {
  const at = take(cursor, 8);
  const micros = int32At(cursor.bytes, at) * 2 ** 32 + (int32At(cursor.bytes, at + 4) >>> 0);
  return POSTGRES_EPOCH_MS + micros / 1000;
}

/** 2000-01-01T00:00:00Z in Unix milliseconds. */
export const POSTGRES_EPOCH_MS = 946_684_800_000;

/** Text up to a NUL byte, which is consumed. */
export function readName(cursor: Cursor): string {
  const { bytes, at } = cursor;
  const end = bytes.indexOf(0, at);
  if (end < 0) fail(cursor, "Name without an end");
  try {
    const name = utf8.decode(bytes.subarray(at, end));
    cursor.at = end + 1;
    return name;
  } catch {
    fail(cursor, "Name is not valid UTF-8");
  }
}

/** As many bytes as the 32-bit count before them says; a view, not a copy. */
export function readCounted(cursor: Cursor): Uint8Array {
  const length = readInt32(cursor);
  if (length < 0) fail(cursor, `Negative length ${length}`);
  const at = take(cursor, length);
  return cursor.bytes.subarray(at, at + length);
}

/** To be called when all fields are read. */
export function expectEnd(cursor: Cursor): void {
  const extra = cursor.bytes.length - cursor.at;
  if (extra !== 0) fail(cursor, `${extra} bytes too many`);
}

export function fail(cursor: Cursor, message: string): never {
  throw new ProtocolError(message, { messageKind: cursor.messageKind, position: cursor.at });
}

/** The caller has checked that four bytes are there. */
export function int32At(bytes: Uint8Array, at: number): number {
  return bytes[at] << 24 | bytes[at + 1] << 16 | bytes[at + 2] << 8 | bytes[at + 3];
}

function take(cursor: Cursor, size: number): number {
  const at = cursor.at;
  const left = cursor.bytes.length - at;
  if (left < size) fail(cursor, `Cut short: needs ${size} bytes and has ${left}`);
  cursor.at = at + size;
  return at;
}
