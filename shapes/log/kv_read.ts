/**
 * Reading snapshots and logs piece by piece. A reader remembers only a position: whatever of the
 * stream is in memory is taken from there, the rest from KV in small batches, which the readers of
 * the same place share. While it waits for its consumer a reader
 * holds at most one batch, and once it has proven fast another that was read ahead.
 */

import type { KvKey } from "@deno/kv";
import { ShapeGoneError } from "../errors.ts";
import { compareOffsets, type Offset } from "../offset.ts";
import type { ReadRange } from "./kv_engine.ts";
import {
  compareLogPositions,
  type KeyRange,
  type LogPosition,
  logPositionOf,
  logRangeAfter,
  snapshotEndOf,
  snapshotRangeFrom,
} from "./kv_keys.ts";
import { endOfEntry, pieceOfLogValue, positionAfter } from "./log_value.ts";
import { type ColdValue, type ColdValues, pieceOfTail, type ShapeMemory } from "./shape_memory.ts";
import type { LogPiece } from "./store.ts";

/** Values of a reader's first batch and of the largest: a reader holds two at most, 512 KiB. */
const BATCH_MIN = 2;
const BATCH_MAX = 4;

/** Entries beyond `since` and up to `until`. Throws `ShapeGoneError` once the shape is dropped. */
export async function* readLog(
  read: ReadRange,
  shape: ShapeMemory,
  since: Offset,
  until: Offset,
): AsyncGenerator<LogPiece> {
  assertPresent(shape);
  const log = shape.log;
  const stream = logStream(shape);
  let at = endOfEntry(since);
  let ahead: ReadAhead<LogPosition> | undefined;
  for (let batch = BATCH_MIN; isBefore(at, until); batch = Math.min(batch * 2, BATCH_MAX)) {
    while (log.values.covers(at) && isBefore(at, until)) {
      assertPresent(shape);
      const recent = log.values.after(at);
      const piece = recent === undefined
        ? pieceOfTail(log.tail, at, until)
        : pieceOfLogValue(recent.value, at, until);
      if (piece === undefined) return;
      at = recent !== undefined && !piece.isLast ? recent.end : endOfEntry(piece.last);
      yield piece;
    }
    if (!isBefore(at, until)) return;
    const values = await readNext(read, shape, stream, at, batch, ahead);
    ahead = readAhead(read, shape, stream, values, batch);
    for (const { value, next } of values) {
      if (value.length === 0) throw new Error(`Log of shape "${shape.handle}" lacks a value`);
      // More than once if the reader was inside of an entry: that comes alone.
      do {
        const piece = pieceOfLogValue(value, at, until);
        if (piece === undefined) return;
        at = piece.isLast ? endOfEntry(piece.last) : next;
        yield piece;
        assertPresent(shape);
      } while (compareLogPositions(at, next) < 0);
    }
  }
}

/** Bytes of a chunk from `fromByte` on. Throws `ShapeGoneError` once the shape is dropped. */
export async function* readSnapshot(
  read: ReadRange,
  shape: ShapeMemory,
  chunk: number,
  fromByte: number,
): AsyncGenerator<Uint8Array> {
  const stream = chunkStream(shape, chunk);
  let at = fromByte;
  let ahead: ReadAhead<number> | undefined;
  for (let batch = BATCH_MIN;; batch = Math.min(batch * 2, BATCH_MAX)) {
    for (;;) {
      assertPresent(shape);
      const recent = shape.chunks.get(chunk);
      if (recent === undefined || !recent.covers(at)) break;
      const found = recent.after(at);
      if (found === undefined) return;
      const from = found.value.length - (found.end - at);
      at = found.end;
      yield found.value.subarray(from);
    }
    const values = await readNext(read, shape, stream, at, batch, ahead);
    ahead = readAhead(read, shape, stream, values, batch);
    for (const { value, next } of values) {
      if (value.length === 0) return;
      const from = value.length - (next - at);
      at = next;
      yield value.subarray(from);
      assertPresent(shape);
    }
  }
}

function isBefore(at: LogPosition, until: Offset): boolean {
  return at.part !== Infinity || compareOffsets(at, until) < 0;
}

function assertPresent(shape: ShapeMemory): void {
  if (shape.isDropped) throw new ShapeGoneError(shape.handle);
}

