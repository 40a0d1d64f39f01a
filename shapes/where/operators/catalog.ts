/** The operators that are done here, by their signatures. */

import type { PgType } from "../types/type.ts";
import { ARITHMETICS } from "./arithmetic.ts";
import { arrayOperators } from "./array.ts";
import { COMPARISONS, enumComparisons } from "./comparison.ts";
import type { Operator } from "./operator.ts";
import { PATTERNS } from "./pattern.ts";

const ALL: readonly Operator[] = [...COMPARISONS, ...PATTERNS, ...ARITHMETICS];

const BY_SIGNATURE = new Map(
  ALL.map((operator) => [keyOf(operator.name, operator.left, operator.right), operator]),
);

function keyOf(name: string, left: PgType, right: PgType): string {
  return `${name} ${left.name} ${right.name}`;
}

/** `!=` is another spelling of `<>`, which the parser has replaced already. */
export function nativeOperator(name: string, left: PgType, right: PgType): Operator | undefined {
  const known = BY_SIGNATURE.get(keyOf(name, left, right));
  if (known || left.name !== right.name) return known;
  const special = left.category === "E"
    ? enumComparisons(left)
    : left.element
    ? arrayOperators(left)
    : [];
  return special.find((operator) => operator.name === name);
}

export function nativeOperators(): readonly Operator[] {
  return ALL;
}
