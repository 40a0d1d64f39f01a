/** Visibilities as JSON has them: its numbers are too small for theirs. */

import type { Visibility } from "./ports.ts";

export interface VisibilityText {
  readonly xmin: string;
  readonly xmax: string;
  readonly inProgress: readonly string[];
  readonly walPosition: string;
  readonly isByPosition?: boolean;
}

export function formatVisibility(visibility: Visibility): VisibilityText {
  const { xmin, xmax, inProgress, walPosition, isByPosition } = visibility;
  return {
    xmin: `${xmin}`,
    xmax: `${xmax}`,
    inProgress: inProgress.map((xid) => `${xid}`),
    walPosition: `${walPosition}`,
    ...(isByPosition ? { isByPosition } : {}),
  };
}

export function parseVisibilityText(text: VisibilityText): Visibility {
  return {
    xmin: BigInt(text.xmin),
    xmax: BigInt(text.xmax),
    inProgress: text.inProgress.map(BigInt),
    walPosition: BigInt(text.walPosition),
    ...(text.isByPosition ? { isByPosition: true } : {}),
  };
}
