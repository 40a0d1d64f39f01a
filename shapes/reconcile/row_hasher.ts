/** Hashes what a scanned item says: its key, and its columns one by one and together. */

import type { ShapeDefinition } from "../definition.ts";
import type { TableColumn } from "../table.ts";
import { ABSENT, ItemScanner, NULL } from "./item_scanner.ts";
import { type HashKind, RangeHash } from "./row_hash.ts";

/** A salt that no column has. */
const KEY_SALT = -2;

export class RowHasher {
  readonly scanner: ItemScanner;
  readonly columnCount: number;
  keyLo = 0;
  keyHi = 0;
  rowLo = 0;
  rowHi = 0;
  readonly #hash: RangeHash;
  readonly #kinds: readonly HashKind[];

  constructor({ columns }: ShapeDefinition, seed: number) {
    this.scanner = new ItemScanner(columns.map(({ name }) => name));
    this.columnCount = columns.length;
    this.#hash = new RangeHash(seed);
    this.#kinds = columns.map(hashKind);
  }

  /** Of the item that was scanned last, in the same bytes. */
  key(bytes: Uint8Array): void {
    this.#key(bytes, this.scanner.keyStart, this.scanner.keyEnd);
  }

  /** A key's JSON text, without its quotes. */
  keyText(bytes: Uint8Array): void {
    this.#key(bytes, 0, bytes.length);
  }

  #key(bytes: Uint8Array, start: number, end: number): void {
    this.#hash.hash(bytes, start, end, KEY_SALT);
    this.keyLo = this.#hash.lo;
    this.keyHi = this.#hash.hi;
  }

  /** All columns together, as the sum of each: `rowOf` gives the same for the same columns. */
  row(bytes: Uint8Array): void {
    let lo = 0, hi = 0;
    for (let column = 0; column < this.columnCount; column++) {
      this.#column(bytes, column);
      lo = lo + this.#hash.lo | 0;
      hi = hi + this.#hash.hi | 0;
    }
    this.rowLo = lo;
    this.rowHi = hi;
  }

  /** Puts the hashes of the columns that the item names into `lanes` from `start` on, two each. */
  columns(bytes: Uint8Array, lanes: Int32Array, start: number): void {
    for (let column = 0; column < this.columnCount; column++) {
      if (this.scanner.starts[column] === ABSENT) continue;
      this.#column(bytes, column);
      lanes[start + column * 2] = this.#hash.lo;
      lanes[start + column * 2 + 1] = this.#hash.hi;
    }
  }

  /** A row from the hashes of its columns. */
  rowOf(lanes: Int32Array, start: number): void {
    let lo = 0, hi = 0;
    for (let lane = start; lane < start + this.columnCount * 2; lane += 2) {
      lo = lo + lanes[lane] | 0;
      hi = hi + lanes[lane + 1] | 0;
    }
    this.rowLo = lo;
    this.rowHi = hi;
  }

  #column(bytes: Uint8Array, column: number): void {
    const start = this.scanner.starts[column];
    if (start === NULL || start === ABSENT) this.#hash.null(column);
    else this.#hash.value(this.#kinds[column], bytes, start, this.scanner.ends[column], column);
  }
}

/** Snapshots spell booleans and addresses in another way than the stream. */
export function hashKind({ dims, baseTypeName }: TableColumn): HashKind {
  if (dims > 0) return "plain";
  return baseTypeName === "bool" ? "bool" : baseTypeName === "inet" ? "inet" : "plain";
}
