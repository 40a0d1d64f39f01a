/**
 * Readers may have been sent what a crash then kept from being stored. As long as the stream sends
 * it again that does no harm: it comes to lie at the same offsets. But a log that is reconciled
 * before that goes on differently, and who holds such an offset can't go on with it.
 */

import { compareOffsets, type Offset } from "./offset.ts";

/** Offsets that only readers of what was lost can have: between two items that follow one another. */
export interface LostGap {
  readonly after: Offset;
  /**
   * The item that came next, or what lies beyond all that was lost if that is not as far; undefined
   * before either is known.
   */
  readonly before: Offset | undefined;
}

/** There is one or two for each crash that was followed by a reconcile. Of the oldest none is left. */
const GAPS_MAX = 32;

/** Whether only a reader of what was lost can be at the offset. */
export function isLost(gaps: readonly LostGap[], offset: Offset): boolean {
  return gaps.some(({ after, before }) =>
    compareOffsets(offset, after) > 0 && (!before || isShortOf(before, offset))
  );
}

/**
 * Clients of event streams that have all of a transaction say `<lsn>_0`, which may lie before the
 * first item of it.
 */
function isShortOf(item: Offset, offset: Offset): boolean {
  const isOfStream = offset.lsn === item.lsn && offset.op === 0;
  return compareOffsets(offset, item) < 0 && !isOfStream;
}

/**
 * What is known of readers of an earlier process, for one shape. Without any nothing ever changes:
 * shapes of this process share `NO_EARLIER_READERS`.
 */
export class EarlierReaders {
  /** Where that ends which readers may have more than; undefined once there is none of them. */
  #storedEnd: Offset | undefined;
  /** In order; only the last one may be open. */
  #gaps: readonly LostGap[];
  #isAwaited = false;

  /** `storedEnd` is undefined for a shape that no earlier process had. */
  constructor(storedEnd?: Offset, gaps: readonly LostGap[] = []) {
    this.#storedEnd = storedEnd;
    this.#gaps = gaps;
  }

  get lostGaps(): readonly LostGap[] {
    return this.#gaps;
  }

  /** Where the stored log ended, if readers may have more than that. */
  get storedEnd(): Offset | undefined {
    return this.#storedEnd;
  }

  /** Whether readers may have more than was stored, and nobody knows what will come of it. */
  get isOpen(): boolean {
    return this.#storedEnd !== undefined;
  }

  /** One of them has come, and waits for what only the stream can send again. */
  get isAwaited(): boolean {
    return this.#isAwaited;
  }

  /** A reader comes with an offset; true if it is of what was lost. */
  meet(offset: Offset): boolean {
    if (this.#storedEnd && compareOffsets(offset, this.#storedEnd) > 0) this.#isAwaited = true;
    return isLost(this.#gaps, offset);
  }

  /**
   * The log grows; true if that closed a gap. `isAsSent`: it is what the stream sends, as those have it
   * to whom it was sent before.
   */
  noteAppended(first: Offset, last: Offset, isAsSent: boolean): boolean {
    // Most shapes know of none, and each entry asks.
    if (!this.#storedEnd && this.#gaps.length === 0) return false;
    // Items of reconciles lie at odd positions: they are told of when all of them are there.
    if ((first.lsn & 1n) === 1n) return false;
    if (this.#storedEnd && isAsSent) this.#storedEnd = last;
    return this.#close(first);
  }

  /**
   * Reconciling has put these items in place of whatever the stream would have sent again. `limit`: all
   * that it had sent when the earlier process ended lies before it; undefined if that is not known.
   */
  noteReconciled(from: Offset, until: Offset, limit: Offset | undefined): void {
    const stored = this.#storedEnd, gapEnd = this.#gaps.at(-1)?.before;
    const hasOpen = this.#close(from);
    if (!hasOpen && !stored) return;
    const added = stored ? [{ after: stored, before: from }] : [];
    const rest = { after: until, before: stored ? limit : gapEnd };
    this.#gaps = [...this.#gaps, ...added, rest].filter(isAny).slice(-GAPS_MAX);
    this.settle();
  }

  /** The stream has sent again whatever they may have. */
  settle(): void {
    this.#storedEnd = undefined;
    this.#isAwaited = false;
  }

  #close(before: Offset): boolean {
    const last = this.#gaps.at(-1);
    if (!last || (last.before && compareOffsets(before, last.before) >= 0)) return false;
    this.#gaps = [...this.#gaps.slice(0, -1), { ...last, before }];
    return true;
  }
}

function isAny({ after, before }: LostGap): boolean {
  return !before || compareOffsets(after, before) < 0;
}

export const NO_EARLIER_READERS = new EarlierReaders();
