/** `+ - * / %` and bitwise operators on integers and floats: exact, or an error as in Postgres. */

import { FLOAT4, FLOAT8 } from "../types/float.ts";
import { INT2, INT4, INT8, type Integer, integerOf } from "../types/integer.ts";
import type { PgType, Value } from "../types/type.ts";
import { TEXT } from "../types/text.ts";
import type { Operator } from "./operator.ts";

function entry<A extends Value, B extends Value, C extends Value>(
  name: string,
  [left, right, result]: readonly [PgType<A>, PgType<B>, PgType<C>],
  canFail: boolean,
  apply: (a: A, b: B) => C | undefined,
): Operator {
  const typed: { apply(a: A, b: B): C | undefined } = { apply };
  return {
    ...{ name, left, right, result, canFail, runsIn: "javascript" },
    ...{ collation: "none", isTextEquality: false, comparison: undefined },
    ...typed,
  };
}

type IntegerOperation = (a: bigint, b: bigint) => bigint | undefined;

const ARITHMETIC: Readonly<Record<string, IntegerOperation>> = {
  "+": (a, b) => a + b,
  "-": (a, b) => a - b,
  "*": (a, b) => a * b,
  "/": (a, b) => b === 0n ? undefined : a / b,
  "%": (a, b) => b === 0n ? undefined : a % b,
};

const BITWISE: Readonly<Record<string, IntegerOperation>> = {
  "&": (a, b) => a & b,
  "|": (a, b) => a | b,
  "#": (a, b) => a ^ b,
};

const BITS = new Map<PgType, number>([[INT2, 16], [INT4, 32], [INT8, 64]]);

/** Products and sums of such numbers are exact as numbers. */
const SMALL_MAX = 2 ** 26;

const QUICK: Readonly<Record<string, (a: number, b: number) => number | undefined>> = {
  "+": (a, b) => a + b,
  "-": (a, b) => a - b,
  // Adding zero makes 0 of -0.
  "*": (a, b) => a * b + 0,
  "/": (a, b) => b === 0 ? undefined : Math.trunc(a / b) + 0,
  "%": (a, b) => b === 0 ? undefined : a % b + 0,
};

function integerOperator(
  name: string,
  left: PgType<Integer>,
  right: PgType<Integer>,
  compute: IntegerOperation,
): Operator {
  const result = (BITS.get(left) ?? 0) >= (BITS.get(right) ?? 0) ? left : right;
  const limit = 1n << BigInt((BITS.get(result) ?? 0) - 1);
  const quick = result === INT2 ? undefined : QUICK[name], canFail = name in ARITHMETIC;
  return entry(name, [left, right, result], canFail, (a, b) => {
    if (quick && isSmall(a) && isSmall(b)) {
      const value = quick(a, b);
      if (value === undefined || value < limit && value >= -limit) return value;
    }
    const value = compute(BigInt(a), BigInt(b));
    return value === undefined || value >= limit || value < -limit ? undefined : integerOf(value);
  });
}

function isSmall(value: Integer): value is number {
  return typeof value === "number" && value < SMALL_MAX && value > -SMALL_MAX;
}

const INTEGERS = [INT2, INT4, INT8];

/** Raises an error as float.h does: infinity only from infinity, zero only from zero. */
const FLOAT: Readonly<Record<string, (a: number, b: number, r: number) => boolean>> = {
  "+": (a, b, r) => isNewInfinity(r, a, b),
  "-": (a, b, r) => isNewInfinity(r, a, b),
  "*": (a, b, r) => isNewInfinity(r, a, b) || r === 0 && a !== 0 && b !== 0,
  "/": (a, b, r) =>
    b === 0 && !Number.isNaN(a) || isNewInfinity(r, a, a) ||
    r === 0 && a !== 0 && Number.isFinite(b),
};

function isNewInfinity(result: number, a: number, b: number): boolean {
  return Math.abs(result) === Infinity && Math.abs(a) !== Infinity && Math.abs(b) !== Infinity;
}

const COMPUTE: Readonly<Record<string, (a: number, b: number) => number>> = {
  "+": (a, b) => a + b,
  "-": (a, b) => a - b,
  "*": (a, b) => a * b,
  "/": (a, b) => a / b,
};

/** Rounding a double's result to single precision is what single precision gives at once. */
function floatOperator(name: string, left: PgType<number>, right: PgType<number>): Operator {
  const result = left === FLOAT4 && right === FLOAT4 ? FLOAT4 : FLOAT8;
  const compute = COMPUTE[name], isError = FLOAT[name];
  return entry(name, [left, right, result], true, (a, b) => {
    const exact = compute(a, b), value = result === FLOAT4 ? Math.fround(exact) : exact;
    return isError(a, b, value) ? undefined : value;
  });
}

const FLOATS = [FLOAT4, FLOAT8];

export const ARITHMETICS: readonly Operator[] = [
  ...INTEGERS.flatMap((left) =>
    INTEGERS.flatMap((right) => {
      const names = Object.entries(ARITHMETIC).filter(([name]) => name !== "%" || left === right);
      return names.map(([name, compute]) => integerOperator(name, left, right, compute));
    })
  ),
  ...INTEGERS.flatMap((type) =>
    Object.entries(BITWISE).map(([name, compute]) => integerOperator(name, type, type, compute))
  ),
  ...FLOATS.flatMap((left) =>
    FLOATS.flatMap((right) => Object.keys(COMPUTE).map((name) => floatOperator(name, left, right)))
  ),
  entry("||", [TEXT, TEXT, TEXT], false, (a, b) => a + b),
];
