import type { Row } from "../../row.ts";
import { elementKeys } from "../../where/operators/array.ts";
import { type PgType, textOf, type Value } from "../../where/types/type.ts";
import type { Keyed } from "../plan/entry.ts";
import { countOf, type Few, forEach, withItem, withoutItem } from "./few.ts";
import type { RowIndex } from "./row_index.ts";

/**
 * Filters by the elements that an array column must have. A row is looked up by each of its own
 * elements, and so may find a filter more than once.
 */
export class ElementIndex implements RowIndex {
  readonly #column: number;
  readonly #type: PgType;
  readonly #ids = new Map<Value, Few>();

  /** `column` is a place in the rows, `type` that of the elements. */
  constructor(column: number, type: PgType) {
    this.#column = column;
    this.#type = type;
  }

  get isEmpty(): boolean {
    return this.#ids.size === 0;
  }

  visit(row: Row, found: (id: number) => void): void {
    const length = row.lengths[this.#column];
    if (length < 0) return;
    const text = textOf(row.bytes, row.starts[this.#column], length);
    for (const key of elementKeys(this.#type, text)) {
      if (key !== null) forEach(this.#ids.get(key), found);
    }
  }

  crowd({ keys }: Keyed): number {
    return keys.reduce<number>((sum, key) => sum + countOf(this.#ids.get(key)), 0);
  }

  add({ keys }: Keyed, id: number): void {
    for (const key of keys) this.#ids.set(key, withItem(this.#ids.get(key), id));
  }

  remove({ keys }: Keyed, id: number): void {
    for (const key of keys) {
      const left = withoutItem(this.#ids.get(key), id);
      if (left !== undefined) this.#ids.set(key, left);
      else this.#ids.delete(key);
    }
  }
}
