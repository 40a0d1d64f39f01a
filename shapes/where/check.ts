/**
 * Checks a raw parse tree against a table: names, types and the choice of operators, as Postgres'
 * parse analysis does. Throws `WhereError` for whatever is not understood, so nothing is guessed.
 */

import type { Table } from "../table.ts";
import { checkArrayOf } from "./check_array.ts";
import { checkTypeCast } from "./check_cast.ts";
import { checkCall } from "./check_call.ts";
import { checkCase, checkChoice } from "./check_case.ts";
import { checkOperation } from "./check_operation.ts";
import { checkIndirection } from "./check_part.ts";
import type { CollationFacts } from "./collation.ts";
import { conjunction, type Expr } from "./expr.ts";
import { external, unlessFallible } from "./external.ts";
import { checkConstant, checkParameter } from "./literal.ts";
import { coerce, type Operand, type Parameter, readUnknown } from "./operand.ts";
import { formatOperand, formatSql } from "./sql.ts";
import { openNode, positionInText, type RawBody, type RawNode, stringsOf } from "./syntax.ts";
import { BOOL } from "./types/boolean.ts";
import { typeOfColumn } from "./types/catalog.ts";
import { quoteName, TEXT } from "./types/text.ts";
import type { PgType } from "./types/type.ts";
import { WhereError } from "./where_error.ts";

/** What the checks of one filter share. */
export interface Checker extends CollationFacts {
  readonly table: Table;
  /** By number. */
  readonly parameters: ReadonlyMap<number, Parameter>;
  /** Throws `WhereError`. */
  check(node: RawNode): Operand;
  /** Like `check`, of `ARRAY[…]` that is to be of a type. */
  checkArray(node: RawNode, type: PgType): Expr;
}

/** Levels of nesting: enough for anything written by hand, and far from the end of the stack. */
const DEPTH_MAX = 250;

/** Checks a whole filter. Throws `WhereError`. */
export function checkFilter(context: Omit<Checker, "check" | "checkArray">, node: RawNode): Expr {
  let depth = 0;
  const checker: Checker = {
    ...context,
    check(node) {
      if (++depth > DEPTH_MAX) throw new WhereError("filter is nested too deeply");
      const operand = checkNode(checker, node);
      depth--;
      return operand;
    },
    checkArray: (node, type) => checkArrayOf(checker, openNode(node).body, type),
  };
  const operand = checker.check(node);
  const isBoolean = operand.kind === "unknown" ? operand.parameter : operand.type === BOOL;
  if (!isBoolean) throw new WhereError("WHERE clause must return a boolean");
  return coerce(operand, BOOL);
}

function checkNode(checker: Checker, node: RawNode): Operand {
  const { name, body } = openNode(node), location = positionInText(body.location);
  switch (name) {
    case "A_Const":
      return checkConstant(body, location);
    case "ParamRef":
      return checkParameter(checker, body, location);
    case "ColumnRef":
      return checkColumn(checker.table, body, location);
    case "TypeCast":
      return checkTypeCast(checker, body, location);
    case "CollateClause":
      return checkCollate(checker, body, location);
    case "A_ArrayExpr":
      return checkArrayOf(checker, body);
    case "A_Indirection":
      return checkIndirection(checker, body);
    case "CaseExpr":
      return checkCase(checker, body, location);
    case "CoalesceExpr":
    case "MinMaxExpr":
      return checkChoice(checker, name, body, location);
    case "A_Expr":
      return checkOperation(checker, body, location);
    case "BoolExpr":
      return checkLogic(checker, body);
    case "NullTest":
      return checkNullTest(checker, body);
    case "BooleanTest":
      return checkTruthTest(checker, body, location);
    case "FuncCall":
      return checkCall(checker, body, location);
    case "SubLink":
      throw refuseSubquery(body, location);
    default:
      throw new WhereError(`${name} is not supported in this context`, location);
  }
}

