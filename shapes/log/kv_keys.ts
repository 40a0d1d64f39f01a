/**
 * Where everything lies in Deno KV, and the limits of KV with the reason of each. Keys are short,
 * because KV stores and compares them whole.
 *
 * | key                                  | value                                                |
 * |--------------------------------------|------------------------------------------------------|
 * | `["i"]`                              | identity of the database, JSON                       |
 * | `["a"]`                              | applied LSN at the last trimming of the journal      |
 * | `["h", handle, part]`                | the shape's texts (`shape_record.ts`)                |
 * | `["v", handle]`                      | how the log stands to the database, text             |
 * | `["s", handle, chunk, endByte]`      | snapshot bytes that end at this byte of the chunk    |
 * | `["l", handle, lsn, op, part]`       | log entries, keyed by the last one's last offset     |
 * | `["n", handle]`                      | the key of the last value of the log (`log_value.ts`)|
 * | `["e", handle, lsn, op]`             | a chunk of the log ends with this offset             |
 * | `["j", sequence]`                    | journal (`journal.ts`)                               |
 * | `["t", handle]`                      | dropped shape whose bytes are still being deleted    |
 * | `["p", table, partition]`            | the table's shapes have rows of the partition        |
 */

import type { KvKey } from "@deno/kv";
import type { Offset } from "../offset.ts";

/** KV refuses larger values (measured: 65,536 bytes pass as `Uint8Array`, one more does not). */
export const VALUE_BYTES_MAX = 65_536;

/** KV takes 1,000 mutations an atomic operation. */
export const COMMIT_MUTATIONS_MAX = 1_000;

/** KV takes 819,200 bytes of keys and values an atomic operation; the rest is for its envelope. */
export const COMMIT_BYTES_MAX = 800_000;

/** KV takes 81,920 bytes of keys an atomic operation; key sizes are estimated from above. */
export const COMMIT_KEY_BYTES_MAX = 80_000;

/** KV takes keys of 2,048 bytes; this leaves room for the other parts of a key around a handle. */
export const HANDLE_BYTES_MAX = 512;

/** A shape's texts are replaced in one commit, beside a few small keys. */
export const RECORD_BYTES_MAX = 700_000;

/** Where a value of a log lies: the last offset it holds and, for a cut entry, the part's number. */
export interface LogPosition extends Offset {
  readonly part: number;
}

export function compareLogPositions(a: LogPosition, b: LogPosition): number {
  if (a.lsn !== b.lsn) return a.lsn < b.lsn ? -1 : 1;
  if (a.op !== b.op) return a.op < b.op ? -1 : 1;
  return a.part === b.part ? 0 : a.part < b.part ? -1 : 1;
}

/** Before every value of every log: no LSN is negative. */
export const LOG_START: LogPosition = { lsn: -1n, op: 0, part: 0 };

export const IDENTITY_KEY: KvKey = ["i"];
export const APPLIED_KEY: KvKey = ["a"];

export const RECORD_PREFIX: KvKey = ["h"];
export const STANDING_PREFIX: KvKey = ["v"];
export const HEAD_PREFIX: KvKey = ["n"];
export const CHUNK_END_PREFIX: KvKey = ["e"];
export const JOURNAL_PREFIX: KvKey = ["j"];
export const TRASH_PREFIX: KvKey = ["t"];
export const PARTITION_PREFIX: KvKey = ["p"];

export const recordKey = (handle: string, part: number): KvKey => ["h", handle, part];
export const standingKey = (handle: string): KvKey => ["v", handle];
export const headKey = (handle: string): KvKey => ["n", handle];
export const trashKey = (handle: string): KvKey => ["t", handle];
export const partitionKey = (table: number, partition: number): KvKey => ["p", table, partition];
export const journalKey = (sequence: number): KvKey => ["j", sequence];

export function logKey(handle: string, position: LogPosition): KvKey {
  return ["l", handle, position.lsn, position.op, position.part];
}

/** The position in a log value's key. Throws `RangeError` if it is none. */
export function logPositionOf(key: KvKey): LogPosition {
  const [, , lsn, op, part] = key;
  if (typeof lsn !== "bigint" || typeof op !== "number" || typeof part !== "number") {
    throw new RangeError(`Key of ${key.length} parts is not a log value's`);
  }
  return { lsn, op, part };
}

export function chunkEndKey(handle: string, last: Offset): KvKey {
  return ["e", handle, last.lsn, last.op];
}

export function snapshotKey(handle: string, chunk: number, endByte: number): KvKey {
  return ["s", handle, chunk, endByte];
}

/** The byte of its chunk that a snapshot value ends with. Throws `RangeError`. */
export function snapshotEndOf(key: KvKey): number {
  const end = key[3];
  if (typeof end !== "number") throw new RangeError("Key is not a snapshot value's");
  return end;
}

/** A selector of a list: from a key on, up to and without another. */
export interface KeyRange {
  readonly start: KvKey;
  readonly end: KvKey;
}

/** The log's values strictly beyond a position. No value has the part `Infinity`. */
export function logRangeAfter(handle: string, after: LogPosition): KeyRange {
  const lsn = after.lsn < 0n ? 0n : after.lsn;
  const op = after.lsn < 0n ? 0 : after.op;
  const part = after.lsn < 0n ? 0 : after.part + 1;
  return { start: ["l", handle, lsn, op, part], end: ["l", handle, Infinity] };
}

/** The values of a snapshot chunk that hold bytes from this one on. */
export function snapshotRangeFrom(handle: string, chunk: number, fromByte: number): KeyRange {
  return { start: snapshotKey(handle, chunk, fromByte + 1), end: ["s", handle, chunk, Infinity] };
}

/** All keys that hold bytes of a shape; what is deleted in the background once it is dropped. */
export function bulkPrefixes(handle: string): readonly KvKey[] {
  return [["s", handle], ["l", handle], ["e", handle]];
}

/** Upper bound of an encoded key's bytes: a string's bytes and two more, nine for a number. */
export function keyBytes(key: KvKey): number {
  let bytes = 0;
  for (const part of key) bytes += typeof part === "string" ? 3 * part.length + 2 : 10;
  return bytes;
}
