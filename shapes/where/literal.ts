/** Constants and parameters. */

import type { Checker } from "./check.ts";
import { constant } from "./expr.ts";
import { type Operand, readUnknown } from "./operand.ts";
import type { RawBody } from "./syntax.ts";
import { BOOL } from "./types/boolean.ts";
import { INT4, INT8 } from "./types/integer.ts";
import { NUMERIC } from "./types/numeric.ts";
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
