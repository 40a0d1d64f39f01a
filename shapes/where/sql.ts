/**
 * Writes an expression as SQL that Postgres reads as exactly that: names are quoted, constants are
 * typed literals, conversions are spelled out. Parsing it again gives the same text.
 */

import type { Expr } from "./expr.ts";
import { quoteName } from "./types/text.ts";
import type { PgType, Value } from "./types/type.ts";

export function formatSql(expr: Expr): string {
  switch (expr.kind) {
    case "constant":
      return formatConstant(expr.type, expr.value);
    case "column":
      return quoteName(expr.name);
    case "cast":
      return isSilent(expr)
        ? formatSql(expr.operand)
        : `${formatOperand(expr.operand)}::${expr.type.sqlName}`;
    case "operation":
      return `${formatOperand(expr.left)} ${expr.operator.name} ${formatOperand(expr.right)}`;
    case "quantified": {
      const list = formatArray(expr.operator.right, expr.elements);
      return `${formatOperand(expr.left)} ${expr.operator.name} ${quantifier(expr)} (${list})`;
    }
    case "member":
      return `${formatOperand(expr.left)} ${expr.operator.name} ${quantifier(expr)} (${
        formatSql(expr.array)
      })`;
    case "call":
      return formatCall(expr.fn.name, expr.fn.isOperator, expr.operands);
    case "choice":
      return `${expr.name}(${expr.operands.map(formatSql).join(", ")})`;
    case "external":
      return expr.sql;
    case "distinct":
      return `${formatOperand(expr.left)} IS ${expr.isNot ? "NOT " : ""}DISTINCT FROM ${
        formatOperand(expr.right)
      }`;
    case "and":
    case "or":
      return expr.operands.map(formatOperand).join(` ${expr.kind.toUpperCase()} `);
    case "not":
      return `NOT ${formatOperand(expr.operand)}`;
    case "isNull":
      return `${formatOperand(expr.operand)} IS ${expr.isNot ? "NOT " : ""}NULL`;
    case "isTruth": {
      const truth = expr.truth === null ? "UNKNOWN" : expr.truth ? "TRUE" : "FALSE";
      return `${formatOperand(expr.operand)} IS ${expr.isNot ? "NOT " : ""}${truth}`;
    }
  }
}

function quantifier({ isAll }: { readonly isAll: boolean }): string {
  return isAll ? "ALL" : "ANY";
}

/** Of a function of `pg_catalog`, whose name may be a word of the grammar, or of a prefix operator. */
export function formatCall(name: string, isOperator: boolean, operands: readonly Expr[]): string {
  if (isOperator) return `${name} ${operands.map(formatOperand)}`;
  const shown = /^[a-z_][a-z0-9_]*$/.test(name) ? name : quoteName(name);
  return `pg_catalog.${shown}(${operands.map(formatSql).join(", ")})`;
}

/** Postgres makes the conversion by itself, and there is nothing to do. */
function isSilent(expr: Expr): boolean {
  return expr.kind === "cast" && expr.cast.isRelabel && expr.operand.kind === "column";
}

/** The expression as part of another. */
export function formatOperand(expr: Expr): string {
  const isAtom = expr.kind === "constant" || expr.kind === "column";
  return isAtom || isSilent(expr) ? formatSql(expr) : `(${formatSql(expr)})`;
}

export function formatConstant(type: PgType, value: Value | null): string {
  if (value === null) return `NULL::${type.sqlName}`;
  if (typeof value === "boolean") return value ? "true" : "false";
  return `${quoteLiteral(type.format(value))}::${type.sqlName}`;
}

export function formatArray(type: PgType, elements: readonly (Value | null)[]): string {
  if (elements.length === 0) return `'{}'::${type.sqlName}[]`;
  return `ARRAY[${elements.map((value) => formatConstant(type, value)).join(", ")}]`;
}

/** Means the same whatever `standard_conforming_strings` says. */
export function quoteLiteral(text: string): string {
  const quoted = `'${text.replaceAll("'", "''")}'`;
  return text.includes("\\") ? `E${quoted.replaceAll("\\", "\\\\")}` : quoted;
}
