/**
 * Conversions between types: the part of `pg_cast` that is done here. To add one, add an entry.
 * `assignment` casts of Postgres are `explicit` here: an expression cannot tell the difference.
 */

import { BOOL } from "./types/boolean.ts";
import { DATE, midnight, TIMESTAMP, TIMESTAMPTZ } from "./types/datetime.ts";
import { FLOAT4, FLOAT8 } from "./types/float.ts";
import { INT2, INT4, INT8 } from "./types/integer.ts";
import { NUMERIC } from "./types/numeric.ts";
import { BPCHAR, NAME, TEXT, trimPadding, truncateName, VARCHAR } from "./types/text.ts";
import type { PgType, Value } from "./types/type.ts";
import { UUID } from "./types/uuid.ts";

export interface Cast {
  readonly from: PgType;
  readonly to: PgType;
  readonly isImplicit: boolean;
  /** True if nothing changes but the type's name: indexes and byte comparisons still apply. */
  readonly isRelabel: boolean;
  /** Undefined where Postgres raises an error. */
  apply(value: Value): Value | undefined;
}

function cast<A extends Value, B extends Value>(
  from: PgType<A>,
  to: PgType<B>,
  isImplicit: boolean,
  apply: (value: A) => B | undefined,
): Cast {
  const entry: { apply(value: A): B | undefined } = { apply };
  return { from, to, isImplicit, isRelabel: false, ...entry };
}

function relabel(from: PgType<string>, to: PgType<string>): Cast {
  return { from, to, isImplicit: true, isRelabel: true, apply: (value) => value };
}

function fromNumeric(text: string): number | undefined {
  return FLOAT8.parse(text);
}

const INTEGERS = [INT2, INT4, INT8];

const CASTS: readonly Cast[] = [
  ...[INT2, INT4].flatMap((from, i) =>
    INTEGERS.slice(i + 1).map((to) => cast(from, to, true, (value) => value))
  ),
  ...INTEGERS.flatMap((from) => [
    cast(from, NUMERIC, true, String),
    cast(from, FLOAT4, true, (value) => FLOAT4.parse(value.toString())),
    cast(from, FLOAT8, true, Number),
    cast(from, TEXT, false, String),
    cast(from, VARCHAR, false, String),
  ]),
  ...INTEGERS.slice(0, 2).flatMap((to, i) =>
    INTEGERS.slice(i + 1).map((from) => cast(from, to, false, (value) => to.parse(String(value))))
  ),
  cast(NUMERIC, FLOAT4, true, (value) => FLOAT4.parse(value)),
  cast(NUMERIC, FLOAT8, true, fromNumeric),
  cast(NUMERIC, TEXT, false, (value) => value),
  cast(FLOAT4, FLOAT8, true, (value) => value),
  cast(BOOL, INT4, false, Number),
  cast(INT4, BOOL, false, (value) => value !== 0),
  cast(BOOL, TEXT, false, String),
  relabel(VARCHAR, TEXT),
  relabel(TEXT, VARCHAR),
  ...[TEXT, VARCHAR].flatMap((type) => [
    cast(type, BPCHAR, true, (value) => value),
    cast(BPCHAR, type, true, trimPadding),
    cast(type, NAME, true, truncateName),
    cast(NAME, type, true, (value) => value),
  ]),
  cast(BPCHAR, NAME, true, (value) => truncateName(trimPadding(value))),
  cast(DATE, TIMESTAMP, true, atMidnight),
  cast(DATE, TIMESTAMPTZ, true, atMidnight),
  cast(TIMESTAMP, TIMESTAMPTZ, true, (value) => value),
  cast(UUID, TEXT, false, (value) => value),
  ...[DATE, TIMESTAMP, TIMESTAMPTZ].map((from) => cast(from, TEXT, false, from.format)),
];

function atMidnight(days: number) {
  const micros = midnight(days);
  return TIMESTAMP.parse(TIMESTAMP.format(micros)) === undefined ? undefined : micros;
}

const BY_NAMES = new Map(CASTS.map((entry) => [`${entry.from.name}>${entry.to.name}`, entry]));

export function findCast(from: PgType, to: PgType): Cast | undefined {
  if (from.category === "E" && to === TEXT) return cast(from, TEXT, false, String);
  return BY_NAMES.get(`${from.name}>${to.name}`);
}

/** Whether Postgres converts without being asked. */
export function isImplicitlyCastable(from: PgType, to: PgType): boolean {
  return from.name === to.name || (findCast(from, to)?.isImplicit ?? false);
}
