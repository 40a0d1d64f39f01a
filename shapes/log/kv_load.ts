/**
 * What KV holds when the store is opened, and what has to be mended: log entries beyond the applied
 * LSN (the process stopped before their transaction was complete) and shapes whose snapshot never
 * was. The heads have a key of their own so that one list finds them all.
 */

import type { Kv, KvKey } from "@deno/kv";
import { compareOffsets, type Offset } from "../offset.ts";
import { decodeJournal, type JournalRecord } from "./journal.ts";
import {
  APPLIED_KEY,
  CHUNK_END_PREFIX,
  chunkEndKey,
  HEAD_PREFIX,
  headKey,
  IDENTITY_KEY,
  JOURNAL_PREFIX,
  LOG_START,
  logKey,
  type LogPosition,
  logPositionOf,
  logRangeAfter,
  PARTITION_PREFIX,
  RECORD_PREFIX,
  STANDING_PREFIX,
  TRASH_PREFIX,
} from "./kv_keys.ts";
import type { Mutation } from "./kv_wire.ts";
import {
  decodeLogHead,
  encodeLogHead,
  encodeLogValue,
  endOfEntry,
  entriesOfLogValue,
  isPartOfEntry,
  type LogHead,
  openChunkBytesOf,
} from "./log_value.ts";
import { decodeShapeRecord, type ShapeRecord } from "./shape_record.ts";
import type { LogEntry, StoredIdentity } from "./store.ts";

/** A shape as KV holds it. */
export interface LoadedShape {
  readonly handle: string;
  readonly record: ShapeRecord;
  readonly recordParts: number;
  readonly standing: string | undefined;
  readonly chunkEnds: readonly Offset[];
  readonly head: LogHead;
  /** Entries that only the journal has, and the journal value with the first of them. */
  readonly tail: readonly LogEntry[];
  readonly tailSequence: number;
}

export interface JournalValue {
  readonly sequence: number;
  readonly bytes: number;
}

export interface Loaded {
  readonly identity: StoredIdentity | undefined;
  readonly appliedLsn: bigint;
  readonly shapes: readonly LoadedShape[];
  readonly incomplete: readonly LoadedShape[];
  readonly trash: readonly string[];
  readonly partitions: ReadonlyMap<number, readonly number[]>;
  readonly journal: readonly JournalValue[];
  /** Whether the journal has entries that must not be found again. */
  readonly needsRestart: boolean;
  /** Writes that remove what lies beyond the applied LSN. */
  readonly repairs: readonly (readonly Mutation[])[];
}

/** Small values are listed this many at a time, full ones so many that a batch is about 2 MB. */
const SMALL_BATCH = 500;
const LARGE_BATCH = 32;

export async function loadFromKv(kv: Kv): Promise<Loaded> {
  const [[identity, base], records, standings, chunkEnds, heads, trash, partitions] = await Promise
    .all([
      kv.getMany<[Uint8Array, Uint8Array]>([IDENTITY_KEY, APPLIED_KEY]),
      readRecords(kv),
      readStandings(kv),
      readChunkEnds(kv),
      readHeads(kv),
      readTrash(kv),
      readPartitions(kv),
    ]);
  const journal = await readJournal(kv, base.value === null ? 0n : decodeLsn(base.value));
  const repairs: Mutation[][] = [];
  const shapes: LoadedShape[] = [];
  const incomplete: LoadedShape[] = [];
  for (const [handle, { record, recordParts }] of records) {
    const stored = heads.get(handle) ??
      { position: LOG_START, openChunkBytes: 0, isCutting: false };
    const ends = keptChunkEnds(handle, chunkEnds.get(handle) ?? [], journal.appliedLsn, repairs);
    const mended = await mendLog(kv, handle, stored, journal.appliedLsn, repairs);
    const head = isAtChunkEnd(mended, ends) ? { ...mended, openChunkBytes: 0 } : mended;
    const all = journal.tails.get(handle);
    const tail = all?.entries.filter((entry) => compareOffsets(entry.last, head.position) > 0) ??
      [];
    const tailSequence = all?.sequence ?? 0;
    const standing = standings.get(handle);
    const shape = {
      handle,
      record,
      recordParts,
      standing,
      chunkEnds: ends,
      head,
      tail,
      tailSequence,
    };
    (record.snapshot === undefined ? incomplete : shapes).push(shape);
  }
  return {
    identity: identity.value === null ? undefined : decodeIdentity(identity.value),
    appliedLsn: journal.appliedLsn,
    shapes,
    incomplete,
    trash,
    partitions,
    journal: journal.values,
    needsRestart: journal.needsRestart,
    repairs,
  };
}

