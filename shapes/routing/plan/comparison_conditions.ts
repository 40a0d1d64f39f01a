/** Comparisons of a column with constants. Pure. */

import { bareColumn, type ColumnComparison } from "../../where/evaluate_column.ts";
import { sharesKeys } from "../../where/evaluate.ts";
import type { Quantified } from "../../where/expr.ts";
import type { Comparison, Operator } from "../../where/operators/operator.ts";
import type { PgType, Value } from "../../where/types/type.ts";
import { filed, type Filing, type Keyed, NOTHING } from "./entry.ts";
import { intervalsOf } from "./interval.ts";

const NEGATED: Readonly<Record<Comparison, Comparison>> = {
  "=": "<>",
  "<>": "=",
  "<": ">=",
  "<=": ">",
  ">": "<=",
  ">=": "<",
};

/** What it is with its sides changed. */
export const MIRRORED: Readonly<Record<Comparison, Comparison>> = {
  "=": "=",
  "<>": "<>",
  "<": ">",
  "<=": ">=",
  ">": "<",
  ">=": "<=",
};

/** Types of one family have one order, in which their values can be mixed. */
const FAMILY: Readonly<Record<string, string>> = {
  int2: "integer",
  int4: "integer",
  int8: "integer",
  float4: "float",
  float8: "float",
};

/** What compares so if the operator must be true or, if `isNot`, false; undefined for others. */
export function comparisonOf({ comparison }: Operator, isNot: boolean): Comparison | undefined {
  return comparison && isNot ? NEGATED[comparison] : comparison;
}

/** A column, and the types that the operator takes on its side and on the other. */
export type Sides = Pick<ColumnComparison, "column" | "columnType" | "constantType">;

/** The column is on the left. */
export function fileComparison(
  operator: Operator,
  comparison: Comparison,
  sides: Sides,
  value: Value,
): Filing | undefined {
  const isEquality = comparison === "=" || comparison === "<>";
  if (isEquality && sharesKeys(operator)) {
    return filed(keyedEntry(comparison === "=" ? "equal" : "other", operator, sides, [value]));
  }
  const { column, columnType: type, constantType } = sides;
  if (familyOf(type) !== familyOf(constantType)) return undefined;
  return filed(
    ...intervalsOf(comparison, value).map((interval) =>
      ({ kind: "range", column: column.name, type, interval }) as const
    ),
  );
}

function familyOf({ name }: PgType): string {
  return FAMILY[name] ?? name;
}

function keyedEntry(
  kind: Keyed["kind"],
  operator: Operator,
  { column, columnType: type, constantType }: Sides,
  values: readonly Value[],
): Keyed {
  const isTextual = operator.isTextEquality;
  const keyOf = (value: Value) => isTextual ? constantType.format(value) : constantType.key(value);
  return { kind, column: column.name, type, isTextual, keys: [...new Set(values.map(keyOf))] };
}

/** `NOT (x = ANY (…))` is `x <> ALL (…)`. */
export function fileQuantified(expr: Quantified, isNot: boolean): Filing | undefined {
  const { operator, elements } = expr, column = bareColumn(expr.left);
  const comparison = comparisonOf(operator, isNot), isAll = expr.isAll !== isNot;
  if (!column || !comparison) return undefined;
  const sides = { column, columnType: operator.left, constantType: operator.right };
  const values = elements.filter((value) => value !== null);
  if (isAll) {
    if (elements.length === 0) return undefined;
    if (values.length < elements.length) return NOTHING;
    if (comparison !== "<>" || !sharesKeys(operator)) return undefined;
    return filed(keyedEntry("other", operator, sides, values));
  }
  if (values.length === 0) return NOTHING;
  if (comparison === "=" && sharesKeys(operator)) {
    return filed(keyedEntry("equal", operator, sides, values));
  }
  if (comparison === "<>") return undefined;
  const filings = values.map((value) => fileComparison(operator, comparison, sides, value));
  const known = filings.filter((filing) => filing !== undefined);
  return known.length < filings.length ? undefined : filed(...known.flatMap((one) => one.entries));
}
