/** LIKE. Pure. */

import type { ColumnComparison } from "../../where/evaluate_column.ts";
import type { Operation } from "../../where/expr.ts";
import type { Operator } from "../../where/operators/operator.ts";
import type { PgType } from "../../where/types/type.ts";
import { type Entry, type Filing, NOTHING, signed } from "./entry.ts";
import { type PatternStart, startOfPattern } from "./pattern_start.ts";

/** Whether it is `LIKE` that must be true, or `NOT LIKE` that must be false. */
export function isPattern({ name }: Operator, isNot: boolean): boolean {
  return name === (isNot ? "!~~" : "~~");
}

export function filePattern(
  expr: Operation,
  sides: ColumnComparison,
  isNot: boolean,
): Filing | undefined {
  const { value } = sides.constant;
  if (value === null) return NOTHING;
  if (typeof value !== "string" || sides.constant !== expr.right) return undefined;
  const start = startOfPattern(value);
  const entry = patternEntry(sides.column.name, sides.columnType, start);
  if (!entry) return undefined;
  return { entries: [entry], residual: start.rest === "other" ? signed(expr, isNot) : undefined };
}

function patternEntry(
  column: string,
  type: PgType,
  { prefix, rest }: PatternStart,
): Entry | undefined {
  if (rest === "nothing") {
    return { kind: "equal", column, type, isTextual: true, keys: [prefix] };
  }
  if (prefix !== "") return { kind: "prefix", column, prefix };
  return rest === "anything" ? { kind: "notNull", column } : undefined;
}
