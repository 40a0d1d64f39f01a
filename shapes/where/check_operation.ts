/** Operators, and the syntax that Postgres turns into operators: IN, BETWEEN, LIKE, DISTINCT. */

import type { Checker } from "./check.ts";
import { checkIn, checkQuantified } from "./check_list.ts";
import { combineCollations, satisfies } from "./collation.ts";
import { conjunction, type Expr, operandsOf } from "./expr.ts";
import { compilePattern } from "./like.ts";
import { coerce, type Operand, typeOf } from "./operand.ts";
import { isKnownOperator } from "./operators/catalog.ts";
import type { Operator } from "./operators/operator.ts";
import { resolveOperator } from "./operators/resolve.ts";
import { openNode, type RawBody, type RawNode, stringsOf } from "./syntax.ts";
import { BOOL } from "./types/boolean.ts";
import type { PgType } from "./types/type.ts";
import { WhereError } from "./where_error.ts";

export function checkOperation(checker: Checker, body: RawBody, location: number): Operand {
  const name = operatorName(body);
  switch (body.kind) {
    case "AEXPR_OP":
    case "AEXPR_LIKE":
    case "AEXPR_ILIKE":
    case "AEXPR_SIMILAR":
      return checkPlain(checker, body, name, location);
    case "AEXPR_DISTINCT":
    case "AEXPR_NOT_DISTINCT":
      return checkDistinct(checker, body, location);
    case "AEXPR_IN":
      return checkIn(checker, body, name, location);
    case "AEXPR_OP_ANY":
    case "AEXPR_OP_ALL":
      return checkQuantified(checker, body, name, location);
    case "AEXPR_BETWEEN":
    case "AEXPR_NOT_BETWEEN":
    case "AEXPR_BETWEEN_SYM":
    case "AEXPR_NOT_BETWEEN_SYM":
      return checkBetween(checker, body, location);
    default: {
      const message = `expression "${name}" of :${body.kind} is not currently supported`;
      throw new WhereError(message, location);
    }
  }
}

/** Operators of other schemas than `pg_catalog` keep their schema, and so are unknown. */
function operatorName(body: RawBody): string {
  const path = stringsOf(body.name);
  return (path.length > 1 && path[0] === "pg_catalog" ? path.slice(1) : path).join(".");
}

function checkPlain(checker: Checker, body: RawBody, name: string, location: number): Expr {
  if (!body.rexpr) throw new WhereError(`${body.kind} is not supported in this context`, location);
  if (!body.lexpr) {
    checker.check(body.rexpr);
    throw new WhereError(`unknown unary operator "${name}"`, location);
  }
  if ([body.lexpr, body.rexpr].some((node) => openNode(node).name === "RowExpr")) {
    throw noOverload(location);
  }
  const left = checker.check(body.lexpr), right = checker.check(body.rexpr);
  return binary(checker, name, left, right, location);
}

export function noOverload(location: number): WhereError {
  return new WhereError("Could not select an operator overload", location);
}

/** Applies an operator to two operands whose types may still be open. Throws `WhereError`. */
export function binary(
  checker: Checker,
  name: string,
  left: Operand,
  right: Operand,
  location: number,
): Expr {
  const operator = chooseOperator(name, typeOf(left), typeOf(right), location);
  const operands = [coerce(left, operator.left), coerce(right, operator.right)] as const;
  return operation(checker, operator, operands, location);
}

export function chooseOperator(
  name: string,
  left: PgType | undefined,
  right: PgType | undefined,
  location: number,
): Operator {
  if (!isKnownOperator(name)) throw new WhereError(`unknown binary operator "${name}"`, location);
  const operator = resolveOperator(name, left, right);
  if (!operator) throw noOverload(location);
  return operator;
}

function operation(
  checker: Checker,
  operator: Operator,
  [left, right]: readonly [Expr, Expr],
  location: number,
): Expr {
  checkCollation(checker, operator, [left, right], location);
  const isPattern = operator.name.includes("~~");
  if (isPattern && right.kind === "constant" && typeof right.value === "string") {
    refuseOpenEscape(right.value, location);
  }
  return { kind: "operation", type: operator.result, operator, left, right };
}

export function refuseOpenEscape(pattern: string, location: number): void {
  if (compilePattern(pattern)) return;
  throw new WhereError("LIKE pattern must not end with escape character", location);
}

/** Throws `WhereError` if the operands' collation gives the operator a meaning it has not here. */
export function checkCollation(
  checker: Checker,
  operator: Operator,
  operands: readonly Expr[],
  location: number,
): void {
  const collation = operands.map(collationOf).reduce<string | null | undefined>(
    (a, b) => a === undefined || b === undefined ? undefined : combineCollations(a, b),
    null,
  );
  if (satisfies(collation, operator.collation, checker)) return;
  const shown = collation === undefined
    ? "conflicting collations"
    : collation === null
    ? "the database's collation"
    : `collation "${collation}"`;
  throw new WhereError(`operator ${operator.name} is not supported with ${shown}`, location);
}

function collationOf(expr: Expr): string | null | undefined {
  if (expr.kind === "column") return expr.collation;
  // The result of a cast to a type with collations keeps the one it has, else the default.
  return expr.kind === "cast" && expr.cast.from.isCollatable ? collationOf(expr.operand) : null;
}

function checkDistinct(checker: Checker, body: RawBody, location: number): Expr {
  const left = checker.check(body.lexpr ?? {}), right = checker.check(body.rexpr ?? {});
  const operator = chooseOperator("=", typeOf(left), typeOf(right), location);
  const operands = [coerce(left, operator.left), coerce(right, operator.right)] as const;
  checkCollation(checker, operator, operands, location);
  const isNot = body.kind === "AEXPR_NOT_DISTINCT";
  return { kind: "distinct", type: BOOL, operator, isNot, left: operands[0], right: operands[1] };
}

/** Spelled out as comparisons, like in `transformAExprBetween()`. */
function checkBetween(checker: Checker, body: RawBody, location: number): Expr {
  const value = repeatable(checker, body.lexpr ?? {}, location);
  const [low, high] = (body.rexpr?.List?.items ?? []).map((node) =>
    repeatable(checker, node, location)
  );
  const isNot = body.kind?.startsWith("AEXPR_NOT") ?? false;
  const inside = (low: () => Operand, high: () => Operand) =>
    conjunction(isNot ? "or" : "and", [
      binary(checker, isNot ? "<" : ">=", value(), low(), location),
      binary(checker, isNot ? ">" : "<=", value(), high(), location),
    ]);
  if (!body.kind?.endsWith("_SYM")) return inside(low, high);
  return conjunction(isNot ? "and" : "or", [inside(low, high), inside(high, low)]);
}

/** Nodes of an operand that may be written out more than once. */
const REPEATED_NODES_MAX = 50;

/**
 * Checks a node that appears several times in the expression. Each time anew, because a parameter
 * has a type only after its first use; other operands must be small, or nesting makes them explode.
 */
export function repeatable(checker: Checker, node: RawNode, location: number): () => Operand {
  const operand = checker.check(node);
  if (operand.kind === "unknown") return () => checker.check(node);
  if (countNodes(operand, REPEATED_NODES_MAX) > REPEATED_NODES_MAX) {
    throw new WhereError("filter is nested too deeply", location);
  }
  return () => operand;
}

/** Stops counting beyond `enough`. */
function countNodes(expr: Expr, enough: number): number {
  let count = 1;
  for (const operand of operandsOf(expr)) {
    if (count > enough) break;
    count += countNodes(operand, enough - count);
  }
  return count;
}