export function encodeLsn(lsn: bigint): Uint8Array {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, lsn);
  return bytes;
}

function decodeLsn(bytes: Uint8Array): bigint {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength).getBigUint64(0);
}

export function encodeIdentity(identity: StoredIdentity): Uint8Array {
  const { shift, beganAt, ...rest } = identity;
  const texts = { shift: `${shift}`, beganAt: `${beganAt}` };
  return new TextEncoder().encode(JSON.stringify({ ...rest, ...texts }));
}

function decodeIdentity(bytes: Uint8Array): StoredIdentity {
  const stored = JSON.parse(new TextDecoder().decode(bytes));
  return {
    systemId: String(stored.systemId),
    timeline: Number(stored.timeline),
    database: String(stored.database),
    shift: BigInt(stored.shift ?? 0),
    beganAt: BigInt(stored.beganAt ?? 0),
  };
}

interface Tail {
  readonly sequence: number;
  readonly entries: LogEntry[];
}

interface Journal {
  readonly appliedLsn: bigint;
  readonly tails: ReadonlyMap<string, Tail>;
  readonly values: readonly JournalValue[];
  readonly needsRestart: boolean;
}

async function readJournal(kv: Kv, baseLsn: bigint): Promise<Journal> {
  const tails = new Map<string, Tail>();
  const values: JournalValue[] = [];
  let appliedLsn = baseLsn;
  const list = kv.list<Uint8Array>({ prefix: JOURNAL_PREFIX }, { batchSize: LARGE_BATCH });
  for await (const { key, value } of list) {
    const sequence = Number(key[1]);
    values.push({ sequence, bytes: value.length });
    for (const record of decodeJournal(value)) {
      replay(tails, sequence, record);
      if (record.kind === "applied") appliedLsn = record.lsn;
    }
  }
  return { appliedLsn, tails, values, needsRestart: cutTails(tails, appliedLsn) };
}

function replay(tails: Map<string, Tail>, sequence: number, record: JournalRecord): void {
  if (record.kind === "restart") {
    cutTails(tails, record.lsn);
  } else if (record.kind === "entry") {
    const tail = tails.get(record.handle);
    if (tail === undefined) tails.set(record.handle, { sequence, entries: [record.entry] });
    else tail.entries.push(record.entry);
  }
}

/** Takes out the entries beyond an LSN and answers whether there were any. */
function cutTails(tails: Map<string, Tail>, lsn: bigint): boolean {
  let isCut = false;
  for (const { entries } of tails.values()) {
    while (entries.length > 0 && entries[entries.length - 1].last.lsn > lsn) {
      entries.pop();
      isCut = true;
    }
  }
  return isCut;
}

interface ReadRecord {
  readonly record: ShapeRecord;
  readonly recordParts: number;
}

async function readRecords(kv: Kv): Promise<Map<string, ReadRecord>> {
  const parts = new Map<string, Uint8Array[]>();
  for await (const { key, value } of listSmall(kv, RECORD_PREFIX)) {
    const handle = String(key[1]);
    const values = parts.get(handle);
    if (values === undefined) parts.set(handle, [value]);
    else values.push(value);
  }
  const records = new Map<string, ReadRecord>();
  for (const [handle, values] of parts) {
    records.set(handle, { record: decodeShapeRecord(values), recordParts: values.length });
  }
  return records;
}

async function readStandings(kv: Kv): Promise<Map<string, string>> {
  const standings = new Map<string, string>();
  const text = new TextDecoder();
  for await (const { key, value } of listSmall(kv, STANDING_PREFIX)) {
    standings.set(String(key[1]), text.decode(value));
  }
  return standings;
}

async function readChunkEnds(kv: Kv): Promise<Map<string, Offset[]>> {
  const ends = new Map<string, Offset[]>();
  for await (const { key } of listSmall(kv, CHUNK_END_PREFIX)) {
    const handle = String(key[1]);
    const last = { lsn: BigInt(String(key[2])), op: Number(key[3]) };
    const list = ends.get(handle);
    if (list === undefined) ends.set(handle, [last]);
    else list.push(last);
  }
  return ends;
}

