/**
 * Decodes the messages of Postgres' own output plugin, protocol version 1 with text columns: what
 * we ask for. Postgres manual, "Logical Replication Message Formats"; the server's side is
 * src/backend/replication/logical/proto.c.
 */

import type { Relation, RelationColumn } from "../shapes/change.ts";
import { NULL_LENGTH, Row, UNCHANGED_LENGTH } from "../shapes/row.ts";
import {
  type Cursor,
  expectEnd,
  fail,
  int32At,
  openCursor,
  readCounted,
  readInt32,
  readName,
  readTimeMs,
  readUint16,
  readUint32,
  readUint64,
  readUint8,
} from "./bytes.ts";
import { ProtocolError } from "./protocol_error.ts";

export type PgoutputMessage =
  | {
    readonly kind: "begin";
    /** LSN of the transaction's commit record (`final_lsn`). */
    readonly commitLsn: bigint;
    readonly committedAtMs: number;
    readonly xid: number;
  }
  | { readonly kind: "commit"; readonly commitLsn: bigint; readonly endLsn: bigint }
  | { readonly kind: "relation"; readonly relation: Relation }
  | { readonly kind: "insert"; readonly relationOid: number; readonly row: Row }
  | {
    readonly kind: "update";
    readonly relationOid: number;
    readonly row: Row;
    /** Its `bytes` are those of `row`: both lie in the one message. */
    readonly old: Row | undefined;
    readonly isKeyOnly: boolean;
  }
  | {
    readonly kind: "delete";
    readonly relationOid: number;
    readonly old: Row;
    readonly isKeyOnly: boolean;
  }
  | {
    readonly kind: "truncate";
    readonly relationOids: readonly number[];
    readonly isCascade: boolean;
    readonly isRestartIdentity: boolean;
  }
  | { readonly kind: "type"; readonly oid: number; readonly schema: string; readonly name: string }
  | { readonly kind: "origin"; readonly originLsn: bigint; readonly name: string }
  /** From `pg_logical_emit_message`. */
  | {
    readonly kind: "message";
    readonly isTransactional: boolean;
    readonly lsn: bigint;
    readonly prefix: string;
    readonly content: Uint8Array;
  };

/** Tags of protocol versions 2 to 4 and of two-phase decoding, none of which we ask for. */
const LATER_KINDS: ReadonlyMap<string, string> = new Map([
  ["S", "stream start"],
  ["E", "stream stop"],
  ["c", "stream commit"],
  ["A", "stream abort"],
  ["b", "begin prepare"],
  ["P", "prepare"],
  ["K", "commit prepared"],
  ["r", "rollback prepared"],
  ["p", "stream prepare"],
]);

// The tags of messages and tuples, as character codes.
const BEGIN = 0x42; // B
const COMMIT = 0x43; // C
const RELATION = 0x52; // R
const INSERT = 0x49; // I
const UPDATE = 0x55; // U
const DELETE = 0x44; // D
const TRUNCATE = 0x54; // T
const TYPE = 0x59; // Y
const ORIGIN = 0x4f; // O
const MESSAGE = 0x4d; // M
const NEW_TUPLE = 0x4e; // N
const OLD_TUPLE = 0x4f; // O
const KEY_TUPLE = 0x4b; // K
const COLUMN_TEXT = 0x74; // t
const COLUMN_NULL = 0x6e; // n
const COLUMN_UNCHANGED = 0x75; // u

/**
 * Decodes one message. Rows are views: they keep `data` alive and are wrong once it is overwritten.
 * Throws `ProtocolError`, and nothing else, whatever the bytes.
 */
