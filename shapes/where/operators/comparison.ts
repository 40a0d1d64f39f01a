/** The six comparisons, for each pair of types that Postgres compares without a conversion. */

import { BOOL } from "../types/boolean.ts";
import { BYTEA } from "../types/bytea.ts";
import { DATE, midnight, TIME, TIMESTAMP, TIMESTAMPTZ } from "../types/datetime.ts";
import { FLOAT4, FLOAT8 } from "../types/float.ts";
import { INT2, INT4, INT8 } from "../types/integer.ts";
import { NUMERIC } from "../types/numeric.ts";
import { BPCHAR, compareBytewise, NAME, TEXT } from "../types/text.ts";
import { compareValues, type PgType, type Value } from "../types/type.ts";
import { UUID } from "../types/uuid.ts";
import type { Comparison, Operator } from "./operator.ts";

/** Whether a comparison holds, by the sign of what `compare` answers. */
export const HOLDS: Readonly<Record<Comparison, (order: number) => boolean>> = {
  "=": (order) => order === 0,
  "<>": (order) => order !== 0,
  "<": (order) => order < 0,
  "<=": (order) => order <= 0,
  ">": (order) => order > 0,
  ">=": (order) => order >= 0,
};

const EQUALITY: readonly Comparison[] = ["=", "<>"];
const ALL: readonly Comparison[] = [...EQUALITY, "<", "<=", ">", ">="];

function comparisons<A extends Value, B extends Value>(
  left: PgType<A>,
  right: PgType<B>,
  compare: (a: A, b: B) => number,
  isTextEquality: boolean,
  names = ALL,
): Operator[] {
  return names.map((name) => {
    const holds = HOLDS[name], isEquality = EQUALITY.includes(name);
    const entry: { apply(a: A, b: B): boolean } = { apply: (a, b) => holds(compare(a, b)) };
    const collation = left.isCollatable ? (isEquality ? "equality" : "order") : "none";
    return {
      name,
      left,
      right,
      result: BOOL,
      collation,
      runsIn: "javascript",
      canFail: false,
      isTextEquality: isTextEquality && isEquality,
      comparison: name,
      ...entry,
    };
  });
}

function same<V extends Value>(type: PgType<V>): Operator[] {
  return comparisons(type, type, (a, b) => type.compare(a, b), type.isTextUnique);
}

function mixed<A extends Value, B extends Value>(
  left: PgType<A>,
  right: PgType<B>,
  compare: (a: A, b: B) => number,
  isTextEquality = false,
): Operator[] {
  return [
    ...comparisons(left, right, compare, isTextEquality),
    ...comparisons(right, left, (b, a) => -compare(a, b), isTextEquality),
  ];
}

/** The session's zone is UTC (WIRE.md 7.1), so a date begins at the same moment in both types. */
const byMidnight = (date: number, moment: number | bigint) => compareValues(midnight(date), moment);

export const COMPARISONS: readonly Operator[] = [
  ...[BOOL, INT2, INT4, INT8, NUMERIC, FLOAT4, FLOAT8].flatMap((type: PgType) => same(type)),
  ...[TEXT, BPCHAR, NAME, UUID, BYTEA].flatMap((type: PgType) => same(type)),
  ...[DATE, TIME, TIMESTAMP, TIMESTAMPTZ].flatMap((type: PgType) => same(type)),
  ...mixed(INT2, INT4, compareValues, true),
  ...mixed(INT2, INT8, compareValues, true),
  ...mixed(INT4, INT8, compareValues, true),
  ...mixed(FLOAT4, FLOAT8, (a, b) => FLOAT8.compare(a, b)),
  ...mixed(NAME, TEXT, compareBytewise, true),
  ...mixed(DATE, TIMESTAMP, byMidnight),
  ...mixed(DATE, TIMESTAMPTZ, byMidnight),
  ...mixed(TIMESTAMP, TIMESTAMPTZ, compareValues),
];

/** `anyenum = anyenum`: the labels' order is not known here. */
export function enumComparisons(type: PgType): Operator[] {
  return comparisons(type, type, compareValues, true, EQUALITY);
}
