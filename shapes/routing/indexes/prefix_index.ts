import type { Row } from "../../row.ts";
import { ByteTable } from "./byte_table.ts";
import type { Prefix } from "../plan/entry.ts";
import { countOf, type Few, forEach, withItem, withoutItem } from "./few.ts";
import { EMPTY_HASH, finish, hashOn } from "./hash.ts";
import type { RowIndex } from "./row_index.ts";

const encoder = new TextEncoder();

/**
 * Filters by what a column's text begins with. The text is hashed once from its beginning, and
 * looked up wherever a prefix could end: there are far fewer lengths than prefixes.
 */
export class PrefixIndex implements RowIndex {
  readonly #column: number;
  readonly #table = new ByteTable();
  /** How many prefixes have so many bytes. */
  readonly #counts = new Map<number, number>();
  /** The lengths that there are, ascending. */
  #lengths: number[] = [];

  /** `column` is a place in the rows. */
  constructor(column: number) {
    this.#column = column;
  }

  get isEmpty(): boolean {
    return this.#table.size === 0;
  }

  visit(row: Row, found: (id: number) => void): void {
    const { bytes } = row, start = row.starts[this.#column], size = row.lengths[this.#column];
    let hash = EMPTY_HASH, hashed = 0;
    for (const length of this.#lengths) {
      if (length > size) return;
      hash = hashOn(hash, bytes, start + hashed, start + length);
      hashed = length;
      forEach(this.#table.get(finish(hash), bytes, start, length), found);
    }
  }

  crowd({ prefix }: Prefix): number {
    return countOf(this.#get(encoder.encode(prefix)));
  }

  add({ prefix }: Prefix, id: number): void {
    const bytes = encoder.encode(prefix), few = this.#get(bytes);
    this.#table.set(prefixHash(bytes), bytes, withItem(few, id));
    if (few === undefined) this.#count(bytes.length, 1);
  }

  remove({ prefix }: Prefix, id: number): void {
    const bytes = encoder.encode(prefix), few = this.#get(bytes);
    if (few === undefined) return;
    const left = withoutItem(few, id);
    this.#table.set(prefixHash(bytes), bytes, left);
    if (left === undefined) this.#count(bytes.length, -1);
  }

  #get(bytes: Uint8Array): Few | undefined {
    return this.#table.get(prefixHash(bytes), bytes, 0, bytes.length);
  }

  #count(length: number, change: 1 | -1): void {
    const before = this.#counts.get(length) ?? 0, after = before + change;
    if (after > 0) this.#counts.set(length, after);
    else this.#counts.delete(length);
    if (before === 0 || after === 0) this.#lengths = [...this.#counts.keys()].sort((a, b) => a - b);
  }
}

function prefixHash(bytes: Uint8Array): number {
  return finish(hashOn(EMPTY_HASH, bytes, 0, bytes.length));
}
