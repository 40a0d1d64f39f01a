/** Arrays of expressions. */

import { constant, type Expr } from "./expr.ts";
import { external } from "./external.ts";
import { formatSql } from "./sql.ts";
import { arrayOf, formatElements } from "./types/array.ts";
import type { PgType } from "./types/type.ts";

/** An array of expressions of a type; arrays among them make another dimension. */
export function arrayFrom(elements: readonly Expr[], type: PgType): Expr {
  const array = type.element ? type : arrayOf(type);
  if (elements.length === 0) return constant(array, "{}");
  const constants = elements.filter((element) => element.kind === "constant");
  if (constants.length === elements.length && !type.isForeign && !type.element) {
    return constant(array, formatElements(type, constants.map(({ value }) => value)));
  }
  const sql = `ARRAY[${elements.map(formatSql).join(", ")}]`;
  return { ...external(array, sql, elements), elements };
}
