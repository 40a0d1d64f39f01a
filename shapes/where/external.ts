/** Expressions for Postgres. */

import { canFail, columnsOf, type Expr, type External } from "./expr.ts";
import { formatSql } from "./sql.ts";
import type { PgType } from "./types/type.ts";

/** SQL over expressions; their columns are its columns. */
export function external(type: PgType, sql: string, operands: readonly Expr[]): External {
  return { kind: "external", type, sql, columns: columnsOf(...operands) };
}

/**
 * Hands an expression to Postgres if it would take an error in one of its operands for NULL: what is
 * done here knows no errors, which does no harm only where NULL makes NULL.
 */
export function unlessFallible<E extends Expr>(expr: E, operands: readonly Expr[]): E | External {
  return operands.some(canFail) ? external(expr.type, formatSql(expr), [expr]) : expr;
}