export function decodePgoutput(data: Uint8Array): PgoutputMessage {
  switch (data[0]) {
    case INSERT:
      return decodeInsert(openCursor(data, "insert"));
    case UPDATE:
      return decodeUpdate(openCursor(data, "update"));
    case DELETE:
      return decodeDelete(openCursor(data, "delete"));
    case BEGIN:
      return decodeBegin(openCursor(data, "begin"));
    case COMMIT:
      return decodeCommit(openCursor(data, "commit"));
    case RELATION:
      return decodeRelation(openCursor(data, "relation"));
    case TRUNCATE:
      return decodeTruncate(openCursor(data, "truncate"));
    case TYPE:
      return decodeType(openCursor(data, "type"));
    case ORIGIN:
      return decodeOrigin(openCursor(data, "origin"));
    case MESSAGE:
      return decodeMessage(openCursor(data, "message"));
  }
  return refuseTag(data);
}

function refuseTag(data: Uint8Array): never {
  const options = { messageKind: "pgoutput", position: 0 };
  if (data.length === 0) throw new ProtocolError("Empty message", options);
  const tag = String.fromCharCode(data[0]);
  const later = LATER_KINDS.get(tag);
  if (later === undefined) throw new ProtocolError(`Unknown message tag ${data[0]}`, options);
  throw new ProtocolError(
    `Message "${tag}" (${later}) does not belong to protocol version 1`,
    options,
  );
}

function decodeInsert(cursor: Cursor): PgoutputMessage {
  const relationOid = readUint32(cursor);
  const tag = readUint8(cursor);
  if (tag !== NEW_TUPLE) failTag(cursor, tag);
  const row = readTuple(cursor);
  expectEnd(cursor);
  return { kind: "insert", relationOid, row };
}

function decodeUpdate(cursor: Cursor): PgoutputMessage {
  const relationOid = readUint32(cursor);
  let tag = readUint8(cursor);
  let old: Row | undefined;
  const isKeyOnly = tag === KEY_TUPLE;
  if (isKeyOnly || tag === OLD_TUPLE) {
    old = readTuple(cursor);
    tag = readUint8(cursor);
  }
  if (tag !== NEW_TUPLE) failTag(cursor, tag);
  const row = readTuple(cursor);
  expectEnd(cursor);
  return { kind: "update", relationOid, row, old, isKeyOnly };
}

function decodeDelete(cursor: Cursor): PgoutputMessage {
  const relationOid = readUint32(cursor);
  const tag = readUint8(cursor);
  const isKeyOnly = tag === KEY_TUPLE;
  if (!isKeyOnly && tag !== OLD_TUPLE) failTag(cursor, tag);
  const old = readTuple(cursor);
  expectEnd(cursor);
  return { kind: "delete", relationOid, old, isKeyOnly };
}

/**
 * Reads a tuple without looking at the text. This runs for every row of the stream: offsets are
 * local variables, and nothing is made but the row and its two arrays of small integers.
 */
function readTuple(cursor: Cursor): Row {
  const count = readUint16(cursor);
  const { bytes } = cursor;
  const end = bytes.length;
  const starts: number[] = [], lengths: number[] = [];
  let at = cursor.at;
  for (let i = 0; i < count; i++) {
    const format = at < end ? bytes[at] : -1;
    if (format === COLUMN_TEXT) {
      const length = end - at > 4 ? int32At(bytes, at + 1) : -1;
      const start = at + 5;
      if (length < 0 || length > end - start) failColumn(cursor, at, i, count);
      starts.push(start);
      lengths.push(length);
      at = start + length;
    } else {
      if (format !== COLUMN_NULL && format !== COLUMN_UNCHANGED) failColumn(cursor, at, i, count);
      at++;
      starts.push(at);
      lengths.push(format === COLUMN_NULL ? NULL_LENGTH : UNCHANGED_LENGTH);
    }
  }
  cursor.at = at;
  return new Row(bytes, starts, lengths);
}

