/** What a column must have among its elements. Pure. */

import { bareColumn, columnComparison } from "../../where/evaluate_column.ts";
import { sharesKeys } from "../../where/evaluate.ts";
import type { Member, Operation } from "../../where/expr.ts";
import { elementKeys } from "../../where/operators/array.ts";
import type { PgType, Value } from "../../where/types/type.ts";
import { type CostOf, filed, type Filing, type Keyed, NOTHING } from "./entry.ts";

/** `column @> constant`, which an element of the constant can be found by, and `column && constant`. */
export function fileContainment(
  expr: Operation,
  isNot: boolean,
  costOf: CostOf,
): Filing | undefined {
  const { name, left, right } = expr.operator, sides = columnComparison(expr);
  const isOverlap = name === "&&", container = isOverlap || name === "@>" ? expr.left : expr.right;
  if (isNot || !sides || !left.element || !["@>", "<@", "&&"].includes(name)) return undefined;
  const { column, constant: { value } } = sides, type = left.element;
  if (!isOverlap && bareColumn(container) !== column) return undefined;
  if (value === null) return NOTHING;
  const all = [...new Set(elementKeys(type, right.format(value)))];
  const keys = all.filter((key) => key !== null);
  if (isOverlap) return keys.length === 0 ? NOTHING : filed(elementEntry(column.name, type, keys));
  if (keys.length < all.length) return NOTHING;
  if (keys.length === 0) return filed({ kind: "notNull", column: column.name });
  const entries = keys.map((key) => elementEntry(column.name, type, [key]));
  const best = entries.reduce((a, b) => costOf(b) < costOf(a) ? b : a);
  return { entries: [best], residual: keys.length > 1 ? expr : undefined };
}

function elementEntry(column: string, type: PgType, keys: readonly Value[]): Keyed {
  return { kind: "element", column, type, isTextual: false, keys };
}

/** `constant = ANY (column)`. */
export function fileMember(
  { operator, isAll, left, array }: Member,
  isNot: boolean,
): Filing | undefined {
  const column = bareColumn(array), isMember = operator.comparison === "=" && !isAll && !isNot;
  if (!column || !isMember || left.kind !== "constant" || !sharesKeys(operator)) return undefined;
  if (left.value === null) return NOTHING;
  return filed(elementEntry(column.name, operator.right, [operator.left.key(left.value)]));
}
