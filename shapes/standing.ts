/**
 * How a shape's log stands to the database, kept beside the log: whether the stream brings all of
 * its changes, and what it is shown of while it lacks some.
 */

import type { LostTail } from "./lost_tail.ts";
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
  readonly lostTail: LostTail | undefined;
}

export const FOLLOWED: Standing = {
  isFollowed: true,
  frozenAt: undefined,
  visibility: undefined,
  reconciledTo: undefined,
  lostTail: undefined,
};

interface StandingText {
  readonly followed: boolean;
  readonly frozenAt?: string;
  readonly visibility?: VisibilityText;
  readonly reconciledTo?: string;
  /** Its four offsets, the last of which may be missing. */
  readonly lostTail?: readonly string[];
}

export function formatStanding(standing: Standing): string {
  const { isFollowed, frozenAt, visibility, reconciledTo, lostTail } = standing;
  const text: StandingText = {
    followed: isFollowed,
    frozenAt: frozenAt && formatOffset(frozenAt),
    visibility: visibility && formatVisibility(visibility),
    reconciledTo: reconciledTo && formatOffset(reconciledTo),
    lostTail: lostTail && formatLostTail(lostTail),
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
    lostTail: stored.lostTail && parseLostTail(stored.lostTail),
  };
}

function formatLostTail({ after, from, until, next }: LostTail): string[] {
  return [after, from, until, ...(next ? [next] : [])].map(formatOffset);
}

function parseLostTail(texts: readonly string[]): LostTail {
  const [after, from, until, next] = texts.map(parseOffset);
  if (!after || !from || !until) throw new SyntaxError("A lost tail has three offsets at least");
  return { after, from, until, next };
}

function parseOffset(text: string | undefined): Offset | undefined {
  if (text === undefined) return undefined;
  const requested = parseRequestedOffset(text);
  if (requested?.kind !== "at") throw new SyntaxError(`Cannot parse "${text}" as an offset`);
  return requested.offset;
}
