/** Intervals of a type's values. Pure. */

import type { Comparison } from "../../where/operators/operator.ts";
import type { Value } from "../../where/types/type.ts";

export type Compare = (a: Value, b: Value) => number;

export interface Bound {
  readonly value: Value;
  /** True if the value itself is outside. */
  readonly isOpen: boolean;
}

/** Without a bound it goes on for ever. */
export interface Interval {
  readonly low: Bound | undefined;
  readonly high: Bound | undefined;
}

/** The intervals whose values compare so with the value on the right. */
export function intervalsOf(comparison: Comparison, value: Value): Interval[] {
  const closed = { value, isOpen: false }, open = { value, isOpen: true };
  switch (comparison) {
    case "=":
      return [{ low: closed, high: closed }];
    case "<>":
      return [{ low: undefined, high: open }, { low: open, high: undefined }];
    case "<":
      return [{ low: undefined, high: open }];
    case "<=":
      return [{ low: undefined, high: closed }];
    case ">":
      return [{ low: open, high: undefined }];
    case ">=":
      return [{ low: closed, high: undefined }];
  }
}

/** Orders low bounds by where they begin: none first, and closed before open. */
export function compareLows(a: Bound | undefined, b: Bound | undefined, compare: Compare): number {
  if (!a || !b) return Number(a !== undefined) - Number(b !== undefined);
  return compare(a.value, b.value) || Number(a.isOpen) - Number(b.isOpen);
}

/** Orders high bounds by where they end: open before closed, and none last. */
export function compareHighs(a: Bound | undefined, b: Bound | undefined, compare: Compare): number {
  if (!a || !b) return Number(b !== undefined) - Number(a !== undefined);
  return compare(a.value, b.value) || Number(b.isOpen) - Number(a.isOpen);
}

/** Whether the value is not below the low bound. */
export function isAboveLow(value: Value, low: Bound | undefined, compare: Compare): boolean {
  if (!low) return true;
  const order = compare(value, low.value);
  return low.isOpen ? order > 0 : order >= 0;
}

/** Whether the value is not above the high bound. */
export function isBelowHigh(value: Value, high: Bound | undefined, compare: Compare): boolean {
  if (!high) return true;
  const order = compare(value, high.value);
  return high.isOpen ? order < 0 : order <= 0;
}

/** The values that are in both; undefined if there are none. */
export function intersect(a: Interval, b: Interval, compare: Compare): Interval | undefined {
  const low = compareLows(a.low, b.low, compare) < 0 ? b.low : a.low;
  const high = compareHighs(a.high, b.high, compare) < 0 ? a.high : b.high;
  if (!low || !high) return { low, high };
  const order = compare(low.value, high.value);
  const isEmpty = order > 0 || (order === 0 && (low.isOpen || high.isOpen));
  return isEmpty ? undefined : { low, high };
}
