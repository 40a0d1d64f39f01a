/** Functions, and operators that stand before their operand, that are done here. All are strict. */

import { FLOAT4, FLOAT8 } from "../types/float.ts";
import { INT2, INT4, INT8, type Integer, integerOf } from "../types/integer.ts";
import { lowerCase } from "../like.ts";
import { TEXT } from "../types/text.ts";
import type { PgType, Value } from "../types/type.ts";

export interface NativeFunction {
  readonly name: string;
  readonly isOperator: boolean;
  readonly types: readonly PgType[];
  readonly result: PgType;
  /** True if there are values for which Postgres raises an error. */
  readonly canFail: boolean;
  /**
   * `lower()` maps some letters in one collation or version of Unicode that it leaves alone in
   * another: it is done here only where a constant beside it makes that irrelevant.
   */
  readonly isCaseMapping: boolean;
  /** Undefined where Postgres raises an error. */
  apply(value: Value): Value | undefined;
}

function entry<A extends Value, B extends Value>(
  name: string,
  type: PgType<A>,
  result: PgType<B>,
  apply: (value: A) => B | undefined,
  options: { isOperator?: boolean; canFail?: boolean; isCaseMapping?: boolean } = {},
): NativeFunction {
  const typed: { apply(value: A): B | undefined } = { apply };
  const defaults = { isOperator: false, canFail: false, isCaseMapping: false };
  return { ...defaults, ...options, name, types: [type], result, ...typed };
}

function negate(type: PgType<Integer>): (value: Integer) => Integer | undefined {
  return (value) => type.parse(String(-BigInt(value)));
}

function absolute(type: PgType<Integer>): (value: Integer) => Integer | undefined {
  const negative = negate(type);
  return (value) => value < 0 ? negative(value) : value;
}

/** Characters, not UTF-16 units. */
function countCharacters(text: string): number {
  let count = 0;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit < 0xdc00 || unit > 0xdfff) count++;
  }
  return count;
}

const FUNCTIONS: readonly NativeFunction[] = [
  ...[INT2, INT4, INT8].flatMap((type) => [
    entry("-", type, type, negate(type), { isOperator: true, canFail: true }),
    entry("+", type, type, (value) => value, { isOperator: true }),
    entry("@", type, type, absolute(type), { isOperator: true, canFail: true }),
    entry("~", type, type, (value) => integerOf(~BigInt(value)), { isOperator: true }),
    entry("abs", type, type, absolute(type), { canFail: true }),
  ]),
  ...[FLOAT4, FLOAT8].flatMap((type) => [
    entry("-", type, type, (value) => -value, { isOperator: true }),
    entry("@", type, type, Math.abs, { isOperator: true }),
    entry("abs", type, type, Math.abs),
  ]),
  ...["length", "char_length", "character_length"].map((name) =>
    entry(name, TEXT, INT4, countCharacters)
  ),
  entry("lower", TEXT, TEXT, lowerCase, { isCaseMapping: true }),
];

const BY_SIGNATURE = new Map(FUNCTIONS.map((fn) => [keyOf(fn.name, fn.isOperator, fn.types), fn]));

function keyOf(name: string, isOperator: boolean, types: readonly PgType[]): string {
  return `${isOperator} ${name} ${types.map(({ name }) => name)}`;
}

export function nativeFunction(
  name: string,
  isOperator: boolean,
  types: readonly PgType[],
): NativeFunction | undefined {
  return BY_SIGNATURE.get(keyOf(name, isOperator, types));
}

export function nativeFunctions(): readonly NativeFunction[] {
  return FUNCTIONS;
}
