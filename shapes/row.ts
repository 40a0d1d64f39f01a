/**
 * One row as Postgres sent it: the text of its columns, still as bytes. Columns are read in place,
 * because most are only copied into a log item and never looked at.
 */

/** In `Row.lengths`: the column is NULL. */
export const NULL_LENGTH = -1;
/** In `Row.lengths`: an unchanged TOAST value, which the stream leaves out. */
export const UNCHANGED_LENGTH = -2;

// A value may begin with U+FEFF; the default would swallow it as a byte order mark.
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

export class Row {
  /** Holds the UTF-8 text of all columns. Shared with other rows: never write to it. */
  readonly bytes: Uint8Array;
  /** Where each column's text begins in `bytes`. */
  readonly starts: readonly number[];
  /** How many bytes each column's text has, or `NULL_LENGTH`, or `UNCHANGED_LENGTH`. */
  readonly lengths: readonly number[];

  constructor(bytes: Uint8Array, starts: readonly number[], lengths: readonly number[]) {
    this.bytes = bytes;
    this.starts = starts;
    this.lengths = lengths;
  }

  /** The column's text, or null when it is NULL (or not in the row at all). */
  text(column: number): string | null {
    const length = this.lengths[column];
    if (length < 0) return null;
    const start = this.starts[column];
    if (length > 24) return decoder.decode(this.bytes.subarray(start, start + length));
    let text = "";
    for (let i = start; i < start + length; i++) {
      const code = this.bytes[i];
      if (code > 0x7f) return decoder.decode(this.bytes.subarray(start, start + length));
      text += String.fromCharCode(code);
    }
    return text;
  }

  isNull(column: number): boolean {
    return this.lengths[column] === NULL_LENGTH;
  }
}

const encoder = new TextEncoder();

/** Builds a row from texts; for tests and for values that did not come as bytes. */
export function rowOfTexts(texts: readonly (string | null)[]): Row {
  const parts = texts.map((text) => text === null ? null : encoder.encode(text));
  const starts: number[] = [], lengths: number[] = [];
  let size = 0;
  for (const part of parts) {
    starts.push(size);
    lengths.push(part === null ? NULL_LENGTH : part.length);
    size += part?.length ?? 0;
  }
  const bytes = new Uint8Array(size);
  parts.forEach((part, i) => part && bytes.set(part, starts[i]));
  return new Row(bytes, starts, lengths);
}
