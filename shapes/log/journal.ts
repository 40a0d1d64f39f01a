/**
 * The journal makes small log entries durable cheaply. A commit holds entries of a thousand shapes;
 * written under a thousand keys they dirty a thousand pages of SQLite and cost a key and a message
 * each (measured, 400-byte entries of 1,000 shapes: 6,000 to 8,000/s); appended to a few values of
 * the journal they do not (60,000 to 72,000/s). Until they are rewritten under their shape's key,
 * in values of tens of kilobytes, the entries stay in memory, so the journal is only read when the
 * store is loaded.
 *
 * A journal value is a sequence of records, numbers big-endian:
 *
 *     u8 1, u16 handle bytes, handle, u64 and f64 first, u64 and f64 last, u32 bytes, bytes
 *     u8 2, u64 applied LSN
 *     u8 3, u64 applied LSN: what lies before this record and beyond the LSN never happened
 */

import { VALUE_BYTES_MAX } from "./kv_keys.ts";
import type { LogEntry } from "./store.ts";

const ENTRY = 1;
const APPLIED = 2;
const RESTART = 3;
const ENTRY_HEADER_BYTES = 39;
const LSN_RECORD_BYTES = 9;

export type JournalRecord =
  | { readonly kind: "entry"; readonly handle: string; readonly entry: LogEntry }
  | { readonly kind: "applied"; readonly lsn: bigint }
  | { readonly kind: "restart"; readonly lsn: bigint };

/** Bytes of an entry's record. */
export function journalEntryBytes(handle: Uint8Array, entry: LogEntry): number {
  return ENTRY_HEADER_BYTES + handle.length + entry.bytes.length;
}

/** Collects records into values. Values share slabs, so that many small ones do not waste memory. */
export class JournalWriter {
  #slab = new Uint8Array(VALUE_BYTES_MAX);
  #view = new DataView(this.#slab.buffer);
  #start = 0;
  #end = 0;
  /** Where the last record is if it is an applied LSN, which the next one replaces; else -1. */
  #appliedAt = -1;

  /** Bytes of the value being collected. */
  get openBytes(): number {
    return this.#end - this.#start;
  }

  /** Whether a record of these bytes fits into the value being collected. */
  hasRoom(bytes: number): boolean {
    return this.#end + bytes <= VALUE_BYTES_MAX;
  }

  /** Whether another applied LSN fits. */
  get hasRoomForLsn(): boolean {
    return this.#appliedAt >= 0 || this.hasRoom(LSN_RECORD_BYTES);
  }

  /** Adds a record for which there is room; answers the copy of the entry's bytes. */
  addEntry(handle: Uint8Array, entry: LogEntry): Uint8Array {
    const view = this.#view;
    let at = this.#end;
    view.setUint8(at, ENTRY);
    view.setUint16(at + 1, handle.length);
    this.#slab.set(handle, at + 3);
    at += 3 + handle.length;
    view.setBigUint64(at, entry.first.lsn);
    view.setFloat64(at + 8, entry.first.op);
    view.setBigUint64(at + 16, entry.last.lsn);
    view.setFloat64(at + 24, entry.last.op);
    view.setUint32(at + 32, entry.bytes.length);
    at += 36;
    this.#slab.set(entry.bytes, at);
    this.#end = at + entry.bytes.length;
    this.#appliedAt = -1;
    return this.#slab.subarray(at, this.#end);
  }

  addApplied(lsn: bigint): void {
    if (this.#appliedAt < 0) {
      this.#appliedAt = this.#end;
      this.#end += LSN_RECORD_BYTES;
    }
    this.#view.setUint8(this.#appliedAt, APPLIED);
    this.#view.setBigUint64(this.#appliedAt + 1, lsn);
  }

  addRestart(lsn: bigint): void {
    this.#view.setUint8(this.#end, RESTART);
    this.#view.setBigUint64(this.#end + 1, lsn);
    this.#end += LSN_RECORD_BYTES;
    this.#appliedAt = -1;
  }

  /** Ends the value being collected and answers it. */
  seal(): Uint8Array {
    const value = this.#slab.subarray(this.#start, this.#end);
    this.#start = this.#end;
    this.#appliedAt = -1;
    return value;
  }

  /** Begins a new slab: the next value has all room. Only after `seal`. */
  renew(): void {
    this.#slab = new Uint8Array(VALUE_BYTES_MAX);
    this.#view = new DataView(this.#slab.buffer);
    this.#start = 0;
    this.#end = 0;
  }
}

/** Decodes the records of a value. Entries' bytes are not copied. Throws `RangeError`. */
export function decodeJournal(value: Uint8Array): JournalRecord[] {
  const view = new DataView(value.buffer, value.byteOffset, value.byteLength);
  const records: JournalRecord[] = [];
  for (let at = 0; at < value.length;) {
    const kind = view.getUint8(at);
    if (kind === ENTRY) {
      at = decodeEntry(value, view, at + 1, records);
    } else if (kind === APPLIED || kind === RESTART) {
      const lsn = view.getBigUint64(at + 1);
      records.push({ kind: kind === APPLIED ? "applied" : "restart", lsn });
      at += LSN_RECORD_BYTES;
    } else {
      throw new RangeError(`Journal record of kind ${kind} at byte ${at} is unknown`);
    }
  }
  return records;
}

const TEXT = new TextDecoder();

function decodeEntry(
  value: Uint8Array,
  view: DataView,
  start: number,
  records: JournalRecord[],
): number {
  const handleEnd = start + 2 + view.getUint16(start);
  const bytesStart = handleEnd + 36;
  const bytesEnd = bytesStart + view.getUint32(handleEnd + 32);
  if (bytesEnd > value.length) throw new RangeError(`Journal entry at byte ${start} is truncated`);
  const entry = {
    first: { lsn: view.getBigUint64(handleEnd), op: view.getFloat64(handleEnd + 8) },
    last: { lsn: view.getBigUint64(handleEnd + 16), op: view.getFloat64(handleEnd + 24) },
    bytes: value.subarray(bytesStart, bytesEnd),
  };
  records.push({ kind: "entry", handle: TEXT.decode(value.subarray(start + 2, handleEnd)), entry });
  return bytesEnd;
}
