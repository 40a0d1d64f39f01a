import type { Row } from "../row.ts";
import type { RowIndex } from "./row_index.ts";

/** Objects that are for the rows whose column is NULL, or for those whose column is not. */
export class NullIndex<V extends object> implements RowIndex<V> {
  readonly #column: number;
  readonly #isNull: boolean;
  readonly #all = new Set<V>();

  /** `column` is a place in the rows. */
  constructor(column: number, isNull: boolean) {
    this.#column = column;
    this.#isNull = isNull;
  }

  get isEmpty(): boolean {
    return this.#all.size === 0;
  }

  visit(row: Row, found: (object: V) => void): void {
    if (row.lengths[this.#column] < 0 !== this.#isNull) return;
    for (const object of this.#all) found(object);
  }

  crowd(): number {
    return this.#all.size;
  }

  add(_entry: unknown, object: V): void {
    this.#all.add(object);
  }

  remove(_entry: unknown, object: V): void {
    this.#all.delete(object);
  }
}
