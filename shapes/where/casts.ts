/**
 * Conversions between types that are done here; all others are Postgres'. Which of them it makes
 * without being asked is in coercion.ts. To add one, add an entry.
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
  /** True if nothing changes but the type's name: indexes and byte comparisons still apply. */
  readonly isRelabel: boolean;
  /** True if there are values for which Postgres raises an error. */
  readonly canFail: boolean;
  /** Undefined where Postgres raises an error. */
  apply(value: Value): Value | undefined;
}

function cast<A extends Value, B extends Value>(
  from: PgType<A>,
  to: PgType<B>,
  apply: (value: A) => B | undefined,
  canFail = false,
): Cast {
  const entry: { apply(value: A): B | undefined } = { apply };
  return { from, to, isRelabel: false, canFail, ...entry };
}

function relabel(from: PgType<string>, to: PgType<string>): Cast {
  return { from, to, isRelabel: true, canFail: false, apply: (value) => value };
}

function fromNumeric(text: string): number | undefined {
  return FLOAT8.parse(text);
}

const INTEGERS = [INT2, INT4, INT8];

const CASTS: readonly Cast[] = [
  ...[INT2, INT4].flatMap((from, i) =>
    INTEGERS.slice(i + 1).map((to) => cast(from, to, (value) => value))
  ),
  ...INTEGERS.flatMap((from) => [
    cast(from, NUMERIC, String),
    cast(from, FLOAT4, (value) => FLOAT4.parse(value.toString())),
    cast(from, FLOAT8, Number),
    cast(from, TEXT, String),
    cast(from, VARCHAR, String),
  ]),
  ...INTEGERS.slice(0, 2).flatMap((to, i) =>
    INTEGERS.slice(i + 1).map((from) => cast(from, to, (value) => to.parse(String(value)), true))
  ),
  cast(NUMERIC, FLOAT4, (value) => FLOAT4.parse(value), true),
  cast(NUMERIC, FLOAT8, fromNumeric, true),
  cast(NUMERIC, TEXT, (value) => value),
  cast(FLOAT4, FLOAT8, (value) => value),
  cast(BOOL, INT4, Number),
  cast(INT4, BOOL, (value) => value !== 0),
  cast(BOOL, TEXT, String),
  relabel(VARCHAR, TEXT),
  relabel(TEXT, VARCHAR),
  ...[TEXT, VARCHAR].flatMap((type) => [
    cast(type, BPCHAR, (value) => value),
    cast(BPCHAR, type, trimPadding),
    cast(type, NAME, truncateName),
    cast(NAME, type, (value) => value),
  ]),
  cast(BPCHAR, NAME, (value) => truncateName(trimPadding(value))),
  cast(DATE, TIMESTAMP, atMidnight, true),
  cast(DATE, TIMESTAMPTZ, atMidnight, true),
  cast(TIMESTAMP, TIMESTAMPTZ, (value) => value),
  cast(UUID, TEXT, (value) => value),
  ...[DATE, TIMESTAMP, TIMESTAMPTZ].map((from) => cast(from, TEXT, from.format)),
];

function atMidnight(days: number) {
  const micros = midnight(days);
  return TIMESTAMP.parse(TIMESTAMP.format(micros)) === undefined ? undefined : micros;
}

const BY_NAMES = new Map(CASTS.map((entry) => [`${entry.from.name}>${entry.to.name}`, entry]));

export function findCast(from: PgType, to: PgType): Cast | undefined {
  if (from.category === "E" && to === TEXT) return cast(from, TEXT, String);
  return BY_NAMES.get(`${from.name}>${to.name}`);
}

export function nativeCasts(): readonly Cast[] {
  return CASTS;
}
