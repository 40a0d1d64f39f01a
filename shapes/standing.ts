/**
 * How a shape's log stands to the database, kept beside the log: whether the stream brings all of
 * its changes, and what it is shown of while it lacks some.
 */

import type { LostGap } from "./lost_tail.ts";
import { formatOffset, type Offset, parseRequestedOffset } from "./offset.ts";
import type { Visibility } from "./ports.ts";
import { formatVisibility, parseVisibilityText, type VisibilityText } from "./visibility_text.ts";

export interface Standing {
  /** The stream has brought, and goes on to bring, all changes that `visibility` has not. */
  readonly isFollowed: boolean;
  /** Nothing beyond it is shown: what follows makes sense only once the log has been reconciled. */
  readonly frozenAt: Offset | undefined;
  /** Which transactions the log has, whatever the stream sends; undefined: the snapshot's. */
  readonly visibility: Visibility | undefined;
  /** Readers have seen the log up to here: it must not be shorter. */
  readonly reconciledTo: Offset | undefined;
  readonly lostGaps: readonly LostGap[];
  /** Readers of an earlier process may have more than was stored, which ended here. */
  readonly storedEnd: Offset | undefined;
}

export const FOLLOWED: Standing = {
  isFollowed: true,
  frozenAt: undefined,
  visibility: undefined,
  reconciledTo: undefined,
  lostGaps: [],
  storedEnd: undefined,
};

interface StandingText {
  readonly followed: boolean;
  readonly frozenAt?: string;
  readonly visibility?: VisibilityText;
  readonly reconciledTo?: string;
  /** Two offsets each, the second of which may be missing. */
  readonly lostGaps?: readonly (readonly string[])[];
  readonly storedEnd?: string;
}

export function formatStanding(standing: Standing): string {
  const { isFollowed, frozenAt, visibility, reconciledTo, lostGaps, storedEnd } = standing;
  const text: StandingText = {
    followed: isFollowed,
    frozenAt: frozenAt && formatOffset(frozenAt),
    visibility: visibility && formatVisibility(visibility),
    reconciledTo: reconciledTo && formatOffset(reconciledTo),
    lostGaps: lostGaps.length > 0 ? lostGaps.map(formatGap) : undefined,
    storedEnd: storedEnd && formatOffset(storedEnd),
  };
  return JSON.stringify(text);
}

/** Throws `SyntaxError` on what `formatStanding` did not write. */
export function parseStanding(text: string | undefined): Standing {
  if (text === undefined) return FOLLOWED;
  const stored = JSON.parse(text) as StandingText;
  return {
    isFollowed: stored.followed,
    frozenAt: parseOffset(stored.frozenAt),
    visibility: stored.visibility && parseVisibilityText(stored.visibility),
    reconciledTo: parseOffset(stored.reconciledTo),
    lostGaps: (stored.lostGaps ?? []).map(parseGap),
    storedEnd: parseOffset(stored.storedEnd),
  };
}

function formatGap({ after, before }: LostGap): string[] {
  return [after, ...(before ? [before] : [])].map(formatOffset);
}

function parseGap(texts: readonly string[]): LostGap {
  const [after, before] = texts.map(parseOffset);
  if (!after) throw new SyntaxError("A gap has one offset at least");
  return { after, before };
}

function parseOffset(text: string | undefined): Offset | undefined {
  if (text === undefined) return undefined;
  const requested = parseRequestedOffset(text);
  if (requested?.kind !== "at") throw new SyntaxError(`Cannot parse "${text}" as an offset`);
  return requested.offset;
}