function checkColumn(table: Table, body: RawBody, location: number): Expr {
  const path = stringsOf(body.fields), name = path[path.length - 1];
  const own = [table.schema, table.name, name].slice(-path.length);
  const isOwn = path.length <= 3 && own.every((part, i) => part === path[i]);
  const column = isOwn ? table.columns.find((column) => column.name === name) : undefined;
  if (!column) throw new WhereError(`unknown reference ${path.map(showName).join(".")}`, location);
  if (column.generated === "virtual") {
    throw new WhereError(`virtual generated column ${showName(name)} is not supported`, location);
  }
  const type = typeOfColumn(column);
  if (!type) throw new WhereError(`unsupported type ${column.typeName}`, location);
  return { kind: "column", type, name, collation: column.collation };
}

function showName(name: string): string {
  return /^[a-z_][a-z0-9_$]*$/.test(name) ? name : `"${name.replaceAll('"', '""')}"`;
}

function checkLogic(checker: Checker, { boolop, args = [] }: RawBody): Expr {
  const operands = args.map((arg) => checkBoolean(checker, arg));
  if (boolop === "NOT_EXPR") return { kind: "not", type: BOOL, operand: operands[0] };
  return conjunction(boolop === "AND_EXPR" ? "and" : "or", operands);
}

function checkBoolean(checker: Checker, node: RawNode): Expr {
  const operand = checker.check(node);
  if (operand.kind === "unknown") return readUnknown(operand, BOOL);
  if (operand.type === BOOL) return operand;
  const location = positionInText(openNode(node).body.location);
  throw new WhereError(`${describe(operand)} is not castable to bool`, location);
}

function describe(expr: Expr): string {
  const of = `of type ${expr.type.name}`;
  return expr.kind === "column" ? `reference ${expr.name} ${of}` : `${expr.kind} ${of}`;
}

function checkNullTest(checker: Checker, { arg, nulltesttype }: RawBody): Expr {
  const operand = checker.check(arg ?? {});
  const typed = operand.kind === "unknown" ? readUnknown(operand, TEXT) : operand;
  const isNot = nulltesttype === "IS_NOT_NULL";
  const test: Expr = { kind: "isNull", type: BOOL, isNot, operand: typed };
  // A composite is NULL if all its fields are.
  if (typed.type.category === "C") return external(BOOL, formatSql(test), [test]);
  return unlessFallible(test, [typed]);
}

const TRUTHS: Readonly<Record<string, boolean | null>> = {
  TRUE: true,
  FALSE: false,
  UNKNOWN: null,
};

function checkTruthTest(checker: Checker, { arg, booltesttype = "" }: RawBody, location: number) {
  const operand = checker.check(arg ?? {});
  const typed = operand.kind === "unknown" ? readUnknown(operand, BOOL) : operand;
  const [, not, truth] = /^IS_(NOT_)?(\w+)$/.exec(booltesttype) ?? [];
  if (typed.type !== BOOL) {
    const test = `IS ${not ? "NOT " : ""}${truth}`;
    throw new WhereError(`argument of ${test} must be bool, not ${typed.type.name}`, location);
  }
  const test: Expr = {
    kind: "isTruth",
    type: BOOL,
    truth: TRUTHS[truth],
    isNot: !!not,
    operand: typed,
  };
  return unlessFallible(test, [typed]);
}

/** `text COLLATE "name"`: whether there is such a collation is for Postgres to say. */
function checkCollate(checker: Checker, { arg, collname }: RawBody, location: number): Expr {
  const operand = checker.check(arg ?? {});
  const typed = operand.kind === "unknown" ? readUnknown(operand, TEXT) : operand;
  if (!typed.type.isCollatable) {
    throw new WhereError(`collations are not supported by type ${typed.type.name}`, location);
  }
  const name = stringsOf(collname).map(quoteName).join(".");
  return external(typed.type, `${formatOperand(typed)} COLLATE ${name}`, [typed]);
}

/** The select list is looked at first; its position counts from the wrapped text's beginning. */
function refuseSubquery(body: RawBody, location: number): WhereError {
  const target = openNode(body.subselect?.SelectStmt?.targetList?.[0]?.ResTarget?.val ?? {});
  if (target.name !== "ColumnRef") {
    return new WhereError("Expected a plain column reference", target.body.location ?? 0);
  }
  const message = body.subLinkType === "ANY_SUBLINK"
    ? "subqueries are not supported yet"
    : "only `value IN (SELECT ...)` sublinks are supported right now";
  return new WhereError(message, location);
}
