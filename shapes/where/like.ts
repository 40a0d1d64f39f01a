/**
 * LIKE patterns on UTF-8 bytes, as `MatchText` in Postgres' like_match.c: `%` is any text, `_` any
 * character, a backslash takes the next character literally.
 */

/** Whether the text in `bytes[start, end)` matches. */
export type PatternMatcher = (bytes: Uint8Array, start: number, end: number) => boolean;

const PERCENT = 0x25, UNDERSCORE = 0x5f, BACKSLASH = 0x5c;
/** In a segment: any one character. */
const ANY = -1;

/** Bytes between two `%`, or `ANY`. */
type Segment = Int16Array;

const encoder = new TextEncoder();

/** Undefined if the pattern ends with a backslash, which Postgres refuses. */
export function compilePattern(pattern: string, fold?: Uint8Array): PatternMatcher | undefined {
  const segments = segmentsOf(encoder.encode(pattern));
  if (!segments) return undefined;
  const [first] = segments, last = segments[segments.length - 1];
  const inner = segments.slice(1, -1).filter((segment) => segment.length > 0);
  const table = fold ?? IDENTITY;
  if (segments.length === 1) {
    return (bytes, start, end) => matchAt(bytes, start, end, first, table) === end;
  }
  return (bytes, start, end) => {
    let at = matchAt(bytes, start, end, first, table);
    for (let i = 0; at >= 0 && i < inner.length; i++) at = find(bytes, at, end, inner[i], table);
    return at >= 0 && endsWith(bytes, at, end, last, table);
  };
}

function segmentsOf(pattern: Uint8Array): Segment[] | undefined {
  const segments: number[][] = [[]];
  for (let i = 0; i < pattern.length; i++) {
    const byte = pattern[i], last = segments[segments.length - 1];
    if (byte === PERCENT) segments.push([]);
    else if (byte === UNDERSCORE) last.push(ANY);
    else if (byte !== BACKSLASH) last.push(byte);
    else if (++i < pattern.length) last.push(pattern[i]);
    else return undefined;
  }
  return segments.map((segment) => Int16Array.from(segment));
}

/** Where the segment ends if it begins at `at`, else -1. */
function matchAt(bytes: Uint8Array, at: number, end: number, segment: Segment, fold: Uint8Array) {
  for (let i = 0; i < segment.length; i++) {
    if (at >= end) return -1;
    const wanted = segment[i];
    if (wanted === ANY) at = nextCharacter(bytes, at, end);
    else if (fold[bytes[at++]] !== wanted) return -1;
  }
  return at;
}

/** Where the first occurrence ends, else -1. */
function find(bytes: Uint8Array, at: number, end: number, segment: Segment, fold: Uint8Array) {
  for (let from = at; from < end; from = nextCharacter(bytes, from, end)) {
    const until = matchAt(bytes, from, end, segment, fold);
    if (until >= 0) return until;
  }
  return -1;
}

function endsWith(
  bytes: Uint8Array,
  at: number,
  end: number,
  segment: Segment,
  fold: Uint8Array,
): boolean {
  if (!segment.includes(ANY)) {
    const from = end - segment.length;
    return from >= at && matchAt(bytes, from, end, segment, fold) === end;
  }
  for (let from = at; from < end; from = nextCharacter(bytes, from, end)) {
    if (matchAt(bytes, from, end, segment, fold) === end) return true;
  }
  return false;
}

function nextCharacter(bytes: Uint8Array, at: number, end: number): number {
  at++;
  while (at < end && (bytes[at] & 0xc0) === 0x80) at++;
  return at;
}

const IDENTITY = Uint8Array.from({ length: 256 }, (_, byte) => byte);
const ASCII_LOWER = IDENTITY.map((byte) => byte >= 0x41 && byte <= 0x5a ? byte + 0x20 : byte);

/**
 * Lower case one character at a time, as the C library does it: no character becomes two, and none
 * depends on its neighbours.
 */
export function lowerCase(text: string): string {
  if (isAscii(text)) return text.toLowerCase();
  let lower = "";
  for (const character of text) {
    if (character === "İ") lower += "i";
    else lower += character.toLowerCase();
  }
  return lower;
}

function isAscii(text: string): boolean {
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) > 0x7f) return false;
  return true;
}

const decoder = new TextDecoder();

/** A matcher that ignores case. Text in ASCII is matched in place. */
export function compileCaselessPattern(pattern: string): PatternMatcher | undefined {
  const matches = compilePattern(lowerCase(pattern), ASCII_LOWER);
  if (!matches) return undefined;
  return (bytes, start, end) => {
    for (let i = start; i < end; i++) {
      if (bytes[i] > 0x7f) {
        const lower = encoder.encode(lowerCase(decoder.decode(bytes.subarray(start, end))));
        return matches(lower, 0, lower.length);
      }
    }
    return matches(bytes, start, end);
  };
}
