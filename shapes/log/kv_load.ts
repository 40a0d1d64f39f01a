/**
 * What KV holds when the store is opened, and what has to be mended: log entries beyond the applied
 * LSN (the process stopped before their transaction was complete) and shapes whose snapshot never
 * was. The heads have a key of their own so that one list finds them all.
 */

import type { Kv } from "@deno/kv";
import { compareOffsets, type Offset } from "../offset.ts";
import { type JournalValue, readContents } from "./kv_contents.ts";
import { openReadRange } from "./kv_engine.ts";
import {
  chunkEndKey,
  headKey,
  LOG_START,
  logKey,
  type LogPosition,
  logPositionOf,
  logRangeAfter,
} from "./kv_keys.ts";
import type { Mutation } from "./kv_wire.ts";
import {
  encodeLogHead,
  encodeLogValue,
  endOfEntry,
  entriesOfLogValue,
  isPartOfEntry,
  type LogHead,
  openChunkBytesOf,
} from "./log_value.ts";
import { entriesBeyond, type LoadedShape } from "./loaded_shape.ts";
import type { StoredIdentity } from "./store.ts";

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

/** Full values are listed this many at a time: about 2 MB. */
const LARGE_BATCH = 32;

export async function loadFromKv(kv: Kv): Promise<Loaded> {
  const { identity, journal, records, standings, chunkEnds, heads, trash, partitions } =
    await readContents(openReadRange(kv));
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
    const tail = entriesBeyond(all, head.position);
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
    identity,
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
