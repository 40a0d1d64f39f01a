/** What a terminal may be sent: colours if it wants them, and never control characters of others. */

import { styleText } from "node:util";

export type Style = Parameters<typeof styleText>[0];
/** Gives the text its style, or leaves it as it is where colours are not wanted. */
export type Paint = (style: Style, text: string) => string;

export interface ColorQuestion {
  /** False after `--no-color`. */
  readonly isAllowed: boolean;
  readonly isTerminal: boolean;
  readonly env: Readonly<Record<string, string>>;
}

/** NO_COLOR (https://no-color.org) and TERM=dumb go over FORCE_COLOR, that over the terminal. */
export function decideColor({ isAllowed, isTerminal, env }: ColorQuestion): boolean {
  if (!isAllowed || env.NO_COLOR || env.TERM === "dumb") return false;
  return isTerminal || (Boolean(env.FORCE_COLOR) && env.FORCE_COLOR !== "0");
}

export function painter(isColored: boolean): Paint {
  return (style, text) => isColored ? styleText(style, text, { validateStream: false }) : text;
}

const NAMED: Readonly<Record<string, string>> = { "\n": "\\n", "\r": "\\r", "\t": "\\t" };
/**
 * C0, DEL and C1, which terminals obey; line separators; and marks of direction, which make text look
 * like another.
 */
// deno-lint-ignore no-control-regex
const CONTROLS = /[\u0000-\u001f\u007f-\u009f\u200e\u200f\u2028-\u202e\u2066-\u2069]/g;

/** Shows control characters instead of sending them. */
export function escapeControls(text: string): string {
  return text.replace(CONTROLS, (sign) => NAMED[sign] ?? unicodeEscape(sign));
}

/** JSON on one line that a terminal can be shown: it means the same. */
export function formatJsonLine(value: unknown): string {
  return JSON.stringify(value).replace(CONTROLS, unicodeEscape);
}

function unicodeEscape(sign: string): string {
  return `\\u${sign.charCodeAt(0).toString(16).padStart(4, "0")}`;
}

// deno-lint-ignore no-control-regex
const PIECES = /\u001b\[[0-9;]*m|[^]/gu;

/** Cuts a painted line to a width in characters; styles stay whole. */
export function cutLine(line: string, width: number): string {
  let used = 0, text = "";
  for (const [piece] of line.matchAll(PIECES)) {
    if (piece.length > 2) text += piece;
    else if (used++ < width) text += piece;
  }
  return text;
}
