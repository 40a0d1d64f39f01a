/** All operators, by name. */

import type { PgType } from "../types/type.ts";
import { COMPARISONS, enumComparisons } from "./comparison.ts";
import type { Operator } from "./operator.ts";
import { PATTERNS } from "./pattern.ts";

const BY_NAME: ReadonlyMap<string, readonly Operator[]> = Map.groupBy(
  [...COMPARISONS, ...PATTERNS],
  (operator) => operator.name,
);

/** `!=` is another spelling of `<>`, which the parser has replaced already. */
export function isKnownOperator(name: string): boolean {
  return BY_NAME.has(name);
}

/** The overloads of a name; with an enum among the operands, those of that enum. */
export function overloadsOf(
  name: string,
  left: PgType | undefined,
  right: PgType | undefined,
): readonly Operator[] {
  const known = BY_NAME.get(name) ?? [];
  const enumType = [left, right].find((type) => type?.category === "E");
  if (!enumType) return known;
  return [...known, ...enumComparisons(enumType).filter((operator) => operator.name === name)];
}
