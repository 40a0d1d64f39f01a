/**
 * `ShapeStore` in memory: the simplest thing that keeps the contract, for servers that need not
 * survive and as the model of the others. What is written counts as durable in the next turn.
 */

import { CommitCounters } from "../counters.ts";
import { ShapeGoneError } from "../errors.ts";
import { compareOffsets, formatOffset, type Offset } from "../offset.ts";
import type {
  LogEntry,
  LogPiece,
  ShapeStore,
  StoredIdentity,
  StoredShape,
  StoredState,
} from "./store.ts";

interface KeptShape {
  readonly handle: string;
  readonly meta: string;
  snapshot: string | undefined;
  standing: string | undefined;
  readonly chunks: Uint8Array[][];
  readonly log: LogEntry[];
  readonly chunkEnds: Offset[];
  openChunkBytes: number;
  isDropped: boolean;
}

/** What a store holds, which a later one can be given: the restart of the process that wasn't. */
export class MemoryContents {
  identity: StoredIdentity | undefined;
  appliedLsn = 0n;
  readonly shapes = new Map<string, KeptShape>();
  readonly partitions = new Map<number, readonly number[]>();
}

export class MemoryStore implements ShapeStore {
  readonly commits: CommitCounters = new CommitCounters();
  writes = 0;
  readonly #contents: MemoryContents;
  readonly #listeners: ((appliedLsn: bigint) => void)[] = [];
  #settling: Promise<void> | undefined;

  constructor(contents: MemoryContents = new MemoryContents()) {
    this.#contents = contents;
  }

  load(): Promise<StoredState> {
    const { identity, appliedLsn, shapes, partitions } = this.#contents;
    for (const shape of [...shapes.values()]) {
      if (shape.snapshot === undefined) shapes.delete(shape.handle);
      else cutBeyond(shape, appliedLsn);
    }
    return Promise.resolve({
      identity,
      appliedLsn,
      shapes: [...shapes.values()].map(describe),
      partitions: new Map(partitions),
    });
  }

  setIdentity(identity: StoredIdentity): void {
    this.writes++;
    this.#contents.identity = identity;
    this.#settle();
  }

  createShape(handle: string, meta: string): void {
    const { shapes } = this.#contents;
    if (shapes.has(handle)) throw new TypeError(`Shape "${handle}" exists already`);
    shapes.set(handle, {
      handle,
      meta,
      snapshot: undefined,
      standing: undefined,
      chunks: [],
      log: [],
      chunkEnds: [],
      openChunkBytes: 0,
      isDropped: false,
    });
    this.#settle();
  }

  appendSnapshot(handle: string, chunk: number, bytes: Uint8Array): void {
    const shape = this.#contents.shapes.get(handle);
    if (shape === undefined) return;
    if (shape.snapshot !== undefined) throw new TypeError(`Snapshot of "${handle}" is complete`);
    if (bytes.length > 0) (shape.chunks[chunk] ??= []).push(new Uint8Array(bytes));
    this.#settle();
  }

  completeSnapshot(handle: string, snapshot: string): void {
    const shape = this.#contents.shapes.get(handle);
    if (shape === undefined) return;
    if (shape.snapshot !== undefined) throw new TypeError(`Snapshot of "${handle}" is complete`);
    shape.snapshot = snapshot;
    this.#settle();
  }

  setStanding(handle: string, standing: string): void {
    this.writes++;
    const shape = this.#contents.shapes.get(handle);
    if (shape === undefined) return;
    shape.standing = standing;
    this.#settle();
  }

  appendLog(handle: string, entry: LogEntry): LogEntry {
    this.writes++;
    const shape = this.#contents.shapes.get(handle);
    if (shape === undefined) return entry;
    const last = shape.log.at(-1)?.last;
    if (last !== undefined && compareOffsets(entry.first, last) <= 0) {
      const first = formatOffset(entry.first);
      throw new RangeError(`Entry at ${first} is not beyond the log of "${handle}"`);
    }
    const kept = { first: entry.first, last: entry.last, bytes: new Uint8Array(entry.bytes) };
    shape.log.push(kept);
    shape.openChunkBytes += entry.bytes.length;
    this.#settle();
    return kept;
  }

