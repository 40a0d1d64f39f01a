/**
 * A store in memory whose durability the test drives: what is queued becomes durable when the test
 * says so, one write after the other, and a crash leaves just that. It follows the contract in
 * shapes/log/store.ts and is strict about what callers must not do.
 */

import { CommitCounters } from "../../shapes/counters.ts";
import { ShapeGoneError } from "../../shapes/errors.ts";
import type {
  LogEntry,
  LogPiece,
  ShapeStore,
  StoredIdentity,
  StoredShape,
  StoredState,
} from "../../shapes/log/store.ts";
import { compareOffsets, type Offset } from "../../shapes/offset.ts";

interface Kept {
  readonly meta: string;
  readonly chunks: Uint8Array[][];
  snapshot: string | undefined;
  standing: string | undefined;
  readonly log: LogEntry[];
  readonly chunkEnds: Offset[];
}

const EMPTY = { snapshot: undefined, standing: undefined };

interface State {
  identity: StoredIdentity | undefined;
  appliedLsn: bigint;
  readonly shapes: Map<string, Kept>;
  readonly partitions: Map<number, readonly number[]>;
}

type Write = { readonly bytes: number; readonly apply: (state: State) => void };

export interface DrivenStoreOptions {
  /** Log entries are handed out in pieces of so many bytes. */
  readonly pieceBytes?: number;
  /** Makes every write durable in the next turn of the event loop. */
  readonly isPrompt?: boolean;
}

export class DrivenStore implements ShapeStore {
  readonly commits = new CommitCounters();
  writes = 0;
  /** What was asked of it, in order. */
  readonly calls: string[] = [];
  readonly #options: DrivenStoreOptions;
  readonly #durable: State;
  /** Durable and queued. */
  readonly #seen: State;
  readonly #used = new Set<string>();
  #queue: Write[] = [];
  #waiting: { count: number; resolve: () => void; reject: (error: Error) => void }[] = [];
  #written = 0;
  #queued = 0;
  #failure: Error | undefined;
  #isScheduled = false;
  readonly #listeners: ((appliedLsn: bigint) => void)[] = [];

