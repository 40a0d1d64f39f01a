/** What index answers a single condition: one function for each kind of expression. Pure. */

import { bareColumn, columnComparison } from "../../where/evaluate_column.ts";
import type { Expr, Operation } from "../../where/expr.ts";
import { BOOL } from "../../where/types/boolean.ts";
import { fileContainment, fileMember } from "./array_conditions.ts";
import { comparisonOf, fileComparison, fileQuantified, MIRRORED } from "./comparison_conditions.ts";
import { type CostOf, filed, type Filing, type Keyed, NOTHING } from "./entry.ts";
import { filePattern, isPattern } from "./pattern_conditions.ts";

type Of<K extends Expr["kind"]> = Extract<Expr, { readonly kind: K }>;

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
