/**
 * Writes log entries: small ones to the journal (`journal.ts`), whence they are rewritten under
 * their shape's key when a shape's tail has grown to a value's size or the journal to its limit;
 * large ones under their shape's key at once.
 */

import type { Offset } from "../offset.ts";
import type { CommitQueue } from "./commit_queue.ts";
import { journalEntryBytes, JournalWriter } from "./journal.ts";
import {
  APPLIED_KEY,
  headKey,
  journalKey,
  logKey,
  type LogPosition,
  VALUE_BYTES_MAX,
} from "./kv_keys.ts";
import { encodeLsn, type JournalValue } from "./kv_contents.ts";
import type { Mutation } from "./kv_wire.ts";
import {
  encodeLogHead,
  encodeLogPart,
  encodeLogValue,
  entriesOfLogValue,
  logValueBytes,
  PART_BYTES_MAX,
} from "./log_value.ts";
import type { ShapeMemory } from "./shape_memory.ts";
import type { LogEntry } from "./store.ts";

/** Entries from this size on are written under their shape's key at once. */
const LARGE_ENTRY_BYTES = 16 * 1024;

/** A tail of this size is written under its shape's key: with any small entry it fits in a value. */
const TAIL_BYTES_MAX = 48 * 1024 - 64;

export interface JournalLimits {
  /** All of it is in memory as well. */
  readonly bytes: number;
  /** Bounds the time to load it. */
  readonly values: number;
}

interface AppliedMark {
  /** Number of the write that makes it durable. */
  readonly number: number;
  readonly lsn: bigint;
}

export class LogWriter {
  readonly #queue: CommitQueue;
  readonly #limits: JournalLimits;
  readonly #writer = new JournalWriter();
  /** Shapes with a tail, in the order of the journal value that a tail begins in. */
  readonly #tails = new Set<ShapeMemory>();
  /** Sealed journal values, oldest first, and their bytes. */
  #journal: JournalValue[] = [];
  #journalBytes = 0;
  /** Sequence of the journal value being collected. */
  #sequence = 0;
  #appliedQueued = 0n;
  #appliedDurable = 0n;
  #appliedMarks: AppliedMark[] = [];

  constructor(queue: CommitQueue, limits: JournalLimits) {
    this.#queue = queue;
    this.#limits = limits;
  }

  /** Continues a journal. Shapes with a tail follow in the order of their `tailSequence`. */
  resume(journal: readonly JournalValue[], appliedLsn: bigint): void {
    this.#appliedQueued = this.#appliedDurable = appliedLsn;
    this.#journal = [...journal];
    for (const value of journal) this.#journalBytes += value.bytes;
    this.#sequence = (journal.at(-1)?.sequence ?? -1) + 1;
  }

  resumeTail(shape: ShapeMemory): void {
    this.#tails.add(shape);
  }

  /** Records that entries of the journal beyond the LSN never happened. */
  restart(lsn: bigint): void {
    this.#writer.addRestart(lsn);
    this.#queue.wake();
  }

  get collectedBytes(): number {
    return this.#writer.openBytes;
  }

  /** Number of the write that makes everything durable so far. */
  get lastNumber(): number {
    return this.#queue.queued + (this.#writer.openBytes > 0 ? 1 : 0);
  }

