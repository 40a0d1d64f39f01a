/** What all indexes can do. One file here per kind of entry; `indexes.ts` knows them all. */

import type { Row } from "../../row.ts";
import { type PgType, textOf, type Value } from "../../where/types/type.ts";
import type { Entry, Keyed } from "../plan/entry.ts";
import type { Few } from "./few.ts";

/**
 * Filters by the rows that their entries describe. A filter is a number here (`Router` knows which),
 * because numbers lie side by side in memory. An index takes entries of its own name only
 * (`indexName`), and a filter may have several in it.
 */
export interface RowIndex {
  readonly isEmpty: boolean;
  /** Calls `found` with each filter that has an entry which describes the row; maybe repeatedly. */
  visit(row: Row, found: (id: number) => void): void;
  add(entry: Entry, id: number): void;
  /** Takes back what was added; does nothing if it was not. */
  remove(entry: Entry, id: number): void;
  /** How many filters are found together with one that has this entry, where that is known. */
  crowd(entry: Entry): number;
}

/** An index in which a row has one key. */
export interface KeyIndex extends RowIndex {
  find(row: Row): Few | undefined;
  add(entry: Keyed, id: number): void;
  remove(entry: Keyed, id: number): void;
  crowd(entry: Keyed): number;
}

/** Reads a column's value from a row; null for NULL. `column` is a place in the rows. */
export function readerOf(column: number, type: PgType): (row: Row) => Value | null {
  return (row) => {
    const length = row.lengths[column];
    if (length < 0) return null;
    const start = row.starts[column];
    return type.decodeBytes
      ? type.decodeBytes(row.bytes, start, length)
      : type.decode(textOf(row.bytes, start, length));
  };
}
