/** Hashes of bytes, as 32-bit integers whose low bits depend on all bytes. Pure. */

const FACTOR = 0x5bd1e995 | 0, SEED = 0x811c9dc5 | 0;

/** Four bytes at a time (MurmurHash2): a UUID's text in nine steps. */
export function hashOf(bytes: Uint8Array, start: number, length: number): number {
  let hash = SEED ^ length, at = start;
  for (const end = start + length - 3; at < end; at += 4) {
    const word = bytes[at] | bytes[at + 1] << 8 | bytes[at + 2] << 16 | bytes[at + 3] << 24;
    const mixed = Math.imul(word, FACTOR);
    hash = Math.imul(hash, FACTOR) ^ Math.imul(mixed ^ mixed >>> 24, FACTOR);
  }
  for (const end = start + length; at < end; at++) hash = Math.imul(hash ^ bytes[at], FACTOR);
  return finish(hash);
}

export const EMPTY_HASH = SEED;

/** The hash of the bytes so far and those from `start` to `end`, before `finish` (FNV-1a). */
export function hashOn(hash: number, bytes: Uint8Array, start: number, end: number): number {
  for (let at = start; at < end; at++) hash = Math.imul(hash ^ bytes[at], 0x01000193);
  return hash;
}

export function finish(hash: number): number {
  const mixed = Math.imul(hash ^ hash >>> 13, FACTOR);
  return mixed ^ mixed >>> 15;
}
