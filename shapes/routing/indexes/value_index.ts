import type { Row } from "../../row.ts";
import type { PgType, Value } from "../../where/types/type.ts";
import type { Keyed } from "../plan/entry.ts";
import { countOf, type Few, forEach, withItem, withoutItem } from "./few.ts";
import { type KeyIndex, readerOf } from "./row_index.ts";

/** Filters by a column's value, for types whose equal values have several texts (1.0 and 1.00). */
export class ValueIndex implements KeyIndex {
  readonly #read: (row: Row) => Value | null;
  readonly #type: PgType;
  readonly #entries = new Map<Value, Few>();

  /** `column` is a place in the rows. */
  constructor(column: number, type: PgType) {
    this.#read = readerOf(column, type);
    this.#type = type;
  }

  get isEmpty(): boolean {
    return this.#entries.size === 0;
  }

  /** Those whose key is that of the row's value. */
  find(row: Row): Few | undefined {
    const value = this.#read(row);
    return value === null ? undefined : this.#entries.get(this.#type.key(value));
  }

  visit(row: Row, found: (id: number) => void): void {
    forEach(this.find(row), found);
  }

  crowd({ keys }: Keyed): number {
    return keys.reduce<number>((sum, key) => sum + countOf(this.#entries.get(key)), 0);
  }

  add({ keys }: Keyed, id: number): void {
    for (const key of keys) this.#entries.set(key, withItem(this.#entries.get(key), id));
  }

  remove({ keys }: Keyed, id: number): void {
    for (const key of keys) {
      const left = withoutItem(this.#entries.get(key), id);
      if (left !== undefined) this.#entries.set(key, left);
      else this.#entries.delete(key);
    }
  }
}
