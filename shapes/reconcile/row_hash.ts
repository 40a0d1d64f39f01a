/**
 * Hashes of keys and values: 64 bits in two lanes of 32, because JavaScript multiplies no more at a
 * time. Two rows are taken for equal when their hashes are: with a million rows the chance that any
 * two differing ones are is below 1 in 10 million.
 */

/** Spelling of a column that a snapshot and the stream print in two ways (`ItemEncoder`). */
export type HashKind = "plain" | "bool" | "inet";

export const NULL_HASH_LO = 0x2c1b3c6d, NULL_HASH_HI = 0x297a2d39;

/** Lanes of the last range hashed: two numbers are not worth an object for each column. */
export class RangeHash {
  lo = 0;
  hi = 0;
  readonly #seed: number;

  /** `seed`: any 32 bits, the same wherever hashes are compared. */
  constructor(seed: number) {
    this.#seed = seed | 0;
  }

  /** Hashes bytes `start` to before `end`, with a number that tells columns apart. */
  hash(bytes: Uint8Array, start: number, end: number, salt: number): void {
    let lo = this.#seed ^ Math.imul(salt + 1, 0x9e3779b1);
    let hi = this.#seed ^ Math.imul(salt + 1, 0x85ebca77);
    let at = start;
    for (; at + 4 <= end; at += 4) {
      const word = bytes[at] | bytes[at + 1] << 8 | bytes[at + 2] << 16 | bytes[at + 3] << 24;
      lo = Math.imul(lo ^ Math.imul(word, 0xcc9e2d51), 0x1b873593);
      lo ^= lo >>> 15;
      hi = Math.imul(hi ^ Math.imul(word, 0x239b961b), 0x38b34ae5);
      hi ^= hi >>> 13;
    }
    let rest = end - at;
    for (; at < end; at++) rest = rest << 8 ^ bytes[at];
    lo = Math.imul(lo ^ rest, 0xcc9e2d51) ^ end - start;
    hi = Math.imul(hi ^ rest, 0x239b961b) + (end - start);
    this.lo = finish(lo);
    this.hi = finish(hi ^ this.lo >>> 7);
  }

  null(salt: number): void {
    this.lo = finish(NULL_HASH_LO ^ Math.imul(salt + 1, 0x9e3779b1));
    this.hi = finish(NULL_HASH_HI ^ Math.imul(salt + 1, 0x85ebca77));
  }

  /** A column's value, the same for both of its spellings. */
  value(kind: HashKind, bytes: Uint8Array, start: number, end: number, salt: number): void {
    if (kind === "bool") end = Math.min(end, start + 1);
    else if (kind === "inet") end = withoutMask(bytes, start, end);
    this.hash(bytes, start, end, salt);
  }
}

const SLASH = 0x2f, COLON = 0x3a;

/** The cast to text adds the mask of a host address, which its output function leaves out. */
function withoutMask(bytes: Uint8Array, start: number, end: number): number {
  const slash = bytes.lastIndexOf(SLASH, end - 1);
  if (slash < start) return end;
  const colon = bytes.indexOf(COLON, start);
  const isV6 = colon >= 0 && colon < slash;
  const mask = String.fromCharCode(...bytes.subarray(slash + 1, Math.min(end, slash + 5)));
  return mask === (isV6 ? "128" : "32") ? slash : end;
}

function finish(h: number): number {
  h = Math.imul(h ^ h >>> 16, 0x85ebca6b);
  h = Math.imul(h ^ h >>> 13, 0xc2b2ae35);
  return h ^ h >>> 16;
}
