/** The typed expression tree: what a where clause is once it has been checked against a table. */

import type { Cast } from "./casts.ts";
import type { NativeFunction } from "./operators/functions.ts";
import type { Operator } from "./operators/operator.ts";
import { BOOL } from "./types/boolean.ts";
import type { PgType, Value } from "./types/type.ts";

export type Expr =
  | Constant
  | Column
  | { readonly kind: "cast"; readonly type: PgType; readonly cast: Cast; readonly operand: Expr }
  | Operation
  | Quantified
  | Member
  | Call
  | Choice
  | External
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

/** `left operator ANY | ALL (array)` over an array that is not constant. */
export interface Member {
  readonly kind: "member";
  readonly type: PgType;
  /** Its right type is that of the array's elements. */
  readonly operator: Operator;
  readonly isAll: boolean;
  readonly left: Expr;
  readonly array: Expr;
}

/** A strict function, or an operator that stands before its operand. */
export interface Call {
  readonly kind: "call";
  readonly type: PgType;
  readonly fn: NativeFunction;
  readonly operands: readonly Expr[];
}

/** The first operand that is not NULL, or the greatest or least of those that are not. */
export interface Choice {
  readonly kind: "choice";
  readonly type: PgType;
  readonly name: "COALESCE" | "GREATEST" | "LEAST";
  readonly operands: readonly Expr[];
}

/**
 * What only Postgres evaluates, immutable. In a checked filter it is boolean and stands alone or below
 * AND, OR and NOT; an error that it raises for a row counts as unknown.
 */
export interface External {
  readonly kind: "external";
  readonly type: PgType;
  /** Canonical; names columns of the table, quoted. */
  readonly sql: string;
  /** Each once. */
  readonly columns: readonly string[];
  /** Of `ARRAY[…]`, which is converted element by element. */
  readonly elements?: readonly Expr[];
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
    case "external":
      return [];
    case "and":
    case "or":
    case "call":
    case "choice":
      return expr.operands;
    case "operation":
    case "distinct":
      return [expr.left, expr.right];
    case "quantified":
      return [expr.left];
    case "member":
      return [expr.left, expr.array];
    case "cast":
    case "not":
    case "isNull":
    case "isTruth":
      return [expr.operand];
  }
}

/** Calls `visit` for the expression and all below it. */
function walk(expr: Expr, visit: (expr: Expr) => void): void {
  visit(expr);
  for (const operand of operandsOf(expr)) walk(operand, visit);
}

/** Names of the columns in it, each once, in the order in which they appear. */
export function columnsOf(...all: readonly Expr[]): string[] {
  const names = new Set<string>();
  for (const expr of all) {
    walk(expr, (part) => {
      if (part.kind === "column") names.add(part.name);
      if (part.kind === "external") { for (const name of part.columns) names.add(name); }
    });
  }
  return [...names];
}

/** The SQL texts of the parts that Postgres evaluates, each once. */
export function externalsOf(expr: Expr): string[] {
  const texts = new Set<string>();
  walk(expr, (part) => {
    if (part.kind === "external") texts.add(part.sql);
  });
  return [...texts];
}

/** `postgres` if any part of it can only be evaluated there. */
export function runsIn(expr: Expr): "javascript" | "postgres" {
  if (expr.kind === "external") return "postgres";
  return operandsOf(expr).some((operand) => runsIn(operand) === "postgres")
    ? "postgres"
    : "javascript";
}

/** Whether Postgres raises an error for some rows. */
export function canFail(expr: Expr): boolean {
  const isFallible = expr.kind === "external" || "operator" in expr && expr.operator.canFail ||
    expr.kind === "cast" && expr.cast.canFail || expr.kind === "call" && expr.fn.canFail;
  return isFallible || operandsOf(expr).some(canFail);
}
