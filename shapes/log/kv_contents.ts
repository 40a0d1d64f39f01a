/**
 * What KV holds, but for the bytes of snapshots and of logs. Each list is read for itself, and
 * another process may write meanwhile. So they are read in an order that leaves nothing out: the
 * journal first, and what its entries are moved to and stand beside only then. Whatever it says is
 * applied, the rest has or the journal itself; what is newer lies beyond the applied LSN. The
 * records come last: what has one then was not dropped before.
 */

import type { KvKey } from "@deno/kv";
import type { Offset } from "../offset.ts";
import { decodeJournal, type JournalRecord } from "./journal.ts";
import type { ReadRange } from "./kv_engine.ts";
import {
  APPLIED_KEY,
  CHUNK_END_PREFIX,
  HEAD_PREFIX,
  IDENTITY_KEY,
  JOURNAL_PREFIX,
  PARTITION_PREFIX,
  RECORD_PREFIX,
  STANDING_PREFIX,
  TRASH_PREFIX,
} from "./kv_keys.ts";
import type { StoredValue } from "./kv_read_wire.ts";
import { decodeLogHead, type LogHead } from "./log_value.ts";
import { decodeShapeRecord, type ShapeRecord } from "./shape_record.ts";
import type { LogEntry, StoredIdentity } from "./store.ts";

/** Entries of one shape that only the journal has, and the journal value with the first of them. */
export interface JournalTail {
  readonly sequence: number;
  readonly entries: LogEntry[];
}

export interface JournalValue {
  readonly sequence: number;
  readonly bytes: number;
}

export interface Journal {
  readonly appliedLsn: bigint;
  readonly tails: ReadonlyMap<string, JournalTail>;
  readonly values: readonly JournalValue[];
  /** Whether it has entries that must not be found again. */
  readonly needsRestart: boolean;
}

export interface ReadRecord {
  readonly record: ShapeRecord;
  readonly recordParts: number;
}

export interface KvContents {
  readonly identity: StoredIdentity | undefined;
  readonly journal: Journal;
  readonly records: ReadonlyMap<string, ReadRecord>;
  readonly standings: ReadonlyMap<string, string>;
  readonly chunkEnds: ReadonlyMap<string, readonly Offset[]>;
  readonly heads: ReadonlyMap<string, LogHead>;
  readonly trash: readonly string[];
  readonly partitions: ReadonlyMap<number, readonly number[]>;
}

/** Small values are listed this many at a time, full ones so many that a batch is about 2 MB. */
const SMALL_BATCH = 127;
const LARGE_BATCH = 32;

export async function readContents(read: ReadRange): Promise<KvContents> {
  const base = await readValue(read, APPLIED_KEY);
  const journal = await readJournal(read, base ? decodeLsn(base) : 0n);
  const [identity, standings, chunkEnds, heads, trash, partitions] = await Promise.all([
    readValue(read, IDENTITY_KEY),
    readStandings(read),
    readChunkEnds(read),
    readHeads(read),
    readTrash(read),
    readPartitions(read),
  ]);
  const records = await readRecords(read);
  return {
    identity: identity && decodeIdentity(identity),
    journal,
    records,
    standings,
    chunkEnds,
    heads,
    trash,
    partitions,
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
  const { shift, beganAt, timelineBeganAt, ...rest } = identity;
  const texts = {
    shift: `${shift}`,
    beganAt: `${beganAt}`,
    timelineBeganAt: `${timelineBeganAt}`,
  };
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
    timelineBeganAt: BigInt(stored.timelineBeganAt ?? stored.beganAt ?? 0),
  };
}

