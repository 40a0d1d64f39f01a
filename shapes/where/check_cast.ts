/** Conversions that a filter asks for, and the names of types. */

import { findCast } from "./casts.ts";
import type { Checker } from "./check.ts";
import { explicitConversion } from "./coercion.ts";
import type { Expr } from "./expr.ts";
import { external } from "./external.ts";
import { applyCast, type Operand, readUnknown } from "./operand.ts";
import { formatOperand } from "./sql.ts";
import { openNode, positionInText, type RawBody, type RawTypeName, stringsOf } from "./syntax.ts";
import { arrayOf } from "./types/array.ts";
import { hasImmutable, isPseudoType, typeByName, typeOfTable } from "./types/catalog.ts";
import type { PgType } from "./types/type.ts";
import { WhereError } from "./where_error.ts";

export function checkTypeCast(checker: Checker, body: RawBody, location: number): Expr {
  if (!body.arg || !body.typeName) {
    throw new WhereError("TypeCast is not supported in this context");
  }
  const type = typeOfName(checker, body.typeName), modifier = modifierOf(body.typeName);
  // `ARRAY[…]::type[]` converts each element, whatever the elements have in common.
  const isArrayOf = openNode(body.arg).name === "A_ArrayExpr" && type.element;
  const operand = isArrayOf ? checker.checkArray(body.arg, type) : checker.check(body.arg);
  const expr = convert(operand, type, location);
  if (modifier === "") return expr;
  return external(type, `${formatOperand(expr)}::${type.sqlName}${modifier}`, [expr]);
}

/** Converts explicitly. Throws `WhereError`. */
export function convert(operand: Operand, type: PgType, location: number): Expr {
  if (operand.kind === "unknown") return readUnknown(operand, type);
  if (operand.type.name === type.name) return operand;
  if (findCast(operand.type, type)) return applyCast(operand, type);
  if (operand.kind === "constant" && operand.type.category === "S" && !type.isForeign) {
    // A conversion through text: what the input function makes of it.
    const text = operand.value === null ? null : operand.type.format(operand.value);
    return readUnknown({ kind: "unknown", text, location, parameter: undefined }, type);
  }
  switch (conversion(operand, type)) {
    case "immutable":
      return applyCast(operand, type);
    case "none":
      throw new WhereError(
        `unknown cast from type ${operand.type.name} to type ${type.name}`,
        location,
      );
    case "unstable": {
      const types = `type ${operand.type.name} to type ${type.name}`;
      throw new WhereError(
        `cast from ${types} is not immutable: its result may change while the row does not`,
        location,
      );
    }
  }
}

function conversion(operand: Expr, type: PgType) {
  if (operand.type.name === FIELD) return hasImmutable("i", type) ? "immutable" : "unstable";
  return explicitConversion(operand.type, type);
}

/** The name of the type of a composite's field, which is not known here. */
export const FIELD = "field";

/** Length or precision, as it is written after the type's name. */
function modifierOf(raw: RawTypeName): string {
  if (!raw.typmods) return "";
  const numbers = raw.typmods.map((node) => {
    const { name, body } = openNode(node);
    const value = typeof body.ival === "object" ? body.ival.ival ?? 0 : undefined;
    if (name !== "A_Const" || value === undefined) {
      throw unsupportedType(raw, stringsOf(raw.names).join("."));
    }
    return value;
  });
  const name = stringsOf(raw.names).pop() ?? "";
  if (name === "interval" || raw.arrayBounds) throw unsupportedType(raw, name);
  return `(${numbers.join(",")})`;
}

/** The type that a cast names, without length or precision. Throws `WhereError`. */
function typeOfName(checker: Checker, raw: RawTypeName): PgType {
  const names = stringsOf(raw.names), name = names[names.length - 1];
  const isBuiltIn = names.length === 1 || names[0] === "pg_catalog";
  const type = (isBuiltIn ? typeByName(name) : undefined) ??
    typeOfTable(checker.table, names.length > 1 ? names[0] : checker.table.schema, name);
  if (!type || raw.setof || isPseudoType(type)) throw unsupportedType(raw, names.join("."));
  return raw.arrayBounds && !type.element ? arrayOf(type) : type;
}

function unsupportedType(raw: RawTypeName, name: string): WhereError {
  return new WhereError(
    `unsupported type ${name.replace(/^pg_catalog\./, "")}`,
    positionInText(raw.location),
  );
}