  constructor(options: DrivenStoreOptions = {}, from?: State) {
    this.#options = options;
    this.#durable = from ??
      { identity: undefined, appliedLsn: 0n, shapes: new Map(), partitions: new Map() };
    this.#seen = copy(this.#durable);
    for (const handle of this.#seen.shapes.keys()) this.#used.add(handle);
  }

  /** Writes that are not durable. */
  get pending(): number {
    return this.#queue.length;
  }

  get queuedBytes(): number {
    return this.#queue.reduce((sum, { bytes }) => sum + bytes, 0);
  }

  /** Makes the oldest writes durable; all of them unless a number is given. */
  commit(count = Infinity): void {
    const writes = this.#queue.splice(0, Math.min(count, this.#queue.length));
    for (const { apply } of writes) apply(this.#durable);
    this.#written += writes.length;
    const done = this.#waiting.filter((each) => each.count <= this.#written);
    this.#waiting = this.#waiting.filter((each) => each.count > this.#written);
    for (const { resolve } of done) resolve();
    for (const listener of this.#listeners) listener(this.#durable.appliedLsn);
  }

  /** Storage fails: nothing that is queued will ever be durable. */
  fail(error: Error): void {
    this.#failure = error;
    for (const { reject } of this.#waiting) reject(error);
    this.#waiting = [];
  }

  /** What a process that is started after a crash finds. */
  crash(): DrivenStore {
    return new DrivenStore(this.#options, copy(this.#durable));
  }

  load(): Promise<StoredState> {
    const { identity, appliedLsn, shapes, partitions } = this.#seen;
    for (const [handle, { snapshot }] of [...shapes]) {
      if (snapshot === undefined) shapes.delete(handle);
    }
    for (const kept of [...shapes.values(), ...this.#durable.shapes.values()]) {
      keepWhere(kept.log, ({ last }) => last.lsn <= appliedLsn);
      keepWhere(kept.chunkEnds, ({ lsn }) => lsn <= appliedLsn);
    }
    return Promise.resolve({
      identity,
      appliedLsn,
      shapes: [...shapes].map(stored),
      partitions: new Map(partitions),
    });
  }

  setIdentity(identity: StoredIdentity): void {
    this.writes++;
    this.#write("setIdentity", 0, (state) => state.identity = identity);
  }

  createShape(handle: string, meta: string): void {
    if (this.#used.has(handle)) throw new RangeError(`Handle "${handle}" was used before`);
    this.#used.add(handle);
    this.#write(`createShape ${handle}`, meta.length, ({ shapes }) => {
      shapes.set(handle, { ...EMPTY, meta, chunks: [], log: [], chunkEnds: [] });
    });
  }

  appendSnapshot(handle: string, chunk: number, bytes: Uint8Array): void {
    this.#write(`appendSnapshot ${handle} ${chunk}`, bytes.length, ({ shapes }) => {
      const { chunks } = known(shapes, handle);
      (chunks[chunk] ??= []).push(bytes.slice());
    });
  }

  completeSnapshot(handle: string, snapshot: string): void {
    this.#write(`completeSnapshot ${handle}`, snapshot.length, ({ shapes }) => {
      known(shapes, handle).snapshot = snapshot;
    });
  }

  setStanding(handle: string, standing: string): void {
    this.writes++;
    this.#write(`setStanding ${handle}`, 0, ({ shapes }) => {
      const kept = shapes.get(handle);
      if (kept) kept.standing = standing;
    });
  }

  appendLog(handle: string, entry: LogEntry): LogEntry {
    this.writes++;
    if (compareOffsets(entry.first, entry.last) > 0) throw new RangeError("Entry ends before");
    this.#write(`appendLog ${handle}`, entry.bytes.length, ({ shapes }) => {
      const { log } = known(shapes, handle);
      const last = log.at(-1)?.last;
      if (last && compareOffsets(entry.first, last) <= 0) throw new RangeError("Not beyond");
      log.push({ ...entry, bytes: entry.bytes.slice() });
    });
    return entry;
  }

  endChunk(handle: string, last: Offset): void {
    this.#write(`endChunk ${handle}`, 0, ({ shapes }) => {
      known(shapes, handle).chunkEnds.push(last);
    });
  }

  dropShape(handle: string): void {
    this.writes++;
    this.#write(`dropShape ${handle}`, 0, ({ shapes }) => shapes.delete(handle));
  }

  setAppliedLsn(lsn: bigint): void {
    this.#write(`setAppliedLsn ${lsn}`, 0, (state) => {
      state.appliedLsn = lsn;
    });
  }

  setPartitions(tableOid: number, oids: readonly number[]): void {
    this.writes++;
    this.#write(`setPartitions ${tableOid} ${oids}`, 0, ({ partitions }) => {
      if (oids.length > 0) partitions.set(tableOid, oids);
      else partitions.delete(tableOid);
    });
  }

  flushed(): Promise<void> {
    if (this.#failure) return Promise.reject(this.#failure);
    if (this.#queue.length === 0) return Promise.resolve();
    return new Promise((resolve, reject) => {
      this.#waiting.push({ count: this.#queued, resolve, reject });
    });
  }

  onDurable(listener: (appliedLsn: bigint) => void): void {
    this.#listeners.push(listener);
  }

  async *readSnapshot(handle: string, chunk: number, from: number): AsyncGenerator<Uint8Array> {
    let skip = from;
    for (const bytes of [...this.#present(handle).chunks[chunk] ?? []]) {
      await Promise.resolve();
      if (skip < bytes.length) yield bytes.subarray(skip);
      skip = Math.max(0, skip - bytes.length);
    }
  }

  async *readLog(handle: string, since: Offset, until: Offset): AsyncGenerator<LogPiece> {
    const size = this.#options.pieceBytes ?? Infinity;
    for (const { first, last, bytes } of [...this.#present(handle).log]) {
      if (compareOffsets(last, since) <= 0 || compareOffsets(last, until) > 0) continue;
      for (let at = 0; at < bytes.length; at += size) {
        await Promise.resolve();
        const isLast = at + size >= bytes.length;
        yield { first, last, isLast, bytes: bytes.subarray(at, isLast ? bytes.length : at + size) };
      }
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.commit();
    return Promise.resolve();
  }

  #present(handle: string): Kept {
    const kept = this.#seen.shapes.get(handle);
    if (!kept) throw new ShapeGoneError(handle);
    return kept;
  }

  #write(call: string, bytes: number, apply: (state: State) => void): void {
    apply(this.#seen);
    this.calls.push(call);
    this.#queue.push({ bytes, apply });
    this.#queued++;
    if (!this.#options.isPrompt || this.#isScheduled) return;
    this.#isScheduled = true;
    queueMicrotask(() => {
      this.#isScheduled = false;
      this.commit();
    });
  }
}

/** What is written to a handle that is unknown or dropped is ignored. */
function known(shapes: Map<string, Kept>, handle: string): Kept {
  return shapes.get(handle) ??
    { ...EMPTY, meta: "", chunks: [[]], log: [], chunkEnds: [] };
}

function copy({ identity, appliedLsn, shapes, partitions }: State): State {
  const copied = new Map<string, Kept>();
  for (const [handle, kept] of shapes) {
    const chunks = kept.chunks.map((pieces) => [...pieces]);
    copied.set(handle, { ...kept, chunks, log: [...kept.log], chunkEnds: [...kept.chunkEnds] });
  }
  return { identity, appliedLsn, shapes: copied, partitions: new Map(partitions) };
}

function stored(
  [handle, { meta, snapshot, standing, log, chunkEnds }]: [string, Kept],
): StoredShape {
  const chunkEnd = chunkEnds.at(-1);
  const open = log.filter(({ last }) => !chunkEnd || compareOffsets(last, chunkEnd) > 0);
  return {
    handle,
    meta,
    snapshot,
    standing,
    head: log.at(-1)?.last,
    openChunkBytes: open.reduce((sum, { bytes }) => sum + bytes.length, 0),
    chunkEnds: [...chunkEnds],
  };
}

function keepWhere<T>(items: T[], isKept: (item: T) => boolean): void {
  const kept = items.filter(isKept);
  items.splice(0, items.length, ...kept);
}
