/** What the store keeps in memory of one shape. */

import { compareOffsets, type Offset } from "../offset.ts";
import { compareLogPositions, LOG_START, type LogPosition } from "./kv_keys.ts";
import { INDEX_BYTES } from "./log_value.ts";
import { type Evictable, type MemoryBudget, RecentValues } from "./recent_values.ts";
import type { LogEntry, LogPiece } from "./store.ts";

/** A value read from KV, kept for the next reader at the same position. */
export interface ColdValue<P> extends Evictable {
  /** Where a reader stands after it. */
  readonly next: P;
  /** Empty at the end of the stream. */
  readonly value: Uint8Array;
}

/**
 * Values read from KV, each by the text of the position that a reader was at before it. Nearly all
 * shapes have none: what holds them is made when it is needed.
 */
export class ColdValues<P> {
  readonly #budget: MemoryBudget;
  #known: Map<string, ColdValue<P>> | undefined;
  #reading: Map<string, Promise<readonly ColdValue<P>[]>> | undefined;

  constructor(budget: MemoryBudget) {
    this.#budget = budget;
  }

  find(at: string): ColdValue<P> | undefined {
    return this.#known?.get(at);
  }

  add(at: string, next: P, value: Uint8Array): ColdValue<P> {
    const values = this.#known ??= new Map();
    const known = values.get(at);
    if (known !== undefined) return known;
    const release = () => void values.delete(at);
    const cold = { next, value, bytes: value.length, writeNumber: 0, release };
    values.set(at, cold);
    this.#budget.add(cold);
    return cold;
  }

  /** The read under way at a place, which is begun if there is none. */
  reading(
    at: string,
    begin: () => Promise<readonly ColdValue<P>[]>,
  ): Promise<readonly ColdValue<P>[]> {
    const reading = this.#reading ??= new Map();
    const known = reading.get(at);
    if (known !== undefined) return known;
    const begun = begin();
    reading.set(at, begun);
    const done = () => void reading.delete(at);
    begun.then(done, done);
    return begun;
  }

  clear(): void {
    for (const value of this.#known?.values() ?? []) this.#budget.forget(value);
    this.#known?.clear();
  }
}

/** What bounds the values in memory. */
export interface MemoryBudgets {
  /** Values of logs as they are written: readers of what is new have the tails of `tail.ts`. */
  readonly written: MemoryBudget;
  /** Snapshots, and what was read from KV. */
  readonly read: MemoryBudget;
}

/** The end of a log: values in KV, then entries that only the journal holds. */
export class LogMemory {
  readonly values: RecentValues<LogPosition>;
  readonly cold: ColdValues<LogPosition>;
  /** Entries after the last value, in order: what the journal made or will make durable. */
  tail: LogEntry[] = [];
  /** Bytes of the value that would hold the tail, without its header. */
  tailBytes = 0;
  /** The journal value with the first of the tail's entries. */
  tailSequence = 0;
  /** Bytes since the last chunk end, the tail's included. */
  openChunkBytes = 0;
  /** The last offset appended. */
  last: Offset = LOG_START;

  constructor({ written, read }: MemoryBudgets, head: LogPosition) {
    this.values = new RecentValues(written, head, compareLogPositions);
    this.cold = new ColdValues(read);
    this.last = head;
  }

  addToTail(entry: LogEntry): void {
    this.tail.push(entry);
    this.tailBytes += entry.bytes.length + INDEX_BYTES;
    this.openChunkBytes += entry.bytes.length;
    this.last = entry.last;
  }

  takeTail(): LogEntry[] {
    const tail = this.tail;
    this.tail = [];
    this.tailBytes = 0;
    return tail;
  }
}

function compareNumbers(a: number, b: number): number {
  return a - b;
}

/** Everything of one shape. */
export class ShapeMemory {
  readonly handle: string;
  readonly handleBytes: Uint8Array;
  readonly log: LogMemory;
  /** Chunks of the snapshot that are being written or are still in memory. */
  readonly chunks = new Map<number, RecentValues<number>>();
  readonly coldChunks: ColdValues<number>;
  /** `meta` until the snapshot is complete, when it is written again. */
  meta: string | undefined;
  /** Values of the record in KV. */
  recordParts: number;
  isDropped = false;
  readonly #budget: MemoryBudget;

  constructor(
    handle: string,
    budgets: MemoryBudgets,
    state: { head: LogPosition; meta: string | undefined; recordParts: number },
  ) {
    this.#budget = budgets.read;
    this.handle = handle;
    this.handleBytes = new TextEncoder().encode(handle);
    this.log = new LogMemory(budgets, state.head);
    this.coldChunks = new ColdValues(budgets.read);
    this.meta = state.meta;
    this.recordParts = state.recordParts;
  }

  /** A chunk of the snapshot that is being written. */
  chunkBeingWritten(chunk: number): RecentValues<number> {
    let values = this.chunks.get(chunk);
    if (values === undefined) {
      values = new RecentValues<number>(
        this.#budget,
        0,
        compareNumbers,
        () => this.#forgetIfDone(chunk),
      );
      this.chunks.set(chunk, values);
    }
    return values;
  }

  /** From now on nothing is appended to the snapshot. */
  completeSnapshot(recordParts: number): void {
    this.meta = undefined;
    this.recordParts = recordParts;
    for (const chunk of [...this.chunks.keys()]) this.#forgetIfDone(chunk);
  }

  #forgetIfDone(chunk: number): void {
    if (this.meta === undefined && this.chunks.get(chunk)?.isEmpty) this.chunks.delete(chunk);
  }

  /** Lets go of all bytes; readers learn from `isDropped`. */
  drop(): void {
    this.isDropped = true;
    this.log.takeTail();
    this.log.values.clear();
    for (const chunk of this.chunks.values()) chunk.clear();
    this.chunks.clear();
    this.log.cold.clear();
    this.coldChunks.clear();
  }
}

/** A tail is handed out in pieces of about this size. */
const TAIL_PIECE_BYTES = 64 * 1024;

/**
 * The entries of a tail beyond `since` and up to `until`, as many as make a piece. An entry that
 * `since` lies in comes alone.
 */
export function pieceOfTail(
  tail: readonly LogEntry[],
  since: Offset,
  until: Offset,
): LogPiece | undefined {
  let low = 0;
  let high = tail.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (compareOffsets(tail[middle].last, since) > 0) high = middle;
    else low = middle + 1;
  }
  let end = low;
  let size = 0;
  while (end < tail.length && compareOffsets(tail[end].last, until) <= 0) {
    if (end > low && size + tail[end].bytes.length > TAIL_PIECE_BYTES) break;
    size += tail[end++].bytes.length;
    if (compareOffsets(tail[low].first, since) <= 0) break;
  }
  if (end === low) return undefined;
  const bytes = end === low + 1 ? tail[low].bytes : joinEntries(tail, low, end, size);
  return { first: tail[low].first, last: tail[end - 1].last, isLast: true, bytes };
}

function joinEntries(tail: readonly LogEntry[], from: number, to: number, size: number) {
  const bytes = new Uint8Array(size);
  let at = 0;
  for (let i = from; i < to; i++) {
    bytes.set(tail[i].bytes, at);
    at += tail[i].bytes.length;
  }
  return bytes;
}
