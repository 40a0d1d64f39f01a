import { compareValues, type PgType, PLAIN, textOf } from "./type.ts";

export type Integer = number | bigint;

/** Integers of so many digits are exact as numbers; longer ones are bigints. */
const DIGITS_MAX = 15;

function decode(text: string): Integer {
  return text.length <= DIGITS_MAX ? Number(text) : integerOf(BigInt(text));
}

/** The one representation of an integer: a number up to 15 digits, beyond that a bigint. */
export function integerOf(value: bigint): Integer {
  return value < 1_000_000_000_000_000n && value > -1_000_000_000_000_000n ? Number(value) : value;
}

function decodeBytes(bytes: Uint8Array, start: number, length: number): Integer {
  if (length > DIGITS_MAX) return decode(textOf(bytes, start, length));
  const isNegative = bytes[start] === 0x2d;
  let value = 0;
  for (let i = isNegative ? start + 1 : start; i < start + length; i++) {
    value = value * 10 + bytes[i] - 0x30;
  }
  return isNegative ? 0 - value : value;
}

function integerType(name: string, bits: number): PgType<Integer> {
  const limit = 1n << BigInt(bits - 1);
  return {
    ...PLAIN,
    name,
    sqlName: name,
    category: "N",
    parse(text) {
      const match = /^[ \t\n\v\f\r]*([+-]?)(\d+)[ \t\n\v\f\r]*$/.exec(text);
      if (!match) return undefined;
      const value = match[1] === "-" ? -BigInt(match[2]) : BigInt(match[2]);
      return value < -limit || value >= limit ? undefined : integerOf(value);
    },
    format: (value) => value.toString(),
    decode,
    decodeBytes,
    compare: compareValues,
  };
}

export const INT2 = integerType("int2", 16);
export const INT4 = integerType("int4", 32);
export const INT8 = integerType("int8", 64);
