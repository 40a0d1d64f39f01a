/**
 * A stored value of a log: an index of the entries it holds, then their bytes without gaps, so that
 * consecutive entries are read as one piece. An entry too large for a value is cut in parts, each
 * of which is a value whose index has just this entry.
 *
 *     u8 format (1), u8 flags (1: a part, 2: last part), u16 entries,
 *     f64 bytes since the last chunk end, these included,
 *     per entry: u64 and f64 first offset, u64 and f64 last offset, u32 bytes; then the bytes
 *
 * All numbers are big-endian.
 */

import { compareOffsets, type Offset } from "../offset.ts";
import { LOG_START, type LogPosition, VALUE_BYTES_MAX } from "./kv_keys.ts";
import type { LogEntry, LogPiece } from "./store.ts";

const FORMAT = 1;
const PART = 1;
const LAST_PART = 2;
const HEADER_BYTES = 12;
export const INDEX_BYTES = 36;

/** How much of a large entry a part carries. */
export const PART_BYTES_MAX = VALUE_BYTES_MAX - HEADER_BYTES - INDEX_BYTES;

/** Bytes of the value that would hold these entries. */
export function logValueBytes(entries: number, payloadBytes: number): number {
  return HEADER_BYTES + entries * INDEX_BYTES + payloadBytes;
}

/** Encodes whole entries, in order. Throws `RangeError` if they do not fit in a value. */
export function encodeLogValue(entries: readonly LogEntry[], openChunkBytes: number): Uint8Array {
  let payload = 0;
  for (const entry of entries) payload += entry.bytes.length;
  const value = allocate(entries.length, payload, 0, openChunkBytes);
  const view = viewOf(value);
  let index = HEADER_BYTES;
  let at = HEADER_BYTES + entries.length * INDEX_BYTES;
  for (const entry of entries) {
    writeIndex(view, index, entry, entry.bytes.length);
    value.set(entry.bytes, at);
    index += INDEX_BYTES;
    at += entry.bytes.length;
  }
  return value;
}

/** Encodes part `part` (from 0) of an entry that is cut every `PART_BYTES_MAX` bytes. */
export function encodeLogPart(entry: LogEntry, part: number, openChunkBytes: number): Uint8Array {
  const from = part * PART_BYTES_MAX;
  const bytes = entry.bytes.subarray(from, from + PART_BYTES_MAX);
  const isLast = from + PART_BYTES_MAX >= entry.bytes.length;
  const value = allocate(1, bytes.length, isLast ? PART | LAST_PART : PART, openChunkBytes);
  writeIndex(viewOf(value), HEADER_BYTES, entry, bytes.length);
  value.set(bytes, HEADER_BYTES + INDEX_BYTES);
  return value;
}

/**
 * What a value has for a reader who wants the entries beyond `since` up to `until`: undefined if
 * nothing. Of a part all, if its entry is not beyond `until`. An entry that `since` lies in comes
 * alone. Throws `RangeError` on a value that is not one.
 */
export function pieceOfLogValue(
  value: Uint8Array,
  since: Offset,
  until: Offset,
): LogPiece | undefined {
  const view = checkedView(value);
  const flags = view.getUint8(1);
  const count = view.getUint16(2);
  let from = 0;
  let start = HEADER_BYTES + count * INDEX_BYTES;
  if ((flags & PART) === 0) {
    while (from < count && compareOffsets(lastOf(view, from), since) <= 0) {
      start += lengthOf(view, from++);
    }
  }
  const isInside = from < count && compareOffsets(firstOf(view, from), since) <= 0;
  let to = isInside ? from + 1 : count;
  let end = isInside ? start + lengthOf(view, from) : value.length;
  while (to > from && compareOffsets(lastOf(view, to - 1), until) > 0) end -= lengthOf(view, --to);
  if (from === to) return undefined;
  return {
    first: firstOf(view, from),
    last: lastOf(view, to - 1),
    isLast: (flags & PART) === 0 || (flags & LAST_PART) !== 0,
    bytes: value.subarray(start, end),
  };
}

/** The whole entries of a value, in order. Bytes are not copied. */
export function entriesOfLogValue(value: Uint8Array): LogEntry[] {
  const view = checkedView(value);
  const count = view.getUint16(2);
  const entries: LogEntry[] = [];
  let at = HEADER_BYTES + count * INDEX_BYTES;
  for (let i = 0; i < count; i++) {
    const end = at + lengthOf(view, i);
    entries.push({
      first: firstOf(view, i),
      last: lastOf(view, i),
      bytes: value.subarray(at, end),
    });
    at = end;
  }
  return entries;
}