  setAppliedLsn(lsn: bigint): void {
    if (lsn === this.#appliedQueued) return;
    this.#appliedQueued = lsn;
    if (!this.#writer.hasRoomForLsn) this.#renewJournal();
    this.#writer.addApplied(lsn);
    this.#queue.wake();
  }

  /** Answers the entry with the bytes that are kept of it. */
  append(shape: ShapeMemory, entry: LogEntry): LogEntry {
    if (entry.bytes.length >= LARGE_ENTRY_BYTES) return this.#appendLarge(shape, entry);
    const kept = this.#appendSmall(shape, entry);
    if (shape.log.tailBytes >= TAIL_BYTES_MAX) this.flushTail(shape);
    return kept;
  }

  /** Forgets the tail of a dropped shape. */
  forget(shape: ShapeMemory): void {
    this.#tails.delete(shape);
  }

  /** Queues a write after all that the journal has collected, and answers its number. */
  push(mutations: readonly Mutation[]): number {
    this.seal();
    return this.#queue.push(mutations);
  }

  #appendSmall(shape: ShapeMemory, entry: LogEntry): LogEntry {
    if (!this.#writer.hasRoom(journalEntryBytes(shape.handleBytes, entry))) this.#renewJournal();
    const bytes = this.#writer.addEntry(shape.handleBytes, entry);
    const log = shape.log;
    if (log.tail.length === 0) {
      log.tailSequence = this.#sequence;
      this.#tails.add(shape);
    }
    const kept = { first: entry.first, last: entry.last, bytes };
    log.addToTail(kept);
    this.#queue.wake();
    return kept;
  }

  #appendLarge(shape: ShapeMemory, entry: LogEntry): LogEntry {
    this.flushTail(shape);
    const log = shape.log;
    const before = { position: log.values.end, openChunkBytes: log.openChunkBytes };
    log.openChunkBytes += entry.bytes.length;
    log.last = entry.last;
    if (entry.bytes.length <= PART_BYTES_MAX) {
      const value = encodeLogValue([entry], log.openChunkBytes);
      this.#pushLogValue(shape, entry.last, value);
      return entriesOfLogValue(value)[0];
    }
    const parts = Math.ceil(entry.bytes.length / PART_BYTES_MAX);
    for (let part = 0; part < parts; part++) {
      const value = encodeLogPart(entry, part, log.openChunkBytes);
      const position = { lsn: entry.last.lsn, op: entry.last.op, part };
      const mutations: Mutation[] = [{ key: logKey(shape.handle, position), value }];
      const { openChunkBytes } = log;
      if (part === 0) {
        const head = encodeLogHead({ ...before, isCutting: true });
        mutations.push({ key: headKey(shape.handle), value: head });
      } else if (part === parts - 1) {
        const head = encodeLogHead({ position, openChunkBytes, isCutting: false });
        mutations.push({ key: headKey(shape.handle), value: head });
      }
      log.values.append(position, value, this.push(mutations));
    }
    return entry;
  }

  /** Writes a tail under its shape's key, in as few values as hold it. */
  flushTail(shape: ShapeMemory): void {
    // First: it may delete journal values that have entries of this tail.
    this.seal();
    const log = shape.log;
    this.#tails.delete(shape);
    const tail = log.takeTail();
    let openChunkBytes = log.openChunkBytes;
    for (const entry of tail) openChunkBytes -= entry.bytes.length;
    let from = 0;
    let payload = 0;
    for (let i = 0; i < tail.length; i++) {
      payload += tail[i].bytes.length;
      const next = i + 1 < tail.length ? tail[i + 1].bytes.length : Infinity;
      if (logValueBytes(i + 2 - from, payload + next) <= VALUE_BYTES_MAX) continue;
      openChunkBytes += payload;
      const value = encodeLogValue(tail.slice(from, i + 1), openChunkBytes);
      this.#pushLogValue(shape, tail[i].last, value, openChunkBytes);
      from = i + 1;
      payload = 0;
    }
  }

  #pushLogValue(
    shape: ShapeMemory,
    last: Offset,
    value: Uint8Array,
    openChunkBytes = shape.log.openChunkBytes,
  ): void {
    const position: LogPosition = { lsn: last.lsn, op: last.op, part: 0 };
    const number = this.push([
      { key: logKey(shape.handle, position), value },
      {
        key: headKey(shape.handle),
        value: encodeLogHead({ position, openChunkBytes, isCutting: false }),
      },
    ]);
    shape.log.values.append(position, value, number);
  }

  #renewJournal(): void {
    this.seal();
    this.#writer.renew();
  }

  /** Queues what the journal has collected, and keeps the journal within its limits. */
  seal(): void {
    if (this.#writer.openBytes === 0) return;
    const value = this.#writer.seal();
    const sequence = this.#sequence++;
    const number = this.#queue.push([{ key: journalKey(sequence), value }]);
    this.#journal.push({ sequence, bytes: value.length });
    this.#journalBytes += value.length;
    const marked = this.#appliedMarks.at(-1)?.lsn ?? this.#appliedDurable;
    if (this.#appliedQueued !== marked) {
      this.#appliedMarks.push({ number, lsn: this.#appliedQueued });
    }
    const isOver = this.#journalBytes > this.#limits.bytes ||
      this.#journal.length > this.#limits.values;
    if (isOver) this.#retireJournal();
  }

  /** Writes the oldest tails under their shapes' keys and deletes the journal values they were in. */
  #retireJournal(): void {
    const bytesMax = this.#limits.bytes * 15 / 16;
    const valuesMax = this.#limits.values * 15 / 16;
    let count = 0;
    let bytes = this.#journalBytes;
    while (
      count < this.#journal.length - 1 &&
      (bytes > bytesMax || this.#journal.length - count > valuesMax)
    ) bytes -= this.#journal[count++].bytes;
    const retired = this.#journal.splice(0, count);
    this.#journalBytes = bytes;
    const last = retired.at(-1)?.sequence ?? -1;
    const due: ShapeMemory[] = [];
    for (const shape of this.#tails) {
      if (shape.log.tailSequence > last) break;
      due.push(shape);
    }
    // In the order of their keys: neighbours lie on the same pages of the file, which are then
    // written once (measured with 10,000 shapes: twice as many a second).
    due.sort((a, b) => a.handle < b.handle ? -1 : 1);
    for (const shape of due) this.flushTail(shape);
    this.#queue.push([{ key: APPLIED_KEY, value: encodeLsn(this.#appliedQueued) }]);
    for (const { sequence } of retired) this.#queue.push([{ key: journalKey(sequence) }]);
  }

  /** All writes up to this number are durable: answers the applied LSN that now is. */
  committed(durable: number): bigint {
    const later = this.#appliedMarks.findIndex((mark) => mark.number > durable);
    const marks = this.#appliedMarks.splice(0, later < 0 ? this.#appliedMarks.length : later);
    this.#appliedDurable = marks.at(-1)?.lsn ?? this.#appliedDurable;
    return this.#appliedDurable;
  }
}
