/** Takes the bytes of log items apart: JSON texts, each preceded by a comma. */

const QUOTE = 0x22, BACKSLASH = 0x5c, OPEN = 0x7b, CLOSE = 0x7d;

/** Calls `visit` with where each item's text begins (after its comma) and ends. */
export function forEachItem(
  bytes: Uint8Array,
  visit: (start: number, end: number) => void,
): void {
  let depth = 0, start = 0;
  for (let i = 0; i < bytes.length; i++) {
    const code = bytes[i];
    if (code === QUOTE) i = stringEnd(bytes, i + 1);
    else if (code === OPEN && depth++ === 0) start = i;
    else if (code === CLOSE && --depth === 0) visit(start, i + 1);
  }
}

/** Where the string's closing quote is. */
function stringEnd(bytes: Uint8Array, from: number): number {
  for (let i = from; i < bytes.length; i++) {
    if (bytes[i] === BACKSLASH) i++;
    else if (bytes[i] === QUOTE) return i;
  }
  return bytes.length;
}

const decoder = new TextDecoder();
const POSITION = /"op_position":(\d+)(?:,"last":true)?\}\}$/;
/** Longest text that `POSITION` can match, with room to spare. */
const TAIL_BYTES = 64;

/** The part of an entry that lies beyond the operation `op`: offsets are exclusive. */
export function itemsBeyond(bytes: Uint8Array, op: number): Uint8Array {
  let from = bytes.length;
  forEachItem(bytes, (start, end) => {
    if (from < bytes.length) return;
    const tail = decoder.decode(bytes.subarray(Math.max(start, end - TAIL_BYTES), end));
    if (Number(POSITION.exec(tail)?.[1]) > op) from = start - 1;
  });
  return bytes.subarray(from);
}
