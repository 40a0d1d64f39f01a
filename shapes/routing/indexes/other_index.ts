import type { Row } from "../../row.ts";
import type { Keyed } from "../plan/entry.ts";
import { hasItem } from "./few.ts";
import type { KeyIndex, RowIndex } from "./row_index.ts";

/**
 * Filters by the values that a column must not have. All but a few are found by any row, which
 * costs what it costs to visit them; none is evaluated.
 */
export class OtherIndex implements RowIndex {
  readonly #column: number;
  readonly #all = new Set<number>();
  readonly #excluded: KeyIndex;

  /** `column` is a place in the rows; `excluded` finds those that the row is not for. */
  constructor(column: number, excluded: KeyIndex) {
    this.#column = column;
    this.#excluded = excluded;
  }

  get isEmpty(): boolean {
    return this.#all.size === 0;
  }

  visit(row: Row, found: (id: number) => void): void {
    if (row.lengths[this.#column] < 0) return;
    const excluded = this.#excluded.find(row);
    for (const id of this.#all) if (!hasItem(excluded, id)) found(id);
  }

  crowd(): number {
    return this.#all.size;
  }

  /** A filter may have one entry here. */
  add(entry: Keyed, id: number): void {
    this.#all.add(id);
    this.#excluded.add(entry, id);
  }

  remove(entry: Keyed, id: number): void {
    if (this.#all.delete(id)) this.#excluded.remove(entry, id);
  }
}
