/**
 * Where shapes and their logs live. One process writes; calls that write only queue (they never
 * fail and never wait), in order: what is queued later is never durable before what was queued
 * earlier, and after a crash the store holds a prefix of the queue. `flushed()` tells when. Reads
 * see what is durable *and* what is queued. Writes to a handle that is unknown or dropped are
 * ignored; other mistakes of the caller (an offset that is not beyond the log, a handle used twice)
 * throw `RangeError` or `TypeError`.
 */

import type { CommitCounters } from "../counters.ts";
import type { Offset } from "../offset.ts";

/** Identity of the database that the logs were written from: one history of it. */
export interface StoredIdentity {
  readonly systemId: string;
  readonly timeline: number;
  readonly database: string;
  /** Added to the history's WAL positions, so that those of logs never go back (`history.ts`). */
  readonly shift: bigint;
  /** Position, shifted, from which on the logs tell of this history. */
  readonly beganAt: bigint;
  /** As `beganAt`, but one that only a slot made anew has begun goes on with the one before. */
  readonly timelineBeganAt: bigint;
}

export interface StoredShape {
  readonly handle: string;
  /** What `createShape` was given. */
  readonly meta: string;
  /** What `completeSnapshot` was given; undefined if the snapshot was never completed. */
  readonly snapshot: string | undefined;
  /** What `setStanding` was given last; undefined if it never was. */
  readonly standing: string | undefined;
  /** Last offset in the log that is at or before the applied LSN; undefined for an empty log. */
  readonly head: Offset | undefined;
  /** Bytes in the log after the last chunk end. */
  readonly openChunkBytes: number;
  /** Chunk ends in order, at or before the head. */
  readonly chunkEnds: readonly Offset[];
}

export interface StoredState {
  readonly identity: StoredIdentity | undefined;
  /** The last transaction whose changes are completely stored; 0 at first. */
  readonly appliedLsn: bigint;
  readonly shapes: readonly StoredShape[];
  /** What `setPartitions` was given, by table. */
  readonly partitions: ReadonlyMap<number, readonly number[]>;
}

/** Consecutive log items of one shape and one transaction, each as JSON text preceded by a comma. */
export interface LogEntry {
  /** Offset of the first item. */
  readonly first: Offset;
  /** Offset of the last item: where the next entry's items lie beyond. */
  readonly last: Offset;
  /** May be larger than any limit of the store, which cuts it as it needs. Never changed later. */
  readonly bytes: Uint8Array;
}

/** The bytes of snapshots and logs, for those who only read. */
export interface StoredBytes {
  /**
   * Bytes of one snapshot chunk from `fromByte` on, piecewise, as far as appended when read.
   * Iterating this and `readLog` throws `ShapeGoneError` when the handle is unknown or dropped, and
   * what storage throws. Pieces are shared between readers: never change them.
   */
  readSnapshot(handle: string, chunk: number, fromByte: number): AsyncIterable<Uint8Array>;

  /**
   * Entries whose last offset is beyond `since` and not beyond `until`, in order, large ones in
   * pieces: a piece that is not an entry's last has `isLast` false. Consecutive entries may come
   * joined in one piece, but an entry that `since` lies in the middle of comes alone.
   */
  readLog(handle: string, since: Offset, until: Offset): AsyncIterable<LogPiece>;
}

export interface ShapeStore extends StoredBytes, AsyncDisposable {
  /**
   * Called once, first. A fresh store answers no identity, LSN 0 and no shapes. Log entries beyond
   * the applied LSN, left by a crash, are removed before this resolves, and shapes that were
   * dropped are gone.
   */
  load(): Promise<StoredState>;

  setIdentity(identity: StoredIdentity): void;

  /** Adds a shape without snapshot. The handle must be new; it is never used again. */
  createShape(handle: string, meta: string): void;

  /** Appends to chunk `chunk` (from 0) of the snapshot. Bytes as in `LogEntry`. */
  appendSnapshot(handle: string, chunk: number, bytes: Uint8Array): void;

  /** Marks the snapshot as complete. Before that a restart forgets it. */
  completeSnapshot(handle: string, snapshot: string): void;

  /**
   * Replaces what is known of how the log stands to the database, a short text. Ordered with the
   * appends: it is never durable before what was appended earlier.
   */
  setStanding(handle: string, standing: string): void;

  /**
   * Appends to the log: beyond all that the log holds. Answers the entry with the bytes that the
   * store has of it, for those who keep them too.
   */
  appendLog(handle: string, entry: LogEntry): LogEntry;

  /** Records that a chunk of the log ends with this offset, the last one appended. */
  endChunk(handle: string, last: Offset): void;

  /** Forgets the shape at once; its bytes are removed in the background. */
  dropShape(handle: string): void;

  /** Records that all of this transaction, and of those before it, has been appended. */
  setAppliedLsn(lsn: bigint): void;

  /**
   * Records of which partitions of a table, by OID and in ascending order, the logs of its shapes
   * hold rows: there may be more of them than when the shapes were made.
   */
  setPartitions(tableOid: number, oids: readonly number[]): void;

  /**
   * Resolves when all that was queued before the call is durable. Rejects if storage failed: after
   * that nothing becomes durable any more and the process must end.
   */
  flushed(): Promise<void>;

  /**
   * Counts the calls after which a restart finds something else of the shapes whose snapshot is
   * complete. A transaction may be acknowledged once those are durable that came before its end.
   */
  readonly writes: number;

  /** Bytes queued and not yet durable: writers should pause above `QUEUED_BYTES_HIGH`. */
  readonly queuedBytes: number;

  /** Of the commits so far: none where nothing is written to a disk. */
  readonly commits: CommitCounters;

  /** The listener is called after each durable commit with the last applied LSN that is durable. */
  onDurable(listener: (appliedLsn: bigint) => void): void;
}

export interface LogPiece {
  readonly first: Offset;
  readonly last: Offset;
  readonly isLast: boolean;
  readonly bytes: Uint8Array;
}

/** Above this many queued bytes writers wait for `flushed()`. */
export const QUEUED_BYTES_HIGH = 16 * 1024 * 1024;
