/**
 * The messages inside the copy-data stream of START_REPLICATION, both ways. Postgres manual,
 * "Streaming Replication Protocol".
 */

import {
  type Cursor,
  expectEnd,
  openCursor,
  POSTGRES_EPOCH_MS,
  readTimeMs,
  readUint64,
  readUint8,
} from "./bytes.ts";
import { ProtocolError } from "./protocol_error.ts";

/** What the server sends. */
export type StandbyMessage =
  | {
    readonly kind: "xlogData";
    /** LSN of the change that `data` tells of; 0 for kinds without one. */
    readonly walStart: bigint;
    /** The server's WAL end as it sent this. */
    readonly walEnd: bigint;
    /** When it did, by its own clock. */
    readonly sentAtMs: number;
    /** One message of the output plugin: a view into the given bytes. */
    readonly data: Uint8Array;
  }
  | {
    readonly kind: "keepalive";
    /** The server's WAL end; for a logical slot, all before it has been decoded and sent. */
    readonly walEnd: bigint;
    /** The server drops the connection when it hears nothing before its `wal_sender_timeout`. */
    readonly isReplyRequested: boolean;
  };

const XLOG_DATA = 0x77; // w
const KEEPALIVE = 0x6b; // k
const STATUS_UPDATE = 0x72; // r
const STATUS_UPDATE_SIZE = 34;

/** Decodes one copy-data message. Throws `ProtocolError`, and nothing else, whatever the bytes. */
export function decodeStandby(bytes: Uint8Array): StandbyMessage {
  switch (bytes[0]) {
    case XLOG_DATA:
      return decodeXlogData(openCursor(bytes, "xlogData"));
    case KEEPALIVE:
      return decodeKeepalive(openCursor(bytes, "keepalive"));
  }
  throw new ProtocolError(
    bytes.length === 0 ? "Empty message" : `Unknown message tag ${bytes[0]}`,
    { messageKind: "standby", position: 0 },
  );
}

function decodeXlogData(cursor: Cursor): StandbyMessage {
  const walStart = readUint64(cursor);
  const walEnd = readUint64(cursor);
  const sentAtMs = readTimeMs(cursor);
  return { kind: "xlogData", walStart, walEnd, sentAtMs, data: cursor.bytes.subarray(cursor.at) };
}

function decodeKeepalive(cursor: Cursor): StandbyMessage {
  const walEnd = readUint64(cursor);
  readTimeMs(cursor);
  const isReplyRequested = readUint8(cursor) !== 0;
  expectEnd(cursor);
  return { kind: "keepalive", walEnd, isReplyRequested };
}

/**
 * Encodes a standby status update ('r', 34 bytes). The three positions are the byte after the last
 * one written, flushed and applied; `flushed` is what lets the server drop WAL. With
 * `isReplyRequested` the server answers with a keepalive at once. Throws `RangeError` for an LSN
 * outside 64 bits.
 */
export function encodeStatusUpdate(
  status: {
    written: bigint;
    flushed: bigint;
    applied: bigint;
    nowMs: number;
    isReplyRequested?: boolean;
  },
): Uint8Array {
  const bytes = new Uint8Array(STATUS_UPDATE_SIZE);
  const view = new DataView(bytes.buffer);
  bytes[0] = STATUS_UPDATE;
  view.setBigUint64(1, checkedLsn(status.written));
  view.setBigUint64(9, checkedLsn(status.flushed));
  view.setBigUint64(17, checkedLsn(status.applied));
  view.setBigInt64(25, BigInt(Math.round((status.nowMs - POSTGRES_EPOCH_MS) * 1000)));
  bytes[33] = status.isReplyRequested ? 1 : 0;
  return bytes;
}

// setBigUint64 would wrap in silence, and a wrapped `flushed` makes the server drop WAL.
function checkedLsn(lsn: bigint): bigint {
  if (lsn < 0n || lsn >> 64n !== 0n) throw new RangeError(`LSN ${lsn} does not fit 64 bits`);
  return lsn;
}
