import type { Row } from "../../row.ts";
import type { Value } from "../../where/types/type.ts";
import { ByteTable } from "./byte_table.ts";
import type { Keyed } from "../plan/entry.ts";
import { countOf, type Few, forEach, withItem, withoutItem } from "./few.ts";
import { hashOf } from "./hash.ts";
import type { KeyIndex } from "./row_index.ts";

const encoder = new TextEncoder();

/** Filters by a column's text, looked up by its bytes where they lie in the row. */
export class TextIndex implements KeyIndex {
  readonly #column: number;
  readonly #table = new ByteTable();
  /** No key is longer, nor was any. */
  #lengthMax = -1;

  /** `column` is a place in the rows. */
  constructor(column: number) {
    this.#column = column;
  }

  get isEmpty(): boolean {
    return this.#table.size === 0;
  }

  /** Those whose key is the row's text. */
  find(row: Row): Few | undefined {
    const length = row.lengths[this.#column];
    if (length < 0 || length > this.#lengthMax) return undefined;
    const { bytes } = row, start = row.starts[this.#column];
    return this.#table.get(hashOf(bytes, start, length), bytes, start, length);
  }

  visit(row: Row, found: (id: number) => void): void {
    forEach(this.find(row), found);
  }

  crowd({ keys }: Keyed): number {
    return keys.reduce<number>((sum, key) => sum + countOf(this.#get(encode(key))), 0);
  }

  add({ keys }: Keyed, id: number): void {
    for (const key of keys) {
      const bytes = encode(key);
      this.#set(bytes, withItem(this.#get(bytes), id));
      this.#lengthMax = Math.max(this.#lengthMax, bytes.length);
    }
  }

  remove({ keys }: Keyed, id: number): void {
    for (const key of keys) {
      const bytes = encode(key);
      this.#set(bytes, withoutItem(this.#get(bytes), id));
    }
  }

  #get(bytes: Uint8Array): Few | undefined {
    return this.#table.get(hashOf(bytes, 0, bytes.length), bytes, 0, bytes.length);
  }

  #set(bytes: Uint8Array, few: Few | undefined): void {
    this.#table.set(hashOf(bytes, 0, bytes.length), bytes, few);
  }
}

function encode(key: Value): Uint8Array {
  return encoder.encode(String(key));
}
