/** Constants, parameters and casts. */

import { findCast } from "./casts.ts";
import type { Checker } from "./check.ts";
import { constant } from "./expr.ts";
import { applyCast, type Operand, readUnknown } from "./operand.ts";
import { positionInText, type RawBody, type RawTypeName, stringsOf } from "./syntax.ts";
import { BOOL } from "./types/boolean.ts";
import { enumOfTable, typeByName } from "./types/catalog.ts";
import { INT4, INT8 } from "./types/integer.ts";
import { NUMERIC } from "./types/numeric.ts";
import type { PgType } from "./types/type.ts";
import { WhereError } from "./where_error.ts";

export function checkConstant(body: RawBody, location: number): Operand {
  if (body.isnull) return { kind: "unknown", text: null, location, parameter: undefined };
  if (body.boolval) return constant(BOOL, body.boolval.boolval ?? false);
  if (typeof body.ival === "object") return constant(INT4, body.ival.ival ?? 0);
  if (body.fval) return checkNumber(body.fval.fval ?? "", location);
  if (typeof body.sval === "object") {
    return { kind: "unknown", text: body.sval.sval ?? "", location, parameter: undefined };
  }
  throw new WhereError("BitString values are not supported", location);
}

/** A number that is not an `int4` is an `int8` if it fits, else `numeric` (`make_const()`). */
function checkNumber(literal: string, location: number): Operand {
  const digits = literal.replaceAll("_", "");
  const text = /^-?0[xob]/i.test(digits) ? spellDecimal(digits) : digits;
  const integer = INT8.parse(text);
  if (integer !== undefined) return constant(INT8, integer);
  const value = NUMERIC.parse(text);
  if (value === undefined) {
    throw new WhereError(`invalid syntax for type numeric: ${literal}`, location);
  }
  return constant(NUMERIC, value);
}

function spellDecimal(digits: string): string {
  const value = BigInt(digits.replace("-", ""));
  return String(digits.startsWith("-") ? -value : value);
}

export function checkParameter(checker: Checker, body: RawBody, location: number): Operand {
  const number = body.number ?? 0, parameter = checker.parameters.get(number);
  if (!parameter) throw new WhereError(`parameter $${number} was not provided`, location);
  const unknown = { kind: "unknown", text: parameter.text, location, parameter } as const;
  return parameter.type ? readUnknown(unknown, parameter.type) : unknown;
}

export function checkTypeCast(checker: Checker, body: RawBody, location: number): Operand {
  if (!body.arg || !body.typeName) {
    throw new WhereError("TypeCast is not supported in this context");
  }
  const operand = checker.check(body.arg);
  const type = typeOfName(checker, body.typeName);
  if (operand.kind === "unknown") return readUnknown(operand, type);
  if (operand.type.name === type.name) return operand;
  if (findCast(operand.type, type)) return applyCast(operand, type);
  const isText = operand.kind === "constant" && operand.type.category === "S";
  if (isText && operand.value !== null) {
    // A conversion through text: what the input function makes of it.
    const value = type.parse(operand.type.format(operand.value));
    if (value !== undefined) return constant(type, value);
    throw new WhereError(`invalid syntax for type ${type.name}: ${operand.value}`, location);
  }
  throw new WhereError(
    `unknown cast from type ${operand.type.name} to type ${type.name}`,
    location,
  );
}

/** The type that a cast names, without length or precision. Throws `WhereError`. */
function typeOfName(checker: Checker, raw: RawTypeName): PgType {
  const elementType = elementTypeOfName(checker, raw);
  if (raw.arrayBounds) throw unsupportedType(raw, `${elementType.name}[]`);
  return elementType;
}

/** The type of an array's elements, for `'{…}'::type[]`. */
export function elementTypeOfName(checker: Checker, raw: RawTypeName): PgType {
  const names = stringsOf(raw.names), name = names[names.length - 1];
  const isBuiltIn = names.length === 1 || names[0] === "pg_catalog";
  const type = (isBuiltIn ? typeByName(name) : undefined) ??
    enumOfTable(checker.table, names.length > 1 ? names[0] : checker.table.schema, name);
  if (!type || raw.typmods || raw.setof) throw unsupportedType(raw, names.join("."));
  return type;
}

function unsupportedType(raw: RawTypeName, name: string): WhereError {
  return new WhereError(
    `unsupported type ${name.replace(/^pg_catalog\./, "")}`,
    positionInText(raw.location),
  );
}