  endChunk(handle: string, last: Offset): void {
    const shape = this.#contents.shapes.get(handle);
    if (shape === undefined) return;
    const end = shape.log.at(-1)?.last;
    if (end === undefined || compareOffsets(end, last) !== 0) {
      throw new RangeError(
        `Chunk end ${formatOffset(last)} is not where the log of "${handle}" ends`,
      );
    }
    shape.chunkEnds.push(last);
    shape.openChunkBytes = 0;
    this.#settle();
  }

  dropShape(handle: string): void {
    this.writes++;
    const shape = this.#contents.shapes.get(handle);
    if (shape === undefined) return;
    shape.isDropped = true;
    this.#contents.shapes.delete(handle);
    this.#settle();
  }

  setAppliedLsn(lsn: bigint): void {
    this.#contents.appliedLsn = lsn;
    this.#settle();
  }

  setPartitions(tableOid: number, oids: readonly number[]): void {
    this.writes++;
    if (oids.length > 0) this.#contents.partitions.set(tableOid, oids);
    else this.#contents.partitions.delete(tableOid);
    this.#settle();
  }

  flushed(): Promise<void> {
    return this.#settling ?? Promise.resolve();
  }

  get queuedBytes(): number {
    return 0;
  }

  onDurable(listener: (appliedLsn: bigint) => void): void {
    this.#listeners.push(listener);
  }

  async *readSnapshot(handle: string, chunk: number, fromByte: number): AsyncGenerator<Uint8Array> {
    const shape = this.#shape(handle);
    let start = 0;
    for (const bytes of shape.chunks[chunk] ?? []) {
      await assertPresent(shape);
      const end = start + bytes.length;
      if (end > fromByte) yield bytes.subarray(Math.max(0, fromByte - start));
      start = end;
    }
  }

  async *readLog(handle: string, since: Offset, until: Offset): AsyncGenerator<LogPiece> {
    const shape = this.#shape(handle);
    for (let at = firstBeyond(shape.log, since); at < shape.log.length; at++) {
      await assertPresent(shape);
      const { first, last, bytes } = shape.log[at];
      if (compareOffsets(last, until) > 0) return;
      yield { first, last, isLast: true, bytes };
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.flushed();
  }

  #shape(handle: string): KeptShape {
    const shape = this.#contents.shapes.get(handle);
    if (shape === undefined) throw new ShapeGoneError(handle);
    return shape;
  }

  /** Tells the listeners once for all writes of this turn. */
  #settle(): void {
    this.#settling ??= Promise.resolve().then(() => {
      this.#settling = undefined;
      for (const listener of this.#listeners) listener(this.#contents.appliedLsn);
    });
  }
}

function assertPresent(shape: KeptShape): Promise<void> {
  return shape.isDropped ? Promise.reject(new ShapeGoneError(shape.handle)) : Promise.resolve();
}

/** Index of the first entry whose last offset is beyond `since`. */
function firstBeyond(log: readonly LogEntry[], since: Offset): number {
  let low = 0;
  let high = log.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (compareOffsets(log[middle].last, since) > 0) high = middle;
    else low = middle + 1;
  }
  return low;
}

function cutBeyond(shape: KeptShape, appliedLsn: bigint): void {
  const { log, chunkEnds } = shape;
  while (log.length > 0 && log[log.length - 1].last.lsn > appliedLsn) log.pop();
  while (chunkEnds.length > 0 && chunkEnds[chunkEnds.length - 1].lsn > appliedLsn) chunkEnds.pop();
  const open = chunkEnds.length === 0 ? 0 : firstBeyond(log, chunkEnds[chunkEnds.length - 1]);
  shape.openChunkBytes = log.slice(open).reduce((sum, { bytes }) => sum + bytes.length, 0);
}

function describe(shape: KeptShape): StoredShape {
  const { handle, meta, snapshot, standing, openChunkBytes, chunkEnds } = shape;
  const head = shape.log.at(-1)?.last;
  return { handle, meta, snapshot, standing, head, openChunkBytes, chunkEnds: [...chunkEnds] };
}
