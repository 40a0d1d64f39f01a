/** The indexes of one router, opened and closed as entries come and go. */

import type { Row } from "../../row.ts";
import { placeOf } from "../../where/evaluate.ts";
import { type Entry, indexName, type Keyed } from "../plan/entry.ts";
import { ElementIndex } from "./element_index.ts";
import { NullIndex } from "./null_index.ts";
import { OtherIndex } from "./other_index.ts";
import { PrefixIndex } from "./prefix_index.ts";
import { RangeIndex } from "./range_index.ts";
import type { KeyIndex, RowIndex } from "./row_index.ts";
import { TextIndex } from "./text_index.ts";
import { ValueIndex } from "./value_index.ts";

export class Indexes {
  readonly #indexOf: (column: string) => number;
  readonly #byName = new Map<string, RowIndex>();
  /** The same: an array costs less to go through for each row. */
  #all: RowIndex[] = [];

  /** `indexOf` gives a column's place in the rows. */
  constructor(indexOf: (column: string) => number) {
    this.#indexOf = indexOf;
  }

  /** Calls `found` with all filters that have an entry which describes the row; maybe repeatedly. */
  visit(row: Row, found: (id: number) => void): void {
    const all = this.#all;
    for (let i = 0; i < all.length; i++) all[i].visit(row, found);
  }

  /** Throws `RangeError` if the rows have no such column. */
  add(entry: Entry, id: number): void {
    const name = indexName(entry);
    let index = this.#byName.get(name);
    if (!index) {
      index = openIndex(entry, placeOf(entry.column, this.#indexOf));
      this.#byName.set(name, index);
      this.#all.push(index);
    }
    index.add(entry, id);
  }

  remove(entry: Entry, id: number): void {
    const name = indexName(entry), index = this.#byName.get(name);
    if (!index) return;
    index.remove(entry, id);
    if (!index.isEmpty) return;
    this.#byName.delete(name);
    this.#all = [...this.#byName.values()];
  }

  /** How many filters are found together with one that has this entry, where that is known. */
  crowd(entry: Entry): number {
    return this.#byName.get(indexName(entry))?.crowd(entry) ?? 0;
  }
}

function openIndex(entry: Entry, column: number): RowIndex {
  switch (entry.kind) {
    case "equal":
      return openKeyIndex(entry, column);
    case "other":
      return new OtherIndex(column, openKeyIndex(entry, column));
    case "element":
      return new ElementIndex(column, entry.type);
    case "range":
      return new RangeIndex(column, entry.type);
    case "prefix":
      return new PrefixIndex(column);
    case "null":
    case "notNull":
      return new NullIndex(column, entry.kind === "null");
  }
}

function openKeyIndex({ isTextual, type }: Keyed, column: number): KeyIndex {
  return isTextual ? new TextIndex(column) : new ValueIndex(column, type);
}
