/**
 * Checks a raw parse tree against a table: names, types and the choice of operators, as Postgres'
 * parse analysis does. Throws `WhereError` for whatever is not understood, so nothing is guessed.
 */

import type { Table } from "../table.ts";
import { checkOperation } from "./check_operation.ts";
import { conjunction, type Expr } from "./expr.ts";
import { checkConstant, checkParameter, checkTypeCast } from "./literal.ts";
import { coerce, type Operand, type Parameter, readUnknown } from "./operand.ts";
import { openNode, positionInText, type RawBody, type RawNode, stringsOf } from "./syntax.ts";
import { BOOL } from "./types/boolean.ts";
import { typeOfColumn } from "./types/catalog.ts";
import { TEXT } from "./types/text.ts";
import { WhereError } from "./where_error.ts";

/** What the checks of one filter share. */
export interface Checker {
  readonly table: Table;
  readonly isTextOrderBytewise: boolean;
  /** By number. */
  readonly parameters: ReadonlyMap<number, Parameter>;
  /** Throws `WhereError`. */
  check(node: RawNode): Operand;
}

/** Levels of nesting: enough for anything written by hand, and far from the end of the stack. */
const DEPTH_MAX = 250;

/** Checks a whole filter. Throws `WhereError`. */
export function checkFilter(context: Omit<Checker, "check">, node: RawNode): Expr {
  let depth = 0;
  const checker: Checker = {
    ...context,
    check(node) {
      if (++depth > DEPTH_MAX) throw new WhereError("filter is nested too deeply");
      const operand = checkNode(checker, node);
      depth--;
      return operand;
    },
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
    case "A_Expr":
      return checkOperation(checker, body, location);
    case "BoolExpr":
      return checkLogic(checker, body);
    case "NullTest":
      return checkNullTest(checker, body);
    case "BooleanTest":
      return checkTruthTest(checker, body, location);
    case "FuncCall":
      throw refuseFunction(body, location);
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
  return { kind: "isNull", type: BOOL, isNot: nulltesttype === "IS_NOT_NULL", operand: typed };
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
  return {
    kind: "isTruth",
    type: BOOL,
    truth: TRUTHS[truth],
    isNot: !!not,
    operand: typed,
  } as const;
}

function refuseFunction(body: RawBody, location: number): WhereError {
  const isAggregate = body.agg_star || body.agg_distinct || body.agg_filter || body.over ||
    body.agg_order || body.agg_within_group;
  if (isAggregate) {
    return new WhereError("aggregation is not supported in this context", location);
  }
  if (body.func_variadic) {
    const message = "explicit VARIADIC function calls are not currently supported";
    return new WhereError(message, location);
  }
  const name = stringsOf(body.funcname).join(".").replace(/^pg_catalog\./, "");
  const message = `unknown or unsupported function ${name}/${body.args?.length ?? 0}`;
  return new WhereError(message, location);
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
