/**
 * Puts typed expressions together: as something that is done here if all of it can be, else as SQL
 * for Postgres. Constants among themselves are worked out at once.
 */

import type { Signature } from "./catalog/signature.ts";
import { isSettled } from "./catalog/stability.ts";
import type { Checker } from "./check.ts";
import { combineCollations, isCaseSafe, satisfies } from "./collation.ts";
import { type Call, constant, type Expr, runsIn } from "./expr.ts";
import { external } from "./external.ts";
import { compilePattern } from "./like.ts";
import { nativeOperator } from "./operators/catalog.ts";
import { type NativeFunction, nativeFunction } from "./operators/functions.ts";
import type { Operator } from "./operators/operator.ts";
import type { Resolved } from "./operators/resolve.ts";
import { formatCall, formatOperand, formatSql } from "./sql.ts";
import { quoteName } from "./types/text.ts";
import { WhereError } from "./where_error.ts";

/** Whether a strict operator over the operands can be done here. */
export function areHere(operands: readonly Expr[]): boolean {
  return operands.every((operand) => runsIn(operand) === "javascript" && !isCaseMapping(operand));
}

function isCaseMapping(expr: Expr): expr is Call {
  return expr.kind === "call" && expr.fn.isCaseMapping;
}

/** Applies a chosen operator to operands of its types. Throws `WhereError`. */
export function operate(
  checker: Checker,
  resolved: Resolved,
  operands: readonly Expr[],
  location: number,
): Expr {
  const { signature, result } = resolved, [left, right] = operands;
  refuseChanging(resolved, "operator", location);
  if (right === undefined) {
    return call(nativeFunction(signature.name, true, resolved.types), resolved, operands);
  }
  const operator = nativeOperator(signature.name, resolved.types[0], resolved.types[1]);
  refuseOpenEscape(signature.name, right, location);
  if (operator && isDoneHere(checker, operator, left, right, location)) {
    return folded({ kind: "operation", type: result, operator, left, right });
  }
  return external(result, formatOperation(signature, left, formatOperand(right)), operands);
}

export function formatOperation(signature: Signature, left: Expr, right: string): string {
  const { name, schema } = signature;
  const shown = schema === undefined ? name : `OPERATOR(${quoteName(schema)}.${name})`;
  return `${formatOperand(left)} ${shown} ${right}`;
}

/** Whether an operator means here what it means in Postgres, with these operands. */
export function isDoneHere(
  checker: Checker,
  operator: Operator,
  left: Expr,
  right: Expr,
  location: number,
): boolean {
  const collation = combinedCollation([left, right]);
  if (collation === undefined && operator.collation !== "none") {
    const message = `operator ${operator.name} is not supported with conflicting collations`;
    throw new WhereError(message, location);
  }
  const isText = right.kind === "constant" && typeof right.value === "string";
  if (isText && runsIn(left) === "javascript") {
    const isSafe = () => isCaseSafe(String(right.value), collation, checker);
    if (operator.collation === "case") return !isCaseMapping(left) && isSafe();
    const canMap = operator.comparison === "=" || operator.comparison === "<>" ||
      /^!?~~$/.test(operator.name);
    if (isCaseMapping(left)) return canMap && isSafe();
  }
  if (!areHere([left, right])) return false;
  // Letters that one version of Unicode folds and another does not may be in either text.
  return operator.collation !== "case" && satisfies(collation, operator.collation, checker);
}

/** Null for the default one, undefined if they conflict. */
export function combinedCollation(operands: readonly Expr[]): string | null | undefined {
  return operands.map(collationOf).reduce<string | null | undefined>(
    (a, b) => a === undefined || b === undefined ? undefined : combineCollations(a, b),
    null,
  );
}

function collationOf(expr: Expr): string | null | undefined {
  switch (expr.kind) {
    case "column":
      return expr.collation;
    case "cast":
      // The result of a cast to a type with collations keeps the one it has, else the default.
      return expr.cast.from.isCollatable ? collationOf(expr.operand) : null;
    case "operation":
      return expr.type.isCollatable ? combinedCollation([expr.left, expr.right]) : null;
    case "call":
    case "choice":
      return expr.type.isCollatable ? combinedCollation(expr.operands) : null;
    default:
      return null;
  }
}

/** A pattern that ends with a lone backslash makes Postgres raise an error, sooner or later. */
export function refuseOpenEscape(name: string, right: Expr, location: number): void {
  if (!/^!?~~\*?$/.test(name) || right.kind !== "constant") return;
  if (typeof right.value !== "string" || compilePattern(right.value)) return;
  throw new WhereError("LIKE pattern must not end with escape character", location);
}

/** Calls a chosen function with operands of its types. Throws `WhereError`. */
export function callFunction(
  resolved: Resolved,
  operands: readonly Expr[],
  location: number,
): Expr {
  refuseChanging(resolved, "function", location);
  return call(nativeFunction(resolved.signature.name, false, resolved.types), resolved, operands);
}

function call(
  fn: NativeFunction | undefined,
  { signature, result }: Resolved,
  operands: readonly Expr[],
): Expr {
  if (fn && areHere(operands)) return folded({ kind: "call", type: result, fn, operands });
  const { name, schema } = signature;
  const isOperator = !/^\w/.test(name);
  const sql = schema === undefined
    ? formatCall(name, isOperator, operands)
    : `${quoteName(schema)}.${name}(${operands.map(formatSql).join(", ")})`;
  return external(result, sql, operands);
}

/** The result, if it is of constants; Postgres does not work out conditions any earlier than this. */
function folded(expr: Expr & { kind: "call" | "operation" }): Expr {
  const operands = expr.kind === "call" ? expr.operands : [expr.left, expr.right];
  const isCase = expr.kind === "call" && expr.fn.isCaseMapping;
  if (expr.type.category === "B" || isCase) return expr;
  const values = operands.map((operand) => operand.kind === "constant" ? operand.value : null);
  const [a, b] = values;
  if (a === null || a === undefined || b === null) return expr;
  if (expr.kind === "operation" && b === undefined) return expr;
  const value = expr.kind === "call" ? expr.fn.apply(a) : expr.operator.apply(a, b);
  if (value === undefined) {
    throw new WhereError("Failed to apply function to constant arguments");
  }
  return constant(expr.type, value);
}

/** Throws `WhereError` for what does not give the same result whenever it is called. */
function refuseChanging(
  { signature, types }: Resolved,
  kind: "operator" | "function",
  location: number,
): void {
  if (isSettled(signature, types)) return;
  const shown = types.map((type) => type.name).join(", ");
  throw new WhereError(
    `${kind} ${signature.name}(${shown}) is not immutable: its result may change while the row does not`,
    location,
  );
}
