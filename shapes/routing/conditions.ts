/** What index answers a single condition: one function for each kind of expression. Pure. */

import { bareColumn, type ColumnComparison, columnComparison } from "../where/evaluate_column.ts";
import { sharesKeys } from "../where/evaluate.ts";
import type { Expr, Member, Operation, Quantified } from "../where/expr.ts";
import { elementKeys } from "../where/operators/array.ts";
import type { Comparison, Operator } from "../where/operators/operator.ts";
import { BOOL } from "../where/types/boolean.ts";
import type { PgType, Value } from "../where/types/type.ts";
import { type Entry, filed, type Filing, type Keyed, NOTHING } from "./entry.ts";
import { intervalsOf } from "./interval.ts";
import { startOfPattern } from "./pattern_start.ts";

/** How much the rows that an entry describes are likely to cost; the least is chosen. */
export type CostOf = (entry: Entry) => number;

type Of<K extends Expr["kind"]> = Extract<Expr, { readonly kind: K }>;

const NEGATED: Readonly<Record<Comparison, Comparison>> = {
  "=": "<>",
  "<>": "=",
  "<": ">=",
  "<=": ">",
  ">": "<=",
  ">=": "<",
};

const MIRRORED: Readonly<Record<Comparison, Comparison>> = {
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

/** The condition, or what is true where it is false. */
export function signed(expr: Expr, isNot: boolean): Expr {
  return isNot ? { kind: "not", type: BOOL, operand: expr } : expr;
}

/**
 * Where to find a condition that has no conditions in it: one that must be true or, if `isNot`,
 * false. Undefined if no index answers it, as for all kinds of expressions not known here.
 */
export function fileCondition(expr: Expr, isNot: boolean, costOf: CostOf): Filing | undefined {
  switch (expr.kind) {
    case "constant":
      return expr.value === !isNot ? undefined : NOTHING;
    case "column":
      return filed(booleanEntry(expr.name, !isNot));
    case "operation":
      return fileContainment(expr, isNot, costOf) ?? fileOperation(expr, isNot);
    case "quantified":
      return fileQuantified(expr, isNot);
    case "member":
      return fileMember(expr, isNot);
    case "distinct":
      return fileDistinct(expr, isNot);
    case "isNull":
      return fileNullTest(expr, isNot);
    case "isTruth":
      return fileTruthTest(expr, isNot);
    default:
      return undefined;
  }
}

function booleanEntry(column: string, value: boolean): Keyed {
  return { kind: "equal", column, type: BOOL, isTextual: false, keys: [value] };
}

function fileOperation(expr: Operation, isNot: boolean): Filing | undefined {
  const { operator } = expr, sides = columnComparison(expr);
  if (!sides) return undefined;
  if (isPattern(operator, isNot)) return filePattern(expr, sides, isNot);
  const comparison = comparisonOf(operator, isNot);
  if (!comparison) return undefined;
  if (sides.constant.value === null) return NOTHING;
  const isMirrored = sides.constant === expr.left;
  const oriented = isMirrored ? MIRRORED[comparison] : comparison;
  return fileComparison(operator, oriented, sides, sides.constant.value);
}

function comparisonOf({ comparison }: Operator, isNot: boolean): Comparison | undefined {
  return comparison && isNot ? NEGATED[comparison] : comparison;
}

type Sides = Pick<ColumnComparison, "column" | "columnType" | "constantType">;

function fileComparison(
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

/** `column @> constant`, which an element of the constant can be found by, and `column && constant`. */
function fileContainment(expr: Operation, isNot: boolean, costOf: CostOf): Filing | undefined {
  const { name, left, right } = expr.operator, sides = columnComparison(expr);
  const isOverlap = name === "&&", container = isOverlap || name === "@>" ? expr.left : expr.right;
  if (isNot || !sides || !left.element || !["@>", "<@", "&&"].includes(name)) return undefined;
  const { column, constant: { value } } = sides, type = left.element;
  if (!isOverlap && bareColumn(container) !== column) return undefined;
  if (value === null) return NOTHING;
  const all = [...new Set(elementKeys(type, right.format(value)))];
  const keys = all.filter((key) => key !== null);
  if (isOverlap) return keys.length === 0 ? NOTHING : filed(elementEntry(column.name, type, keys));
  if (keys.length < all.length) return NOTHING;
  if (keys.length === 0) return filed({ kind: "notNull", column: column.name });
  const entries = keys.map((key) => elementEntry(column.name, type, [key]));
  const best = entries.reduce((a, b) => costOf(b) < costOf(a) ? b : a);
  return { entries: [best], residual: keys.length > 1 ? expr : undefined };
}

function elementEntry(column: string, type: PgType, keys: readonly Value[]): Keyed {
  return { kind: "element", column, type, isTextual: false, keys };
}

/** `constant = ANY (column)`. */
function fileMember({ operator, isAll, left, array }: Member, isNot: boolean): Filing | undefined {
  const column = bareColumn(array), isMember = operator.comparison === "=" && !isAll && !isNot;
  if (!column || !isMember || left.kind !== "constant" || !sharesKeys(operator)) return undefined;
  if (left.value === null) return NOTHING;
  return filed(elementEntry(column.name, operator.right, [operator.left.key(left.value)]));
}

/** Whether it is `LIKE` that must be true, or `NOT LIKE` that must be false. */
function isPattern({ name }: Operator, isNot: boolean): boolean {
  return name === (isNot ? "!~~" : "~~");
}

function filePattern(expr: Operation, sides: ColumnComparison, isNot: boolean): Filing | undefined {
  const { value } = sides.constant;
  if (value === null) return NOTHING;
  if (typeof value !== "string" || sides.constant !== expr.right) return undefined;
  const start = startOfPattern(value),
    entry = patternEntry(sides.column.name, sides.columnType, start);
  if (!entry) return undefined;
  return { entries: [entry], residual: start.rest === "other" ? signed(expr, isNot) : undefined };
}

function patternEntry(
  column: string,
  type: PgType,
  { prefix, rest }: ReturnType<typeof startOfPattern>,
): Entry | undefined {
  if (rest === "nothing") {
    return { kind: "equal", column, type, isTextual: true, keys: [prefix] };
  }
  if (prefix !== "") return { kind: "prefix", column, prefix };
  return rest === "anything" ? { kind: "notNull", column } : undefined;
}

/** `NOT (x = ANY (…))` is `x <> ALL (…)`. */
function fileQuantified(expr: Quantified, isNot: boolean): Filing | undefined {
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

function fileDistinct(expr: Of<"distinct">, isNot: boolean): Filing | undefined {
  const sides = columnComparison({ ...expr, kind: "operation" });
  if (!sides) return undefined;
  const isDistinct = expr.isNot === isNot, { column, constant: { value } } = sides;
  if (value === null) return filed({ kind: isDistinct ? "notNull" : "null", column: column.name });
  const filing = fileComparison(expr.operator, isDistinct ? "<>" : "=", sides, value);
  if (!filing || !isDistinct) return filing;
  return filed(...filing.entries, { kind: "null", column: column.name });
}

function fileNullTest(expr: Of<"isNull">, isNot: boolean): Filing | undefined {
  const column = bareColumn(expr.operand);
  return column && filed({ kind: expr.isNot === isNot ? "null" : "notNull", column: column.name });
}

/** Of a column. A test of a condition is for `plan.ts`, if it is for anyone. */
function fileTruthTest(expr: Of<"isTruth">, isNot: boolean): Filing | undefined {
  const { truth, operand } = expr, isTrue = expr.isNot === isNot;
  if (operand.kind !== "column") return undefined;
  const column = operand.name;
  if (truth === null) return filed({ kind: isTrue ? "null" : "notNull", column });
  if (isTrue) return filed(booleanEntry(column, truth));
  return filed(booleanEntry(column, !truth), { kind: "null", column });
}
