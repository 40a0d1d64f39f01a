/**
 * `ShapeStore` on Deno KV. Everything passes one queue (`commit_queue.ts`), so what is durable is
 * always a prefix of it; how log entries get there is told in `kv_log_writer.ts`, how they are read
 * in `kv_read.ts`, and what a restart finds and mends in `kv_load.ts`.
 */

import type { Kv } from "@deno/kv";
import { compareOffsets, formatOffset, type Offset } from "../offset.ts";
import type { CommitCounters } from "../counters.ts";
import { CommitQueue, type CommitQueueOptions } from "./commit_queue.ts";
import { openReadRange, type ReadRange } from "./kv_engine.ts";
import {
  chunkEndKey,
  HANDLE_BYTES_MAX,
  headKey,
  IDENTITY_KEY,
  LOG_START,
  partitionKey,
  recordKey,
  snapshotKey,
  standingKey,
  trashKey,
  VALUE_BYTES_MAX,
} from "./kv_keys.ts";
import { encodeIdentity } from "./kv_contents.ts";
import { loadFromKv } from "./kv_load.ts";
import { describeShape, droppedShape, type LoadedShape, rememberShape } from "./loaded_shape.ts";
import { LogWriter } from "./kv_log_writer.ts";
import { readLog, readSnapshot } from "./kv_read.ts";
import { KvTrash } from "./kv_trash.ts";
import type { Mutation } from "./kv_wire.ts";
import { MemoryBudget } from "./recent_values.ts";
import { type MemoryBudgets, ShapeMemory } from "./shape_memory.ts";
import { encodeShapeRecord } from "./shape_record.ts";
import type { LogEntry, LogPiece, ShapeStore, StoredIdentity, StoredState } from "./store.ts";

export interface KvStoreOptions
  extends Pick<CommitQueueOptions, "limits" | "retryDelaysMs" | "wait" | "trace"> {
  /** Bytes of stored values kept in memory for readers; what is not durable comes on top. */
  readonly cacheBytes?: number;
  /** Bytes of the journal, all of which is in memory as well. */
  readonly journalBytes?: number;
  /** Values of the journal: bounds the time to load it. */
  readonly journalValues?: number;
  /** Told once when storage can't be written: the process must not go on. */
  readonly onFailure?: (error: Error) => void;
}

const CACHE_BYTES = 64 * 1024 * 1024;
/** What was just written to logs gets this much more: the tails have it too. */
const WRITTEN_SHARE = 1 / 8;
const JOURNAL_BYTES = 32 * 1024 * 1024;
const JOURNAL_VALUES = 4_000;

export class KvStore implements ShapeStore {
  writes = 0;
  readonly #kv: Kv;
  readonly #read: ReadRange;
  readonly #queue: CommitQueue;
  readonly #trash: KvTrash;
  readonly #budgets: MemoryBudgets;
  readonly #shapes = new Map<string, ShapeMemory>();
  readonly #partitions = new Map<number, readonly number[]>();
  readonly #logs: LogWriter;
  readonly #listeners: ((appliedLsn: bigint) => void)[] = [];

