import type { Predicate } from "../where/where.ts";
import { Bag } from "./bag.ts";
import type { Entry } from "./plan/entry.ts";

/** Where a filter is filed and what it asks besides. */
export interface FiledFilter {
  /** Its canonical text. */
  readonly sql: string;
  /** Undefined if it must be evaluated for every row. */
  readonly entries: readonly Entry[] | undefined;
  /** What must be true once an entry has been found; undefined if nothing. */
  readonly predicate: Predicate | undefined;
}

/** The targets with one and the same filter. */
export class Group<T extends NonNullable<unknown>> extends Bag<T> {
  /** What indexes know it by. */
  readonly id: number;
  readonly filter: FiledFilter;
  /** Number of the row that it was last found for. */
  mark = 0;

  constructor(id: number, filter: FiledFilter) {
    super();
    this.id = id;
    this.filter = filter;
  }

  /** Whether a row that finds it is for it, and finds it once. */
  get isCertain(): boolean {
    const { entries, predicate } = this.filter;
    return entries?.length === 1 && entries[0].kind !== "element" && !predicate;
  }
}
