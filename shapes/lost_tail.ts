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
