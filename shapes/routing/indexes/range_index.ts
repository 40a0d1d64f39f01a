import type { Row } from "../../row.ts";
import type { PgType, Value } from "../../where/types/type.ts";
import type { Range } from "../plan/entry.ts";
import { IntervalTree } from "./interval_tree.ts";
import { readerOf, type RowIndex } from "./row_index.ts";

/** Filters by intervals that a column's value must lie in. */
export class RangeIndex implements RowIndex {
  readonly #read: (row: Row) => Value | null;
  readonly #tree: IntervalTree;

  /** `column` is a place in the rows. */
  constructor(column: number, type: PgType) {
    this.#read = readerOf(column, type);
    this.#tree = new IntervalTree((a, b) => type.compare(a, b));
  }

  get isEmpty(): boolean {
    return this.#tree.isEmpty;
  }

  visit(row: Row, found: (id: number) => void): void {
    const value = this.#read(row);
    if (value !== null) this.#tree.visit(value, found);
  }

  /** Not known: it would cost as much as to visit them. */
  crowd(): number {
    return 0;
  }

  add({ interval }: Range, id: number): void {
    this.#tree.add(interval, id);
  }

  remove({ interval }: Range, id: number): void {
    this.#tree.remove(interval, id);
  }
}
