import type { Row } from "../row.ts";
import type { Keyed } from "./entry.ts";
import { hasItem } from "./few.ts";
import type { KeyIndex, RowIndex } from "./row_index.ts";

/**
 * Objects by the values that a column must not have. All but a few are found by any row, which
 * costs what it costs to visit them; none is evaluated.
 */
export class OtherIndex<V extends object> implements RowIndex<V> {
  readonly #column: number;
  readonly #all = new Set<V>();
  readonly #excluded: KeyIndex<V>;

  /** `column` is a place in the rows; `excluded` finds those that the row is not for. */
  constructor(column: number, excluded: KeyIndex<V>) {
    this.#column = column;
    this.#excluded = excluded;
  }

  get isEmpty(): boolean {
    return this.#all.size === 0;
  }

  visit(row: Row, found: (object: V) => void): void {
    if (row.lengths[this.#column] < 0) return;
    const excluded = this.#excluded.find(row);
    for (const object of this.#all) if (!hasItem(excluded, object)) found(object);
  }

  crowd(): number {
    return this.#all.size;
  }

  /** An object may have one entry. */
  add(entry: Keyed, object: V): void {
    this.#all.add(object);
    this.#excluded.add(entry, object);
  }

  remove(entry: Keyed, object: V): void {
    if (this.#all.delete(object)) this.#excluded.remove(entry, object);
  }
}
