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
        : `${operand(expr.operand)}::${expr.type.sqlName}`;
    case "operation":
      return `${operand(expr.left)} ${expr.operator.name} ${operand(expr.right)}`;
    case "quantified": {
      const list = formatArray(expr.operator.right, expr.elements);
      return `${operand(expr.left)} ${expr.operator.name} ${expr.isAll ? "ALL" : "ANY"} (${list})`;
    }
    case "distinct":
      return `${operand(expr.left)} IS ${expr.isNot ? "NOT " : ""}DISTINCT FROM ${
        operand(expr.right)
      }`;
    case "and":
    case "or":
      return expr.operands.map(operand).join(` ${expr.kind.toUpperCase()} `);
    case "not":
      return `NOT ${operand(expr.operand)}`;
    case "isNull":
      return `${operand(expr.operand)} IS ${expr.isNot ? "NOT " : ""}NULL`;
    case "isTruth": {
      const truth = expr.truth === null ? "UNKNOWN" : expr.truth ? "TRUE" : "FALSE";
      return `${operand(expr.operand)} IS ${expr.isNot ? "NOT " : ""}${truth}`;
    }
  }
}

/** Postgres makes the conversion by itself, and there is nothing to do. */
function isSilent(expr: Expr): boolean {
  return expr.kind === "cast" && expr.cast.isRelabel && expr.operand.kind === "column";
}

function operand(expr: Expr): string {
  const isAtom = expr.kind === "constant" || expr.kind === "column";
  return isAtom || isSilent(expr) ? formatSql(expr) : `(${formatSql(expr)})`;
}

function formatConstant(type: PgType, value: Value | null): string {
  if (value === null) return `NULL::${type.sqlName}`;
  if (typeof value === "boolean") return value ? "true" : "false";
  return `${quoteLiteral(type.format(value))}::${type.sqlName}`;
}

function formatArray(type: PgType, elements: readonly (Value | null)[]): string {
  if (elements.length === 0) return `'{}'::${type.sqlName}[]`;
  return `ARRAY[${elements.map((value) => formatConstant(type, value)).join(", ")}]`;
}

/** Means the same whatever `standard_conforming_strings` says. */
export function quoteLiteral(text: string): string {
  const quoted = `'${text.replaceAll("'", "''")}'`;
  return text.includes("\\") ? `E${quoted.replaceAll("\\", "\\\\")}` : quoted;
}
