import type { Row } from "../../row.ts";
import type { RowIndex } from "./row_index.ts";

/** Filters that are for the rows whose column is NULL, or for those whose column is not. */
export class NullIndex implements RowIndex {
  readonly #column: number;
  readonly #isNull: boolean;
  readonly #all = new Set<number>();

  /** `column` is a place in the rows. */
  constructor(column: number, isNull: boolean) {
    this.#column = column;
    this.#isNull = isNull;
  }

  get isEmpty(): boolean {
    return this.#all.size === 0;
  }

  visit(row: Row, found: (id: number) => void): void {
    if (row.lengths[this.#column] < 0 !== this.#isNull) return;
    for (const id of this.#all) found(id);
  }

  crowd(): number {
    return this.#all.size;
  }

  add(_entry: unknown, id: number): void {
    this.#all.add(id);
  }

  remove(_entry: unknown, id: number): void {
    this.#all.delete(id);
  }
}
