/**
 * Where a filter is filed: what an index needs to know of it. Only rows that one of its entries
 * describes can make the filter true. Pure data; who chooses is `plan.ts`, who finds `indexes.ts`.
 */

import type { Expr } from "../../where/expr.ts";
import { BOOL } from "../../where/types/boolean.ts";
import type { PgType, Value } from "../../where/types/type.ts";
import type { Interval } from "./interval.ts";

export type Entry = Keyed | Range | Prefix | Nullness;

/**
 * `equal`: the column has one of the values. `other`: it has a value, and none of these. `element`:
 * it is an array that has one of these as an element.
 */
export interface Keyed {
  readonly kind: "equal" | "other" | "element";
  readonly column: string;
  /** The type under which the column's text, or its elements, are read. */
  readonly type: PgType;
  /** True if texts that differ are not equal: bytes can be looked up. */
  readonly isTextual: boolean;
  /** Output texts if textual, else keys of the type. Each once. */
  readonly keys: readonly Value[];
}

/** The column's value lies in the interval, in the order of its type. */
export interface Range {
  readonly kind: "range";
  readonly column: string;
  readonly type: PgType;
  readonly interval: Interval;
}

/** The column's text begins with this. */
export interface Prefix {
  readonly kind: "prefix";
  readonly column: string;
  readonly prefix: string;
}

export interface Nullness {
  readonly kind: "null" | "notNull";
  readonly column: string;
}

/** A filter is true only for rows that one of the entries describes and that pass the residual. */
export interface Filing {
  /** None if no row can make the filter true. At most one `equal`, `other` or `element` an index. */
  readonly entries: readonly Entry[];
  /** What must be true, too; undefined if the entries say all. */
  readonly residual: Expr | undefined;
}

export const NOTHING: Filing = { entries: [], residual: undefined };

export function filed(...entries: readonly Entry[]): Filing {
  return { entries, residual: undefined };
}

/** Entries with the same name are filed in the same index. */
export function indexName(entry: Entry): string {
  const { kind, column } = entry;
  switch (kind) {
    case "equal":
    case "other":
    case "element":
      return `${kind} ${entry.isTextual ? "text" : entry.type.name} ${column}`;
    case "range":
      return `${kind} ${entry.type.name} ${column}`;
    default:
      return `${kind} ${column}`;
  }
}

/** The condition, or what is true where it is false. */
export function signed(expr: Expr, isNot: boolean): Expr {
  return isNot ? { kind: "not", type: BOOL, operand: expr } : expr;
}

/** How much the rows that an entry describes are likely to cost; the least is chosen. */
export type CostOf = (entry: Entry) => number;
