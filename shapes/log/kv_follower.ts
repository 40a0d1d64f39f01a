/**
 * The store of another process, read while that one writes: what was durable at the last look. The
 * KV is opened for reading only. Values under a shape's key are never changed, and only those of a
 * dropped shape are removed, so that a reader goes on with what it found when it began.
 */

import type { Kv } from "@deno/kv";
import { compareOffsets, type Offset } from "../offset.ts";
import { type KvContents, readContents } from "./kv_contents.ts";
import { openReadRange, type ReadRange } from "./kv_engine.ts";
import { LOG_START, logPositionOf, logRangeAfter } from "./kv_keys.ts";
import { readLog, readSnapshot } from "./kv_read.ts";
import {
  describeShape,
  droppedShape,
  entriesBeyond,
  type LoadedShape,
  rememberShape,
} from "./loaded_shape.ts";
import { endOfEntry, entriesOfLogValue, isPartOfEntry, type LogHead } from "./log_value.ts";
import { MemoryBudget } from "./recent_values.ts";
import type { MemoryBudgets, ShapeMemory } from "./shape_memory.ts";
import type { LogPiece, StoredBytes, StoredShape, StoredState } from "./store.ts";

const CACHE_BYTES = 32 * 1024 * 1024;
const NO_HEAD: LogHead = { position: LOG_START, openChunkBytes: 0, isCutting: false };

interface Known {
  readonly memory: ShapeMemory;
  readonly stored: StoredShape;
}

export class KvFollower implements StoredBytes {
  readonly #kv: Kv;
  readonly #read: ReadRange;
  readonly #budgets: MemoryBudgets = {
    written: new MemoryBudget(0),
    read: new MemoryBudget(CACHE_BYTES),
  };
  #known: ReadonlyMap<string, Known> = new Map();

  constructor(kv: Kv) {
    this.#kv = kv;
    this.#read = openReadRange(kv);
  }

  /**
   * What is durable now: shapes whose snapshot is complete, with all up to the applied LSN. One that
   * has not changed is the same object as the last time. Not to be called twice at a time.
   */
  async look(): Promise<StoredState> {
    const contents = await readContents(this.#read);
    const { identity, journal: { appliedLsn }, partitions } = contents;
    const known = new Map<string, Known>();
    for (const [handle, { record }] of contents.records) {
      if (record.snapshot === undefined) continue;
      known.set(handle, await this.#renew(handle, contents));
    }
    for (const [handle, { memory }] of this.#known) if (!known.has(handle)) memory.drop();
    this.#known = known;
    const shapes = Array.from(known.values(), ({ stored }) => stored);
    return { identity, appliedLsn, shapes, partitions };
  }

  readSnapshot(handle: string, chunk: number, fromByte: number): AsyncIterable<Uint8Array> {
    return readSnapshot(this.#read, this.#shapeToRead(handle), chunk, fromByte);
  }

  readLog(handle: string, since: Offset, until: Offset): AsyncIterable<LogPiece> {
    return readLog(this.#read, this.#shapeToRead(handle), since, until);
  }

  close(): void {
    this.#kv.close();
  }

  #shapeToRead(handle: string): ShapeMemory {
    return this.#known.get(handle)?.memory ?? droppedShape(handle, this.#budgets);
  }

  async #renew(handle: string, contents: KvContents): Promise<Known> {
    const before = this.#known.get(handle);
    const loaded = await this.#findShape(handle, contents);
    if (before && isSame(before.stored, loaded)) return before;
    // Entries lie in batches of journal values: they must not keep all of them.
    const tail = loaded.tail.map((entry) => ({ ...entry, bytes: entry.bytes.slice() }));
    const memory = rememberShape({ ...loaded, tail }, this.#budgets);
    return { memory, stored: describeShape(loaded, memory) };
  }

  async #findShape(handle: string, contents: KvContents): Promise<LoadedShape> {
    const { journal: { appliedLsn, tails }, records, standings, chunkEnds, heads } = contents;
    const read = records.get(handle);
    if (!read) throw new TypeError(`Shape "${handle}" has no record`);
    const head = await this.#headUpTo(handle, heads.get(handle) ?? NO_HEAD, appliedLsn);
    const tail = tails.get(handle);
    return {
      handle,
      ...read,
      standing: standings.get(handle),
      chunkEnds: (chunkEnds.get(handle) ?? []).filter(({ lsn }) => lsn <= appliedLsn),
      head,
      tail: entriesBeyond(tail, head.position),
      tailSequence: tail?.sequence ?? 0,
    };
  }

  /** Where those values end that are part of what is applied: the last one may reach beyond that. */
  async #headUpTo(handle: string, head: LogHead, appliedLsn: bigint): Promise<LogHead> {
    if (head.position.lsn <= appliedLsn) return head;
    const applied = { lsn: appliedLsn, op: Infinity };
    const at = endOfEntry(applied);
    const [next] = await this.#read(logRangeAfter(handle, at), 1);
    const inside = next && !isPartOfEntry(next.value)
      ? entriesOfLogValue(next.value).findLast(({ last }) => compareOffsets(last, applied) <= 0)
      : undefined;
    if (inside) return { ...NO_HEAD, position: { ...inside.last, part: 0 } };
    const range = { prefix: ["l", handle], end: logRangeAfter(handle, at).start };
    for await (const { key } of this.#kv.list(range, { limit: 1, reverse: true })) {
      return { ...NO_HEAD, position: logPositionOf(key) };
    }
    return NO_HEAD;
  }
}

/** A log only grows: it is the same if it ends where it ended. */
function isSame(before: StoredShape, now: LoadedShape): boolean {
  if (before.standing !== now.standing || before.chunkEnds.length !== now.chunkEnds.length) {
    return false;
  }
  const end = now.tail.at(-1)?.last ?? now.head.position;
  return before.head ? compareOffsets(before.head, end) === 0 : end.lsn < 0n;
}