/** Says what is wrong with the column whose format byte is at `at`. */
function failColumn(cursor: Cursor, at: number, index: number, count: number): never {
  cursor.at = at;
  const { bytes } = cursor;
  const column = `column ${index + 1} of ${count}`;
  const left = bytes.length - at - 5;
  if (left < -4) fail(cursor, `Tuple cut short before ${column}`);
  if (bytes[at] !== COLUMN_TEXT) {
    fail(cursor, `Format "${String.fromCharCode(bytes[at])}" of ${column} is not text`);
  }
  if (left < 0) fail(cursor, `Tuple cut short in the length of ${column}`);
  fail(
    cursor,
    `Length ${int32At(bytes, at + 1)} of ${column} is impossible with ${left} bytes left`,
  );
}

function decodeBegin(cursor: Cursor): PgoutputMessage {
  const commitLsn = readUint64(cursor);
  const committedAtMs = readTimeMs(cursor);
  const xid = readUint32(cursor);
  expectEnd(cursor);
  return { kind: "begin", commitLsn, committedAtMs, xid };
}

function decodeCommit(cursor: Cursor): PgoutputMessage {
  const flags = readUint8(cursor);
  if (flags !== 0) fail(cursor, `Unknown flags ${flags}`);
  const commitLsn = readUint64(cursor);
  const endLsn = readUint64(cursor);
  readTimeMs(cursor);
  expectEnd(cursor);
  return { kind: "commit", commitLsn, endLsn };
}

function decodeRelation(cursor: Cursor): PgoutputMessage {
  const oid = readUint32(cursor);
  const schema = readSchema(cursor);
  const name = readName(cursor);
  const identity = readIdentity(cursor);
  const count = readUint16(cursor);
  const columns: RelationColumn[] = [];
  for (let i = 0; i < count; i++) columns.push(readColumn(cursor));
  expectEnd(cursor);
  return { kind: "relation", relation: { oid, schema, name, identity, columns } };
}

function readColumn(cursor: Cursor): RelationColumn {
  const isIdentity = (readUint8(cursor) & 1) !== 0;
  const name = readName(cursor);
  const typeOid = readUint32(cursor);
  const typeMod = readInt32(cursor);
  return { name, typeOid, typeMod, isIdentity };
}

function readIdentity(cursor: Cursor): Relation["identity"] {
  const tag = String.fromCharCode(readUint8(cursor));
  switch (tag) {
    case "d":
      return "default";
    case "n":
      return "nothing";
    case "f":
      return "full";
    case "i":
      return "index";
  }
  fail(cursor, `Unknown replica identity "${tag}"`);
}

/** The server spells `pg_catalog` as the empty name. */
function readSchema(cursor: Cursor): string {
  return readName(cursor) || "pg_catalog";
}

function decodeTruncate(cursor: Cursor): PgoutputMessage {
  const count = readUint32(cursor);
  const options = readUint8(cursor);
  const left = cursor.bytes.length - cursor.at;
  if (left !== count * 4) fail(cursor, `${count} relations announced in ${left} bytes`);
  const relationOids: number[] = [];
  for (let i = 0; i < count; i++) relationOids.push(readUint32(cursor));
  return {
    kind: "truncate",
    relationOids,
    isCascade: (options & 1) !== 0,
    isRestartIdentity: (options & 2) !== 0,
  };
}

function decodeType(cursor: Cursor): PgoutputMessage {
  const oid = readUint32(cursor);
  const schema = readSchema(cursor);
  const name = readName(cursor);
  expectEnd(cursor);
  return { kind: "type", oid, schema, name };
}

function decodeOrigin(cursor: Cursor): PgoutputMessage {
  const originLsn = readUint64(cursor);
  const name = readName(cursor);
  expectEnd(cursor);
  return { kind: "origin", originLsn, name };
}

function decodeMessage(cursor: Cursor): PgoutputMessage {
  const isTransactional = (readUint8(cursor) & 1) !== 0;
  const lsn = readUint64(cursor);
  const prefix = readName(cursor);
  const content = readCounted(cursor);
  expectEnd(cursor);
  return { kind: "message", isTransactional, lsn, prefix, content };
}

function failTag(cursor: Cursor, tag: number): never {
  cursor.at--;
  fail(cursor, `Tuple tag ${tag} has no place here`);
}
