/** Bodies that come piecewise. */

import { CACHED_PAGE_BYTES_MAX } from "./page_cache.ts";

/** Passes the pieces on and gives the whole to `keep` at the end, if it is small enough to be kept. */
export async function* collecting(
  pieces: AsyncIterable<Uint8Array>,
  keep: (whole: Uint8Array) => void,
): AsyncGenerator<Uint8Array> {
  let kept: Uint8Array[] | undefined = [];
  let size = 0;
  for await (const piece of pieces) {
    size += piece.length;
    if (size > CACHED_PAGE_BYTES_MAX) kept = undefined;
    kept?.push(piece);
    yield piece;
  }
  if (kept) keep(concat(kept, size));
}

export function concat(pieces: readonly Uint8Array[], size: number): Uint8Array {
  if (pieces.length === 1) return pieces[0];
  const whole = new Uint8Array(size);
  let at = 0;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.length;
  }
  return whole;
}

/** Pieces that are at hand already. */
export async function* piecesOf(pieces: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
  for (const piece of pieces) yield await Promise.resolve(piece);
}
