/**
 * Reads rows out of COPY's text format: fields parted by tabs, rows by newlines, `\N` for NULL and
 * backslash escapes (Postgres documentation, COPY, "Text Format").
 */

import { NULL_LENGTH, Row } from "../row.ts";

const TAB = 0x09, NEWLINE = 0x0a, BACKSLASH = 0x5c, LETTER_N = 0x4e;

/** What a letter after a backslash stands for; 0: itself. */
const ESCAPES = new Uint8Array(256);
for (const [letter, code] of Object.entries({ b: 8, f: 12, n: 10, r: 13, t: 9, v: 11 })) {
  ESCAPES[letter.charCodeAt(0)] = code;
}

/**
 * Calls `visit` for each row. The row is valid during the call only: it is one object that is
 * filled anew, and it points into `text`, whose escapes are undone in place.
 */
export function readCopyRows(text: Uint8Array, columns: number, visit: (row: Row) => void): void {
  const starts = new Array<number>(columns).fill(0);
  const lengths = new Array<number>(columns).fill(0);
  const row = new Row(text, starts, lengths);
  let column = 0, start = 0, i = 0;
  while (i < text.length) {
    const code = text[i];
    if (code === BACKSLASH) {
      const end = fieldEnd(text, i);
      starts[column] = start;
      lengths[column] = unescapeField(text, start, end);
      i = end;
    } else if (code !== TAB && code !== NEWLINE) {
      i++;
      continue;
    } else {
      starts[column] = start;
      lengths[column] = i - start;
    }
    const isRowEnd = text[i] === NEWLINE;
    start = ++i;
    column++;
    if (!isRowEnd) continue;
    if (column !== columns) throw new RangeError(`Expected ${columns} fields, got ${column}`);
    visit(row);
    column = 0;
  }
  if (start !== text.length || column !== 0) throw new RangeError("Expected whole rows");
}

/** Where the field ends that has a backslash at `from`: tabs and newlines in it are escaped. */
function fieldEnd(text: Uint8Array, from: number): number {
  let i = from;
  while (i < text.length && text[i] !== TAB && text[i] !== NEWLINE) i++;
  return i;
}

/** Undoes the escapes of a field in place; its new length, or `NULL_LENGTH`. */
function unescapeField(text: Uint8Array, start: number, end: number): number {
  if (end - start === 2 && text[start] === BACKSLASH && text[start + 1] === LETTER_N) {
    return NULL_LENGTH;
  }
  let to = start;
  for (let i = start; i < end; i++) {
    let code = text[i];
    if (code === BACKSLASH) {
      const letter = text[++i];
      code = ESCAPES[letter] || letter;
    }
    text[to++] = code;
  }
  return to - start;
}
