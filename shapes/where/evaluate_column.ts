/** The commonest filters, a column against a constant, without making a value of the column's text. */

import type { Column, Constant, Expr, Operation } from "./expr.ts";
import { compileCaselessPattern, compilePattern, type PatternMatcher } from "./like.ts";
import type { PgType } from "./types/type.ts";
import type { Predicate } from "./where.ts";

const encoder = new TextEncoder();

/** A column and the constant it is compared with, whichever side each is on. */
export interface ColumnComparison {
  readonly column: Column;
  readonly constant: Constant;
  /** The type that the operator takes on the constant's side. */
  readonly constantType: PgType;
  /** The type that the operator takes on the column's side. */
  readonly columnType: PgType;
}

export function columnComparison(
  { operator, left, right }: Operation,
): ColumnComparison | undefined {
  const [a, b] = [bareColumn(left), bareColumn(right)];
  if (a && right.kind === "constant") {
    return { column: a, constant: right, columnType: operator.left, constantType: operator.right };
  }
  if (b && left.kind === "constant") {
    return { column: b, constant: left, columnType: operator.right, constantType: operator.left };
  }
  return undefined;
}

/** The column, if the expression is one under no conversion that changes its values. */
export function bareColumn(expr: Expr): Column | undefined {
  if (expr.kind === "column") return expr;
  return expr.kind === "cast" && expr.cast.isRelabel ? bareColumn(expr.operand) : undefined;
}

/** Undefined if there is no shortcut. */
export function columnOperation(
  expr: Operation,
  indexOf: (column: string) => number,
): Predicate | undefined {
  const comparison = columnComparison(expr);
  if (!comparison) return undefined;
  const { column, constant, constantType } = comparison, { operator } = expr;
  if (constant.value === null) return () => null;
  const index = indexOf(column.name);
  if (operator.isTextEquality) {
    const expected = encoder.encode(constantType.format(constant.value));
    return sameBytes(index, expected, operator.comparison === "<>");
  }
  const pattern = expr.right === constant ? matcherOf(operator.name, constant) : undefined;
  return pattern && matching(index, pattern, operator.name.startsWith("!"));
}

function sameBytes(index: number, expected: Uint8Array, isNot: boolean): Predicate {
  const size = expected.length;
  return (row) => {
    const length = row.lengths[index];
    if (length !== size) return length < 0 ? null : isNot;
    const { bytes } = row;
    for (let i = 0, at = row.starts[index]; i < size; i++, at++) {
      if (bytes[at] !== expected[i]) return isNot;
    }
    return !isNot;
  };
}

function matcherOf(name: string, { value }: Constant): PatternMatcher | undefined {
  if (typeof value !== "string" || !name.includes("~~")) return undefined;
  return name.endsWith("*") ? compileCaselessPattern(value) : compilePattern(value);
}

function matching(index: number, matches: PatternMatcher, isNot: boolean): Predicate {
  return (row) => {
    const length = row.lengths[index];
    if (length < 0) return null;
    const start = row.starts[index];
    return matches(row.bytes, start, start + length) !== isNot;
  };
}
