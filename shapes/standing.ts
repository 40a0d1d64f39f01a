/**
 * How a shape's log stands to the database, kept beside the log: whether the stream brings all of
 * its changes, and what it is shown of while it lacks some.
 */

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
}

export const FOLLOWED: Standing = {
  isFollowed: true,
  frozenAt: undefined,
  visibility: undefined,
  reconciledTo: undefined,
};

interface StandingText {
  readonly followed: boolean;
  readonly frozenAt?: string;
  readonly visibility?: VisibilityText;
  readonly reconciledTo?: string;
}

export function formatStanding(standing: Standing): string {
  const { isFollowed, frozenAt, visibility, reconciledTo } = standing;
  const text: StandingText = {
    followed: isFollowed,
    frozenAt: frozenAt && formatOffset(frozenAt),
    visibility: visibility && formatVisibility(visibility),
    reconciledTo: reconciledTo && formatOffset(reconciledTo),
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
  };
}

function parseOffset(text: string | undefined): Offset | undefined {
  if (text === undefined) return undefined;
  const requested = parseRequestedOffset(text);
  if (requested?.kind !== "at") throw new SyntaxError(`Cannot parse "${text}" as an offset`);
  return requested.offset;
}