async function readHeads(kv: Kv): Promise<Map<string, LogHead>> {
  const heads = new Map<string, LogHead>();
  for await (const { key, value } of listSmall(kv, HEAD_PREFIX)) {
    heads.set(String(key[1]), decodeLogHead(value));
  }
  return heads;
}

async function readTrash(kv: Kv): Promise<string[]> {
  const handles: string[] = [];
  for await (const { key } of listSmall(kv, TRASH_PREFIX)) handles.push(String(key[1]));
  return handles;
}

async function readPartitions(kv: Kv): Promise<Map<number, number[]>> {
  const tables = new Map<number, number[]>();
  for await (const { key } of listSmall(kv, PARTITION_PREFIX)) {
    const table = Number(key[1]);
    const partitions = tables.get(table);
    if (partitions === undefined) tables.set(table, [Number(key[2])]);
    else partitions.push(Number(key[2]));
  }
  return tables;
}

function listSmall(kv: Kv, prefix: KvKey) {
  return kv.list<Uint8Array>({ prefix }, { batchSize: SMALL_BATCH });
}

function keptChunkEnds(
  handle: string,
  ends: readonly Offset[],
  appliedLsn: bigint,
  repairs: Mutation[][],
): Offset[] {
  for (const end of ends) {
    if (end.lsn > appliedLsn) repairs.push([{ key: chunkEndKey(handle, end) }]);
  }
  return ends.filter((end) => end.lsn <= appliedLsn);
}

function isAtChunkEnd(head: LogHead, ends: readonly Offset[]): boolean {
  return ends.length > 0 && compareOffsets(ends[ends.length - 1], head.position) === 0;
}

/** Answers where the log ends at the applied LSN, and adds what removes the rest. */
async function mendLog(
  kv: Kv,
  handle: string,
  head: LogHead,
  appliedLsn: bigint,
  repairs: Mutation[][],
): Promise<LogHead> {
  if (head.position.lsn <= appliedLsn && !head.isCutting) return head;
  const applied = { lsn: appliedLsn, op: Infinity };
  const isBeyond = head.position.lsn > appliedLsn;
  const after = isBeyond ? endOfEntry(applied) : endOfEntry(head.position);
  const kept = isBeyond ? await lastHead(kv, handle, applied) : { ...head, isCutting: false };
  let mended = kept;
  const range = head.position.lsn < 0n
    ? logRangeAfter(handle, LOG_START)
    : logRangeAfter(handle, after);
  for await (const { key, value } of kv.list<Uint8Array>(range, { batchSize: LARGE_BATCH })) {
    const trimmed = isPartOfEntry(value) ? undefined : trim(value, applied);
    const removal: Mutation[] = [{ key }];
    if (trimmed !== undefined) {
      mended = trimmed.head;
      removal.push({ key: logKey(handle, trimmed.head.position), value: trimmed.value });
    }
    repairs.push(removal);
  }
  repairs.push([{ key: headKey(handle), value: encodeLogHead(mended) }]);
  return mended;
}

/** The head as the last value up to an offset has it. */
async function lastHead(kv: Kv, handle: string, until: Offset): Promise<LogHead> {
  const range = {
    start: logKey(handle, { lsn: 0n, op: 0, part: 0 }),
    end: logKey(handle, endOfEntry(until)),
  };
  for await (const { key, value } of kv.list<Uint8Array>(range, { limit: 1, reverse: true })) {
    const position: LogPosition = logPositionOf(key);
    return { position, openChunkBytes: openChunkBytesOf(value), isCutting: false };
  }
  return { position: LOG_START, openChunkBytes: 0, isCutting: false };
}

/** What is left of a value whose last entries lie beyond an offset; undefined if nothing. */
function trim(
  value: Uint8Array,
  until: Offset,
): { readonly value: Uint8Array; readonly head: LogHead } | undefined {
  const entries = entriesOfLogValue(value);
  const kept = entries.filter((entry) => compareOffsets(entry.last, until) <= 0);
  if (kept.length === 0) return undefined;
  const removed = entries.slice(kept.length).reduce((sum, entry) => sum + entry.bytes.length, 0);
  const openChunkBytes = openChunkBytesOf(value) - removed;
  const position = { ...kept[kept.length - 1].last, part: 0 };
  return {
    value: encodeLogValue(kept, openChunkBytes),
    head: { position, openChunkBytes, isCutting: false },
  };
}