/** Whether the value is a part of a cut entry. */
export function isPartOfEntry(value: Uint8Array): boolean {
  return (checkedView(value).getUint8(1) & PART) !== 0;
}

/** Where a reader stands who has read the value at this position. */
export function positionAfter(position: LogPosition, value: Uint8Array): LogPosition {
  const flags = checkedView(value).getUint8(1);
  return (flags & (PART | LAST_PART)) === PART ? position : endOfEntry(position);
}

/** Beyond all parts of the entry that ends with this offset. */
export function endOfEntry(last: Offset): LogPosition {
  return { lsn: last.lsn, op: last.op, part: Infinity };
}

/** Bytes of the log since its last chunk end, up to the end of this value. */
export function openChunkBytesOf(value: Uint8Array): number {
  return checkedView(value).getFloat64(4);
}

/** Where the log ends: the record beside the log values. */
export interface LogHead {
  /** Position of the log's last value; LSN -1 if there is none yet. */
  readonly position: LogPosition;
  readonly openChunkBytes: number;
  /** True while parts of a cut entry are being written beyond the position. */
  readonly isCutting: boolean;
}

const HEAD_BYTES = 30;
const CUTTING = 1;
const EMPTY = 2;

export function encodeLogHead(head: LogHead): Uint8Array {
  const value = new Uint8Array(HEAD_BYTES);
  const view = viewOf(value);
  const isEmpty = head.position.lsn < 0n;
  view.setUint8(0, FORMAT);
  view.setUint8(1, (head.isCutting ? CUTTING : 0) | (isEmpty ? EMPTY : 0));
  view.setBigUint64(2, isEmpty ? 0n : head.position.lsn);
  view.setFloat64(10, head.position.op);
  view.setUint32(18, head.position.part);
  view.setFloat64(22, head.openChunkBytes);
  return value;
}

/** Throws `RangeError` on a value that is not one. */
export function decodeLogHead(value: Uint8Array): LogHead {
  const view = viewOf(value);
  if (value.length !== HEAD_BYTES || view.getUint8(0) !== FORMAT) {
    throw new RangeError(`Log head of ${value.length} bytes is malformed`);
  }
  const flags = view.getUint8(1);
  const position = {
    lsn: view.getBigUint64(2),
    op: view.getFloat64(10),
    part: view.getUint32(18),
  };
  return {
    position: (flags & EMPTY) === 0 ? position : LOG_START,
    openChunkBytes: view.getFloat64(22),
    isCutting: (flags & CUTTING) !== 0,
  };
}

function allocate(count: number, payload: number, flags: number, openChunkBytes: number) {
  const length = logValueBytes(count, payload);
  if (length > VALUE_BYTES_MAX) {
    throw new RangeError(`Log value of ${length} bytes exceeds ${VALUE_BYTES_MAX}`);
  }
  const value = new Uint8Array(length);
  const view = viewOf(value);
  view.setUint8(0, FORMAT);
  view.setUint8(1, flags);
  view.setUint16(2, count);
  view.setFloat64(4, openChunkBytes);
  return value;
}

function writeIndex(view: DataView, at: number, entry: LogEntry, length: number): void {
  view.setBigUint64(at, entry.first.lsn);
  view.setFloat64(at + 8, entry.first.op);
  view.setBigUint64(at + 16, entry.last.lsn);
  view.setFloat64(at + 24, entry.last.op);
  view.setUint32(at + 32, length);
}

function firstOf(view: DataView, index: number): Offset {
  const at = HEADER_BYTES + index * INDEX_BYTES;
  return { lsn: view.getBigUint64(at), op: view.getFloat64(at + 8) };
}

function lastOf(view: DataView, index: number): Offset {
  const at = HEADER_BYTES + index * INDEX_BYTES + 16;
  return { lsn: view.getBigUint64(at), op: view.getFloat64(at + 8) };
}

function lengthOf(view: DataView, index: number): number {
  return view.getUint32(HEADER_BYTES + index * INDEX_BYTES + 32);
}

/** The cheap checks that make every read of the index stay inside of the value. */
function checkedView(value: Uint8Array): DataView {
  const view = viewOf(value);
  const isWhole = value.length >= HEADER_BYTES && view.getUint8(0) === FORMAT;
  const count = isWhole ? view.getUint16(2) : 0;
  let length = HEADER_BYTES + count * INDEX_BYTES;
  if (count === 0 || length > value.length) throw malformed(value);
  for (let i = 0; i < count; i++) length += lengthOf(view, i);
  if (length !== value.length) throw malformed(value);
  return view;
}

function malformed(value: Uint8Array): RangeError {
  return new RangeError(`Log value of ${value.length} bytes is malformed`);
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
