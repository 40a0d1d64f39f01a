/**
 * What the store has been told of how a shape's log stands to the database, which a restart goes by,
 * and what it must be told before that matters. How the shape stands right now is the shape's own.
 */

import type { ShapeStore, StoredShape } from "./log/store.ts";
import { EarlierReaders, NO_EARLIER_READERS } from "./lost_tail.ts";
import { type Offset, SNAPSHOT_END } from "./offset.ts";
import type { Visibility } from "./ports.ts";
import { formatStanding, parseStanding, type Standing } from "./standing.ts";

/** How a shape stands that an earlier process had. */
export interface RestoredStanding extends Standing {
  /** Where its log ends, visible or not. */
  readonly end: Offset;
}

/** `visibility`: the snapshot's. Throws `SyntaxError` on what no process has stored. */
export function restoreStanding(shape: StoredShape, visibility: Visibility): RestoredStanding {
  const standing = parseStanding(shape.standing);
  const end = shape.head ?? SNAPSHOT_END;
  return {
    ...standing,
    // A reconcile that was not finished has left out what the stream won't bring again.
    isFollowed: standing.isFollowed && standing.frozenAt === undefined,
    visibility: standing.visibility ?? visibility,
    // What readers have of a shape that lacks changes was stored before it was known to, but for what
    // the process before that one had not stored. A freeze may have been over, and read, already.
    storedEnd: standing.isFollowed ? end : standing.storedEnd,
    end,
  };
}

export class StandingRecord {
  readonly #handle: string;
  readonly #store: ShapeStore;
  /** What is known of readers that an earlier process had. */
  readonly earlier: EarlierReaders;
  #visibility: Visibility | undefined;
  #reconciledTo: Offset | undefined;
  #isFreezeStored: boolean;
  #isVisibilityStored = true;

  constructor(handle: string, store: ShapeStore, restored?: RestoredStanding) {
    this.#handle = handle;
    this.#store = store;
    this.#visibility = restored?.visibility;
    this.#reconciledTo = restored?.reconciledTo;
    this.#isFreezeStored = restored?.frozenAt !== undefined;
    this.earlier = restored
      ? new EarlierReaders(restored.storedEnd, restored.lostGaps)
      : NO_EARLIER_READERS;
  }

  /** Which transactions the log has, whatever the stream sends; undefined until that is known. */
  get visibility(): Visibility | undefined {
    return this.#visibility;
  }

  /** Where readers know the log to reach: undefined unless it was ever reconciled. */
  get reconciledTo(): Offset | undefined {
    return this.#reconciledTo;
  }

  /** A restart finds the shape frozen. */
  get isFreezeStored(): boolean {
    return this.#isFreezeStored;
  }

  /** Unless it is, a restart takes the log for what an earlier reconcile or the snapshot saw. */
  get isVisibilityStored(): boolean {
    return this.#isVisibilityStored;
  }

  /** The snapshot has been taken, with which the store is told what it saw. */
  see(visibility: Visibility): void {
    this.#visibility = visibility;
  }

  /** A reconcile has taken another. */
  seeAnew(visibility: Visibility): void {
    this.#visibility = visibility;
    this.#isVisibilityStored = false;
  }

  /** A reconcile is done, which has appended from `first` to `last`. For `timelineBeganAt` see `#limit`. */
  noteReconciled(first: Offset, last: Offset, timelineBeganAt: bigint): void {
    this.#reconciledTo = last;
    this.earlier.noteReconciled(first, last, this.#limit(timelineBeganAt));
  }

  /**
   * The stream sends what is on the server's disk, so what it had sent lies before the position that
   * a reconcile has read since; but not on a replica, which may be behind, nor where another timeline
   * has begun after what was stored.
   */
  #limit(timelineBeganAt: bigint): Offset | undefined {
    const { storedEnd } = this.earlier, visibility = this.#visibility;
    if (!storedEnd || !visibility || visibility.isByPosition) return undefined;
    if (storedEnd.lsn < timelineBeganAt) return undefined;
    return { lsn: visibility.walPosition, op: 0 };
  }

  /** Tells the store how the shape stands. */
  write(isFollowed: boolean, frozenAt: Offset | undefined): void {
    this.#isFreezeStored = frozenAt !== undefined;
    this.#isVisibilityStored = true;
    const standing = formatStanding({
      isFollowed,
      frozenAt,
      visibility: this.#visibility,
      reconciledTo: this.#reconciledTo,
      lostGaps: this.earlier.lostGaps,
      storedEnd: this.earlier.storedEnd,
    });
    this.#store.setStanding(this.#handle, standing);
  }
}