/** A sequence of values in KV, each found from the position after the one before. */
interface ColdStream<P> {
  readonly known: ColdValues<P>;
  readonly rangeAfter: (at: P) => KeyRange;
  readonly positionAfter: (key: KvKey, value: Uint8Array) => P;
  readonly textOf: (at: P) => string;
  /** Whether KV holds all of it and nothing will be added. */
  readonly isFixed: () => boolean;
}

function logStream(shape: ShapeMemory): ColdStream<LogPosition> {
  return {
    known: shape.log.cold,
    rangeAfter: (at) => logRangeAfter(shape.handle, at),
    positionAfter: (key, value) => positionAfter(logPositionOf(key), value),
    textOf: (at) => `${at.lsn}_${at.op}_${at.part}`,
    isFixed: () => false,
  };
}

function chunkStream(shape: ShapeMemory, chunk: number): ColdStream<number> {
  return {
    known: shape.coldChunks,
    rangeAfter: (at) => snapshotRangeFrom(shape.handle, chunk, at),
    positionAfter: (key) => snapshotEndOf(key),
    textOf: (at) => `${chunk}_${at}`,
    isFixed: () => shape.meta === undefined && !shape.chunks.has(chunk),
  };
}

/** A read that was begun before its reader got there. */
interface ReadAhead<P> {
  /** The text of the position it begins at. */
  readonly from: string;
  readonly reading: Promise<readonly ColdValue<P>[]>;
}

/** What a fast reader will ask for next; undefined while it is not known to be one. */
function readAhead<P>(
  read: ReadRange,
  shape: ShapeMemory,
  stream: ColdStream<P>,
  values: readonly ColdValue<P>[],
  batch: number,
): ReadAhead<P> | undefined {
  const last = values.at(-1);
  if (batch < BATCH_MAX || last === undefined || last.value.length === 0) return undefined;
  const reading = readCold(read, shape, stream, last.next, batch);
  // The reader learns of a failure when it gets there.
  reading.catch(() => {});
  return { from: stream.textOf(last.next), reading };
}

/** Values after a position that is not in memory, read ahead or now. An empty one: no more. */
async function readNext<P>(
  read: ReadRange,
  shape: ShapeMemory,
  stream: ColdStream<P>,
  at: P,
  batch: number,
  ahead: ReadAhead<P> | undefined,
): Promise<readonly ColdValue<P>[]> {
  const text = stream.textOf(at);
  const values = ahead?.from === text
    ? await ahead.reading
    : await readCold(read, shape, stream, at, batch);
  // A read that began earlier knows nothing of what has been stored, and left memory, since.
  const isDoubtful = values[0].value.length === 0 && !stream.known.find(text);
  return isDoubtful ? await readBatch(read, shape, stream, at, batch) : values;
}

/**
 * Values after a position: the next one if it is known, else a batch from KV. An empty one says
 * that there is no more.
 */
async function readCold<P>(
  read: ReadRange,
  shape: ShapeMemory,
  stream: ColdStream<P>,
  at: P,
  batch: number,
): Promise<readonly ColdValue<P>[]> {
  const text = stream.textOf(at);
  const known = stream.known.find(text);
  if (known !== undefined) return [known];
  const begin = () => readBatch(read, shape, stream, at, batch);
  const values = await stream.known.reading(text, begin);
  assertPresent(shape);
  return values;
}

async function readBatch<P>(
  read: ReadRange,
  shape: ShapeMemory,
  stream: ColdStream<P>,
  from: P,
  batch: number,
): Promise<readonly ColdValue<P>[]> {
  const values: ColdValue<P>[] = [];
  const isFixed = stream.isFixed();
  let at = from;
  const found = await read(stream.rangeAfter(from), batch);
  assertPresent(shape);
  for (const { key, value } of found) {
    const next = stream.positionAfter(key, value);
    values.push(stream.known.add(stream.textOf(at), next, plain(value)));
    at = next;
  }
  if (values.length < batch && isFixed) {
    values.push(stream.known.add(stream.textOf(at), at, NOTHING));
  } else if (values.length === 0) {
    values.push({ next: at, value: NOTHING, bytes: 0, writeNumber: 0, release() {} });
  }
  return values;
}

/** KV answers Node buffers, whose `slice()` shares bytes where that of an array copies them. */
function plain(value: Uint8Array): Uint8Array {
  return new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
}

const NOTHING = new Uint8Array(0);
