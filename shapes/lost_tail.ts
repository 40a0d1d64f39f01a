/**
 * Readers may have been sent what a crash then kept from being stored. As long as the stream sends
 * it again that does no harm: it comes to lie at the same offsets. But a log that is reconciled
 * before that goes on differently, and who holds such an offset can't go on with it.
 */

import { compareOffsets, type Offset } from "./offset.ts";

export interface LostTail {
  /** What was stored ended here. */
  readonly after: Offset;
  /** The first and the last item that reconciling has put in place of what was lost. */
  readonly from: Offset;
  readonly until: Offset;
  /** The first item that the stream brought after that; undefined before it has. */
  readonly next: Offset | undefined;
}

/** Whether only a reader of what was lost can be at the offset. */
export function isLost({ after, from, until, next }: LostTail, offset: Offset): boolean {
  const isIn = (start: Offset, end: Offset | undefined) =>
    compareOffsets(offset, start) > 0 && (end === undefined || compareOffsets(offset, end) < 0);
  return isIn(after, from) || isIn(until, next);
}

/**
 * What is known of readers of an earlier process, for one shape. Without any nothing ever changes:
 * shapes of this process share `NO_EARLIER_READERS`.
 */
export class EarlierReaders {
  /** Where the stored log ended, whose readers may have more; undefined once that is settled. */
  #storedEnd: Offset | undefined;
  #tail: LostTail | undefined;
  #isAwaited = false;

  /** `storedEnd` is undefined for a shape that no earlier process had. */
  constructor(storedEnd?: Offset, tail?: LostTail) {
    this.#storedEnd = storedEnd;
    this.#tail = tail;
  }

  get lostTail(): LostTail | undefined {
    return this.#tail;
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
  meet(offset: Offset, head: Offset): boolean {
    if (this.#storedEnd && compareOffsets(offset, head) > 0) this.#isAwaited = true;
    return this.#tail !== undefined && isLost(this.#tail, offset);
  }

  /** The log grows; true if that changed the lost tail. */
  noteAppended(first: Offset): boolean {
    // Items of reconciles lie at odd positions, where no transaction ends.
    if (!this.#tail || this.#tail.next || (first.lsn & 1n) === 1n) return false;
    this.#tail = { ...this.#tail, next: first };
    return true;
  }

  /** Reconciling has put these items in place of whatever the stream would have sent again. */
  noteReconciled(from: Offset, until: Offset): void {
    if (this.#tail && !this.#tail.next) this.#tail = { ...this.#tail, until };
    else if (this.#storedEnd) {
      this.#tail = { after: this.#storedEnd, from, until, next: undefined };
      this.settle();
    }
  }

  /** The stream has sent again whatever they may have. */
  settle(): void {
    this.#storedEnd = undefined;
    this.#isAwaited = false;
  }
}

export const NO_EARLIER_READERS = new EarlierReaders();
