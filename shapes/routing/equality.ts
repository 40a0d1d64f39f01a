/** Finds in a filter the equalities that an index can answer. Pure. */

import { bareColumn, columnComparison } from "../where/evaluate_column.ts";
import { sharesKeys } from "../where/evaluate.ts";
import { conjunction, type Expr, type Operation, type Quantified } from "../where/expr.ts";
import { BOOL } from "../where/types/boolean.ts";
import type { PgType, Value } from "../where/types/type.ts";

/** A filter can only be true for rows whose `column` equals one of the keys. */
export interface Equality {
  readonly column: string;
  /** The type under which the column's text is compared. */
  readonly type: PgType;
  /** True if texts that differ are not equal: bytes can be looked up. */
  readonly isTextual: boolean;
  /** Output texts if textual, else keys of the type. Each once. */
  readonly keys: readonly Value[];
  /** What must be true, too; undefined if the equality says all. */
  readonly residual: Expr | undefined;
}

/** Ways to find a filter that are looked at; each holds a list of all its other conditions. */
const CHOICES_MAX = 8;

/** The equalities by any of which the filter can be found. Empty if there are none. */
export function equalitiesOf(expr: Expr): Equality[] {
  switch (expr.kind) {
    case "operation":
      return listOf(ofOperation(expr));
    case "quantified":
      return listOf(ofQuantified(expr));
    case "column":
      return [ofBoolean(expr.name, true)];
    case "not":
      return expr.operand.kind === "column" ? [ofBoolean(expr.operand.name, false)] : [];
    case "and":
      return ofConjuncts(expr.operands);
    case "or":
      return ofAlternatives(expr, expr.operands.map(equalitiesOf));
    default:
      return [];
  }
}

function listOf<T>(value: T | undefined): T[] {
  return value === undefined ? [] : [value];
}

/** Each conjunct may be what the filter is found by; the others then remain to be evaluated. */
function ofConjuncts(operands: readonly Expr[]): Equality[] {
  const found: Equality[] = [];
  for (const operand of operands) {
    if (found.length >= CHOICES_MAX) break;
    for (const equality of equalitiesOf(operand)) {
      const others = operands.filter((other) => other !== operand);
      const residual = conjunction("and", [...listOf(equality.residual), ...others]);
      found.push({ ...equality, residual });
    }
  }
  return found;
}

function ofBoolean(column: string, value: boolean): Equality {
  return { column, type: BOOL, isTextual: false, keys: [value], residual: undefined };
}

function ofOperation(expr: Operation): Equality | undefined {
  const { operator } = expr, comparison = columnComparison(expr);
  if (!comparison || operator.comparison !== "=" || !sharesKeys(operator)) return undefined;
  const { column, columnType, constantType, constant } = comparison;
  return {
    column: column.name,
    type: columnType,
    isTextual: operator.isTextEquality,
    keys: keysOf(constantType, [constant.value], operator.isTextEquality),
    residual: undefined,
  };
}

function ofQuantified(expr: Quantified): Equality | undefined {
  const { operator } = expr, column = bareColumn(expr.left);
  const isMember = operator.comparison === "=" && !expr.isAll && sharesKeys(operator);
  if (!column || !isMember) return undefined;
  return {
    column: column.name,
    type: operator.left,
    isTextual: operator.isTextEquality,
    keys: keysOf(operator.right, expr.elements, operator.isTextEquality),
    residual: undefined,
  };
}

/** NULL equals nothing. */
function keysOf(type: PgType, values: readonly (Value | null)[], isTextual: boolean): Value[] {
  const known = values.filter((value) => value !== null);
  return [...new Set(known.map((value) => isTextual ? type.format(value) : type.key(value)))];
}

/** Alternatives can be found by a column for which each of them has an equality. */
function ofAlternatives(expr: Expr, alternatives: readonly Equality[][]): Equality[] {
  return alternatives[0].flatMap((first) => {
    const same = alternatives.map((equalities) =>
      equalities.find((equality) =>
        equality.column === first.column && equality.isTextual === first.isTextual &&
        equality.type.name === first.type.name
      )
    ).filter((equality) => equality !== undefined);
    if (same.length < alternatives.length) return [];
    const keys = [...new Set(same.flatMap((equality) => equality.keys))];
    const isWhole = same.every((equality) => equality.residual === undefined);
    return [{ ...first, keys, residual: isWhole ? undefined : expr }];
  });
}