  /** The KV becomes the store's own, which closes it when disposed of. */
  constructor(kv: Kv, options: KvStoreOptions = {}) {
    this.#kv = kv;
    this.#read = openReadRange(kv);
    const cacheBytes = options.cacheBytes ?? CACHE_BYTES;
    this.#budgets = {
      written: new MemoryBudget(cacheBytes * WRITTEN_SHARE),
      read: new MemoryBudget(cacheBytes),
    };
    this.#queue = new CommitQueue(kv, {
      limits: options.limits,
      retryDelaysMs: options.retryDelaysMs,
      wait: options.wait,
      trace: options.trace,
      collect: () => this.#logs.seal(),
      onCommit: (durable) => this.#committed(durable),
      onFailure: (error) => options.onFailure?.(error),
    });
    this.#logs = new LogWriter(this.#queue, {
      bytes: options.journalBytes ?? JOURNAL_BYTES,
      values: options.journalValues ?? JOURNAL_VALUES,
    });
    this.#trash = new KvTrash(kv, this.#queue);
  }

  async load(): Promise<StoredState> {
    const loaded = await loadFromKv(this.#kv);
    this.#logs.resume(loaded.journal, loaded.appliedLsn);
    const shapes = loaded.shapes.toSorted((a, b) => a.tailSequence - b.tailSequence);
    for (const shape of shapes) this.#admit(shape);
    for (const repair of loaded.repairs) this.#logs.push(repair);
    for (const { handle, recordParts } of loaded.incomplete) this.#pushDrop(handle, recordParts);
    if (loaded.needsRestart) this.#logs.restart(loaded.appliedLsn);
    for (const [table, oids] of loaded.partitions) this.#partitions.set(table, oids);
    await this.flushed();
    const trash = [...loaded.trash, ...loaded.incomplete.map(({ handle }) => handle)];
    for (const handle of trash) this.#trash.add(handle);
    return {
      identity: loaded.identity,
      appliedLsn: loaded.appliedLsn,
      shapes: loaded.shapes.map((shape) => describeShape(shape, this.#shapeToRead(shape.handle))),
      partitions: loaded.partitions,
    };
  }

  setIdentity(identity: StoredIdentity): void {
    this.writes++;
    this.#logs.push([{ key: IDENTITY_KEY, value: encodeIdentity(identity) }]);
  }

  createShape(handle: string, meta: string): void {
    if (this.#shapes.has(handle)) throw new TypeError(`Shape "${handle}" exists already`);
    const values = encodeShapeRecord({ meta, snapshot: undefined });
    const state = { head: LOG_START, meta, recordParts: values.length };
    const shape = new ShapeMemory(handle, this.#budgets, state);
    if (shape.handleBytes.length > HANDLE_BYTES_MAX) {
      throw new RangeError(
        `Handle of ${shape.handleBytes.length} bytes exceeds ${HANDLE_BYTES_MAX}`,
      );
    }
    this.#shapes.set(handle, shape);
    this.#logs.push(values.map((value, part) => ({ key: recordKey(handle, part), value })));
  }

  appendSnapshot(handle: string, chunk: number, bytes: Uint8Array): void {
    const shape = this.#shapes.get(handle);
    if (shape === undefined) return;
    if (shape.meta === undefined) throw new TypeError(`Snapshot of "${handle}" is complete`);
    const values = shape.chunkBeingWritten(chunk);
    for (let at = 0; at < bytes.length; at += VALUE_BYTES_MAX) {
      const value = owned(bytes.subarray(at, at + VALUE_BYTES_MAX));
      const end = values.end + value.length;
      const number = this.#logs.push([{ key: snapshotKey(handle, chunk, end), value }]);
      values.append(end, value, number);
    }
  }

  completeSnapshot(handle: string, snapshot: string): void {
    const shape = this.#shapes.get(handle);
    if (shape === undefined) return;
    if (shape.meta === undefined) throw new TypeError(`Snapshot of "${handle}" is complete`);
    const values = encodeShapeRecord({ meta: shape.meta, snapshot });
    shape.completeSnapshot(values.length);
    this.#logs.push(values.map((value, part) => ({ key: recordKey(handle, part), value })));
  }

  setStanding(handle: string, standing: string): void {
    this.writes++;
    if (!this.#shapes.has(handle)) return;
    const value = new TextEncoder().encode(standing);
    if (value.length > VALUE_BYTES_MAX) {
      throw new RangeError(`Standing of ${value.length} bytes exceeds ${VALUE_BYTES_MAX}`);
    }
    this.#logs.push([{ key: standingKey(handle), value }]);
  }

  appendLog(handle: string, entry: LogEntry): LogEntry {
    this.writes++;
    const shape = this.#shapes.get(handle);
    if (shape === undefined) return entry;
    if (compareOffsets(entry.first, shape.log.last) <= 0) {
      const [first, last] = [formatOffset(entry.first), formatOffset(shape.log.last)];
      throw new RangeError(`Entry at ${first} is not beyond ${last} in the log of "${handle}"`);
    }
    return this.#logs.append(shape, entry);
  }

  endChunk(handle: string, last: Offset): void {
    const shape = this.#shapes.get(handle);
    if (shape === undefined) return;
    if (compareOffsets(last, shape.log.last) !== 0) {
      throw new RangeError(
        `Chunk end ${formatOffset(last)} is not where the log of "${handle}" ends`,
      );
    }
    this.#logs.flushTail(shape);
    shape.log.openChunkBytes = 0;
    this.#logs.push([{ key: chunkEndKey(handle, last), value: new Uint8Array(0) }]);
  }

  dropShape(handle: string): void {
    this.writes++;
    const shape = this.#shapes.get(handle);
    if (shape === undefined) return;
    this.#shapes.delete(handle);
    this.#logs.forget(shape);
    shape.drop();
    this.#pushDrop(handle, shape.recordParts);
    this.#trash.add(handle);
  }

  setAppliedLsn(lsn: bigint): void {
    this.#logs.setAppliedLsn(lsn);
  }

  setPartitions(tableOid: number, oids: readonly number[]): void {
    this.writes++;
    const before = new Set(this.#partitions.get(tableOid)), now = new Set(oids);
    const value = new Uint8Array(0);
    for (const oid of now.difference(before)) {
      this.#logs.push([{ key: partitionKey(tableOid, oid), value }]);
    }
    for (const oid of before.difference(now)) {
      this.#logs.push([{ key: partitionKey(tableOid, oid) }]);
    }
    if (oids.length > 0) this.#partitions.set(tableOid, oids);
    else this.#partitions.delete(tableOid);
  }

  flushed(): Promise<void> {
    return this.#queue.durable(this.#logs.lastNumber);
  }

  get queuedBytes(): number {
    return this.#queue.queuedBytes + this.#logs.collectedBytes;
  }

  get commits(): CommitCounters {
    return this.#queue.counters;
  }

  onDurable(listener: (appliedLsn: bigint) => void): void {
    this.#listeners.push(listener);
  }

  readSnapshot(handle: string, chunk: number, fromByte: number): AsyncIterable<Uint8Array> {
    return readSnapshot(this.#read, this.#shapeToRead(handle), chunk, fromByte);
  }

  readLog(handle: string, since: Offset, until: Offset): AsyncIterable<LogPiece> {
    return readLog(this.#read, this.#shapeToRead(handle), since, until);
  }

  /** Resolves when the bytes of all dropped shapes are deleted. */
  async trashEmptied(): Promise<void> {
    await this.#trash.emptied();
    await this.flushed();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#trash.stop();
    // A flush can queue more: the journal is trimmed. Who must know of a failure has been told.
    const drained = async () => {
      do await this.flushed(); while (this.queuedBytes > 0);
    };
    await drained().catch(() => {});
    this.#kv.close();
  }

  #admit(loaded: LoadedShape): void {
    const shape = rememberShape(loaded, this.#budgets);
    if (loaded.tail.length > 0) this.#logs.resumeTail(shape);
    this.#shapes.set(loaded.handle, shape);
  }

  #shapeToRead(handle: string): ShapeMemory {
    return this.#shapes.get(handle) ?? droppedShape(handle, this.#budgets);
  }

  #pushDrop(handle: string, recordParts: number): void {
    const mutations: Mutation[] = [
      { key: trashKey(handle), value: new Uint8Array(0) },
      { key: headKey(handle) },
      { key: standingKey(handle) },
    ];
    for (let part = 0; part < recordParts; part++) mutations.push({ key: recordKey(handle, part) });
    this.#logs.push(mutations);
  }

  #committed(durable: number): void {
    this.#budgets.written.setDurable(durable);
    this.#budgets.read.setDurable(durable);
    const appliedLsn = this.#logs.committed(durable);
    for (const listener of this.#listeners) listener(appliedLsn);
  }
}

/** The bytes, copied unless they are all of their buffer: a slab must not be kept for a part of it. */
function owned(bytes: Uint8Array): Uint8Array {
  return bytes.byteLength === bytes.buffer.byteLength ? bytes : new Uint8Array(bytes);
}
