/** What all indexes can do. One file here per kind of entry; `indexes.ts` knows them all. */

import type { Row } from "../row.ts";
import { type PgType, textOf, type Value } from "../where/types/type.ts";
import type { Entry, Keyed } from "./entry.ts";
import type { Few } from "./few.ts";

/**
 * Objects by the rows that their entries describe. An index takes entries of its own name only
 * (`indexName`), and an object may have several in it.
 */
export interface RowIndex<V extends object> {
  readonly isEmpty: boolean;
  /** Calls `found` with each object that has an entry which describes the row; maybe repeatedly. */
  visit(row: Row, found: (object: V) => void): void;
  add(entry: Entry, object: V): void;
  /** Takes back what was added; does nothing if it was not. */
  remove(entry: Entry, object: V): void;
  /** How many objects are found together with one that has this entry, where that is known. */
  crowd(entry: Entry): number;
}

/** An index in which a row has one key. */
export interface KeyIndex<V extends object> extends RowIndex<V> {
  find(row: Row): Few<V> | undefined;
  add(entry: Keyed, object: V): void;
  remove(entry: Keyed, object: V): void;
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
