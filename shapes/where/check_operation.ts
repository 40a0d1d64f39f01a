/** Operators, and the syntax that Postgres turns into operators: IN, BETWEEN, LIKE, DISTINCT. */

import type { Table } from "../table.ts";
import { isDoneHere, operate } from "./build.ts";
import type { Checker } from "./check.ts";
import { checkQuantified } from "./check_array.ts";
import { checkIn, checkRows, isRow } from "./check_list.ts";
import { conjunction, type Expr, operandsOf } from "./expr.ts";
import { external, unlessFallible } from "./external.ts";
import { coerce, type Operand, typeOf } from "./operand.ts";
import { nativeOperator } from "./operators/catalog.ts";
import { isKnownOperator, type Resolved, resolveOperator } from "./operators/resolve.ts";
import { formatOperand, formatSql } from "./sql.ts";
import { type RawBody, type RawNode, stringsOf } from "./syntax.ts";
import { BOOL } from "./types/boolean.ts";
import type { PgType } from "./types/type.ts";
import { WhereError } from "./where_error.ts";

export function checkOperation(checker: Checker, body: RawBody, location: number): Operand {
  const name = operatorName(checker, body);
  switch (body.kind) {
    case "AEXPR_OP":
    case "AEXPR_LIKE":
    case "AEXPR_ILIKE":
    case "AEXPR_SIMILAR":
      return checkPlain(checker, body, name, location);
    case "AEXPR_DISTINCT":
    case "AEXPR_NOT_DISTINCT":
      return checkDistinct(checker, body, location);
    case "AEXPR_NULLIF":
      return checkNullIf(checker, body, location);
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
function operatorName({ table }: Checker, body: RawBody): string {
  const path = stringsOf(body.name);
  return (path.length > 1 && isKnownSchema(table, path[0]) ? path.slice(1) : path).join(".");
}

/** `pg_catalog`, or where the table's type `citext` is, which brings operators and functions. */
export function isKnownSchema(table: Table, schema: string): boolean {
  return schema === "pg_catalog" ||
    table.columns.some(({ typeName, typeSchema }) =>
      typeName === "citext" && typeSchema === schema
    );
}

function checkPlain(checker: Checker, body: RawBody, name: string, location: number): Expr {
  const { lexpr, rexpr } = body;
  if (!rexpr) throw new WhereError(`${body.kind} is not supported in this context`, location);
  if (!lexpr) {
    const operand = checker.check(rexpr),
      resolved = chooseOperator(name, [typeOf(operand)], location);
    return operate(checker, resolved, [coerce(operand, resolved.types[0])], location);
  }
  if (isRow(lexpr) || isRow(rexpr)) return checkRows(checker, lexpr, rexpr, name, location);
  const left = checker.check(lexpr), right = checker.check(rexpr);
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
  const resolved = chooseOperator(name, [typeOf(left), typeOf(right)], location);
  const operands = [left, right].map((operand, i) => coerce(operand, resolved.types[i]));
  return operate(checker, resolved, operands, location);
}

export function chooseOperator(
  name: string,
  types: readonly (PgType | undefined)[],
  location: number,
): Resolved {
  if (!isKnownOperator(name, types.length)) {
    const kind = types.length === 1 ? "unary" : "binary";
    throw new WhereError(`unknown ${kind} operator "${name}"`, location);
  }
  const resolved = resolveOperator(name, types);
  if (!resolved) throw noOverload(location);
  return resolved;
}

function checkDistinct(checker: Checker, body: RawBody, location: number): Expr {
  const operands = [body.lexpr ?? {}, body.rexpr ?? {}].map((node) => checker.check(node));
  const { types: [leftType, rightType] } = chooseOperator("=", operands.map(typeOf), location);
  const left = coerce(operands[0], leftType), right = coerce(operands[1], rightType);
  const isNot = body.kind === "AEXPR_NOT_DISTINCT";
  const operator = nativeOperator("=", leftType, rightType);
  if (operator && isDoneHere(checker, operator, left, right, location)) {
    const expr = { kind: "distinct", type: BOOL, operator, isNot, left, right } as const;
    return unlessFallible(expr, [left, right]);
  }
  const words = `IS ${isNot ? "NOT " : ""}DISTINCT FROM`;
  const sql = `${formatOperand(left)} ${words} ${formatOperand(right)}`;
  return external(BOOL, sql, [left, right]);
}

function checkNullIf(checker: Checker, body: RawBody, location: number): Expr {
  const operands = [body.lexpr ?? {}, body.rexpr ?? {}].map((node) => checker.check(node));
  const { types } = chooseOperator("=", operands.map(typeOf), location);
  const typed = operands.map((operand, i) => coerce(operand, types[i]));
  return external(types[0], `NULLIF(${typed.map(formatSql).join(", ")})`, typed);
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
const REPEATED_NODES_MAX = 250;

/** SQL for Postgres counts as one node for so many characters. */
const NODE_CHARS = 16;

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
  let count = expr.kind === "external" ? Math.ceil(expr.sql.length / NODE_CHARS) : 1;
  for (const operand of operandsOf(expr)) {
    if (count > enough) break;
    count += countNodes(operand, enough - count);
  }
  return count;
}
