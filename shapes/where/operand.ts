/**
 * What stands beside an operator while its overload is chosen: an expression, or a text whose type
 * the context decides, as in Postgres ("unknown" literals and parameters).
 */

import { arrayFrom } from "./array_expr.ts";
import { isNestedLiteral } from "./array_literal.ts";
import { findCast } from "./casts.ts";
import { constant, type Expr, runsIn } from "./expr.ts";

import { formatOperand, quoteLiteral } from "./sql.ts";
import type { PgType } from "./types/type.ts";
import { WhereError } from "./where_error.ts";
import { external } from "./external.ts";

export type Operand = (Expr | Unknown) & { readonly location?: number };

export interface Unknown {
  readonly kind: "unknown";
  /** Null for NULL. */
  readonly text: string | null;
  readonly location: number;
  /** Set for a parameter. All its uses share this slot. */
  readonly parameter: Parameter | undefined;
}

/** A parameter has the type of its first use. */
export interface Parameter {
  readonly number: number;
  readonly text: string;
  type: PgType | undefined;
}

/** The operand's type; undefined while it is open. */
export function typeOf(operand: Operand): PgType | undefined {
  return operand.kind === "unknown" ? undefined : operand.type;
}

/** Gives an operand a type, without being asked by the filter's author. */
export function coerce(operand: Operand, type: PgType): Expr {
  if (operand.kind === "unknown") return readUnknown(operand, type);
  if (operand.type.name === type.name) return operand;
  return applyCast(operand, type);
}

/** Converts, where Postgres has a conversion. Throws `WhereError` for a constant that has no result. */
export function applyCast(expr: Expr, type: PgType): Expr {
  if (expr.kind === "external" && expr.elements && type.element) {
    const { element } = type;
    const elements = expr.elements.map((each) => coerce(each, each.type.element ? type : element));
    return arrayFrom(elements, element);
  }
  const cast = findCast(expr.type, type);
  const isHere = cast && runsIn(expr) === "javascript" && !isCaseMapping(expr);
  if (!isHere) return external(type, `${formatOperand(expr)}::${type.sqlName}`, [expr]);
  if (expr.kind !== "constant") return { kind: "cast", type, cast, operand: expr };
  const value = expr.value === null ? null : cast.apply(expr.value);
  if (value === undefined) {
    throw new WhereError("Failed to apply function to constant arguments");
  }
  return constant(type, value);
}

function isCaseMapping(expr: Expr): boolean {
  return expr.kind === "call" && expr.fn.isCaseMapping;
}

/** Reads an unknown literal as of a type. Throws `WhereError` if Postgres would refuse it. */
export function readUnknown({ text, location, parameter }: Unknown, type: PgType): Expr {
  if (parameter) {
    if (parameter.type && parameter.type.name !== type.name) {
      const types = `${parameter.type.name} and ${type.name}`;
      throw new WhereError(`type conflict for $${parameter.number}: ${types}`, location);
    }
    parameter.type = type;
  }
  if (text === null) return constant(type, null);
  const value = type.parse(text);
  if (value !== undefined) return constant(type, value);
  if (type.element && isNestedLiteral(text) && !text.includes("\0")) {
    return external(type, `${quoteLiteral(text)}::${type.sqlName}`, []);
  }
  throw new WhereError(`invalid syntax for type ${type.name}: ${text}`, location);
}
