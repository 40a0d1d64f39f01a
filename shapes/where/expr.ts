/** The typed expression tree: what a where clause is once it has been checked against a table. */

import type { Cast } from "./casts.ts";
import type { Operator } from "./operators/operator.ts";
import { BOOL } from "./types/boolean.ts";
import type { PgType, Value } from "./types/type.ts";

export type Expr =
  | Constant
  | Column
  | { readonly kind: "cast"; readonly type: PgType; readonly cast: Cast; readonly operand: Expr }
  | Operation
  | Quantified
  /** `left IS [NOT] DISTINCT FROM right`: `operator` is `=`. */
  | {
    readonly kind: "distinct";
    readonly type: PgType;
    readonly operator: Operator;
    readonly isNot: boolean;
    readonly left: Expr;
    readonly right: Expr;
  }
  | { readonly kind: "and" | "or"; readonly type: PgType; readonly operands: readonly Expr[] }
  | { readonly kind: "not"; readonly type: PgType; readonly operand: Expr }
  | {
    readonly kind: "isNull";
    readonly type: PgType;
    readonly isNot: boolean;
    readonly operand: Expr;
  }
  /** `operand IS [NOT] TRUE | FALSE | UNKNOWN`; unknown is null. */
  | {
    readonly kind: "isTruth";
    readonly type: PgType;
    readonly truth: boolean | null;
    readonly isNot: boolean;
    readonly operand: Expr;
  };

export interface Constant {
  readonly kind: "constant";
  readonly type: PgType;
  /** Null for NULL. */
  readonly value: Value | null;
}

export interface Column {
  readonly kind: "column";
  readonly type: PgType;
  readonly name: string;
  readonly collation: string | null;
}

export interface Operation {
  readonly kind: "operation";
  readonly type: PgType;
  readonly operator: Operator;
  readonly left: Expr;
  readonly right: Expr;
}

/** `left operator ANY | ALL (elements)`, also `IN` and `NOT IN`. */
export interface Quantified {
  readonly kind: "quantified";
  readonly type: PgType;
  readonly operator: Operator;
  readonly isAll: boolean;
  readonly left: Expr;
  /** Of the operator's right type. */
  readonly elements: readonly (Value | null)[];
}

export function constant(type: PgType, value: Value | null): Constant {
  return { kind: "constant", type, value };
}

/** AND or OR of all, those of the same kind among them spliced in. */
export function conjunction(kind: "and" | "or", all: readonly Expr[]): Expr {
  const operands = all.flatMap((expr) => expr.kind === kind ? expr.operands : [expr]);
  return operands.length === 1 ? operands[0] : { kind, type: BOOL, operands };
}

/** The expressions directly below. */
export function operandsOf(expr: Expr): readonly Expr[] {
  switch (expr.kind) {
    case "constant":
    case "column":
      return [];
    case "and":
    case "or":
      return expr.operands;
    case "operation":
    case "distinct":
      return [expr.left, expr.right];
    case "quantified":
      return [expr.left];
    case "cast":
    case "not":
    case "isNull":
    case "isTruth":
      return [expr.operand];
  }
}

/** Names of the columns in it, each once, in the order in which they appear. */
export function columnsOf(expr: Expr): string[] {
  const names = new Set<string>();
  const visit = (expr: Expr) => {
    if (expr.kind === "column") names.add(expr.name);
    operandsOf(expr).forEach(visit);
  };
  visit(expr);
  return [...names];
}

/** `postgres` if any part of it can only be evaluated there. */
export function runsIn(expr: Expr): "javascript" | "postgres" {
  if ("operator" in expr && expr.operator.runsIn === "postgres") return "postgres";
  return operandsOf(expr).some((operand) => runsIn(operand) === "postgres")
    ? "postgres"
    : "javascript";
}