async function readJournal(read: ReadRange, baseLsn: bigint): Promise<Journal> {
  const tails = new Map<string, JournalTail>();
  const values: JournalValue[] = [];
  let appliedLsn = baseLsn;
  for await (const { key, value } of listAll(read, JOURNAL_PREFIX, LARGE_BATCH)) {
    const sequence = Number(key[1]);
    values.push({ sequence, bytes: value.length });
    for (const record of decodeJournal(value)) {
      replay(tails, sequence, record);
      if (record.kind === "applied") appliedLsn = record.lsn;
    }
  }
  return { appliedLsn, tails, values, needsRestart: cutTails(tails, appliedLsn) };
}

function replay(tails: Map<string, JournalTail>, sequence: number, record: JournalRecord): void {
  if (record.kind === "restart") {
    cutTails(tails, record.lsn);
  } else if (record.kind === "entry") {
    const tail = tails.get(record.handle);
    if (tail === undefined) tails.set(record.handle, { sequence, entries: [record.entry] });
    else tail.entries.push(record.entry);
  }
}

/** Takes out the entries beyond an LSN and answers whether there were any. */
function cutTails(tails: Map<string, JournalTail>, lsn: bigint): boolean {
  let isCut = false;
  for (const { entries } of tails.values()) {
    while (entries.length > 0 && entries[entries.length - 1].last.lsn > lsn) {
      entries.pop();
      isCut = true;
    }
  }
  return isCut;
}

async function readRecords(read: ReadRange): Promise<Map<string, ReadRecord>> {
  const parts = new Map<string, Uint8Array[]>();
  for await (const { key, value } of listAll(read, RECORD_PREFIX)) {
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

async function readStandings(read: ReadRange): Promise<Map<string, string>> {
  const standings = new Map<string, string>();
  const text = new TextDecoder();
  for await (const { key, value } of listAll(read, STANDING_PREFIX)) {
    standings.set(String(key[1]), text.decode(value));
  }
  return standings;
}

async function readChunkEnds(read: ReadRange): Promise<Map<string, Offset[]>> {
  const ends = new Map<string, Offset[]>();
  for await (const { key } of listAll(read, CHUNK_END_PREFIX)) {
    const handle = String(key[1]);
    const last = { lsn: BigInt(String(key[2])), op: Number(key[3]) };
    const list = ends.get(handle);
    if (list === undefined) ends.set(handle, [last]);
    else list.push(last);
  }
  return ends;
}

async function readHeads(read: ReadRange): Promise<Map<string, LogHead>> {
  const heads = new Map<string, LogHead>();
  for await (const { key, value } of listAll(read, HEAD_PREFIX)) {
    heads.set(String(key[1]), decodeLogHead(value));
  }
  return heads;
}

async function readTrash(read: ReadRange): Promise<string[]> {
  const handles: string[] = [];
  for await (const { key } of listAll(read, TRASH_PREFIX)) handles.push(String(key[1]));
  return handles;
}

async function readPartitions(read: ReadRange): Promise<Map<number, number[]>> {
  const tables = new Map<number, number[]>();
  for await (const { key } of listAll(read, PARTITION_PREFIX)) {
    const table = Number(key[1]);
    const partitions = tables.get(table);
    if (partitions === undefined) tables.set(table, [Number(key[2])]);
    else partitions.push(Number(key[2]));
  }
  return tables;
}

async function readValue(read: ReadRange, key: KvKey): Promise<Uint8Array | undefined> {
  const [found] = await read({ start: key, end: justAfter(key) }, 1);
  return found?.value;
}

/** All values whose keys begin with these parts: what follows is a text or a finite number. */
async function* listAll(
  read: ReadRange,
  prefix: KvKey,
  batch = SMALL_BATCH,
): AsyncGenerator<StoredValue> {
  const end = [...prefix, Infinity];
  for (let start = prefix;;) {
    const values = await read({ start, end }, batch);
    yield* values;
    if (values.length < batch) return;
    start = justAfter(values[values.length - 1].key);
  }
}

/** No key of ours is another one with an empty text at its end. */
function justAfter(key: KvKey): KvKey {
  return [...key, ""];
}
