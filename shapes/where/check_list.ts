/** `IN` over lists of values, and rows of values. */

import { arrayFrom } from "./array_expr.ts";
import { quantify } from "./check_array.ts";
import type { Checker } from "./check.ts";
import { binary, noOverload, repeatable } from "./check_operation.ts";
import { columnsOf, conjunction, type Expr } from "./expr.ts";
import { external } from "./external.ts";
import { coerce, type Operand, typeOf } from "./operand.ts";
import { commonType } from "./operators/common_type.ts";
import { formatOperand } from "./sql.ts";
import { openNode, type RawBody, type RawNode } from "./syntax.ts";
import { BOOL } from "./types/boolean.ts";
import { WhereError } from "./where_error.ts";

/**
 * `left [NOT] IN (items)`: items without columns are compared together if there are several and
 * they have a common type, all others one by one (`transformAExprIn()`).
 */
export function checkIn(checker: Checker, body: RawBody, name: string, location: number): Expr {
  const nodes = body.rexpr?.List?.items ?? [], isNot = name === "<>";
  const kind = isNot ? "and" : "or";
  if (isRow(body.lexpr)) {
    const rows = nodes.map((node) => checkRows(checker, body.lexpr ?? {}, node, name, location));
    return conjunction(kind, rows);
  }
  const left = repeatable(checker, body.lexpr ?? {}, location);
  const items = nodes.map((node) => checker.check(node));
  const isFixed = (item: Operand) => item.kind === "unknown" || columnsOf(item).length === 0;
  const fixed = items.filter(isFixed), others = items.filter((item) => !isFixed(item));
  const together = fixed.length > 1 ? inList(checker, left, fixed, isNot, location) : undefined;
  const single = (together ? others : items).map((item) =>
    binary(checker, name, left(), item, location)
  );
  return conjunction(kind, together ? [together, ...single] : single);
}

function inList(
  checker: Checker,
  left: () => Operand,
  items: readonly Operand[],
  isAll: boolean,
  location: number,
): Expr | undefined {
  const value = left();
  const common = commonType([value, ...items].map(typeOf));
  if (common.kind === "conflict" || common.type.category === "A") return undefined;
  const array = arrayFrom(items.map((item) => coerce(item, common.type)), common.type);
  return quantify(checker, { name: isAll ? "<>" : "=", isAll, left: left(), array }, location);
}

export function isRow(node: RawNode | undefined): boolean {
  return node !== undefined && openNode(node).name === "RowExpr";
}

/** Compares rows of values: equality value by value, other comparisons in Postgres. */
export function checkRows(
  checker: Checker,
  left: RawNode,
  right: RawNode,
  name: string,
  location: number,
): Expr {
  const [a, b] = [left, right].map((node) => isRow(node) ? openNode(node).body.args ?? [] : []);
  if (a.length === 0 || a.length !== b.length) throw noOverload(location);
  const pairs = a.map((node, i) => [checker.check(node), checker.check(b[i])]);
  if (name === "=" || name === "<>") {
    const compared = pairs.map(([x, y]) => binary(checker, name, x, y, location));
    return conjunction(name === "=" ? "and" : "or", compared);
  }
  if (!/^[<>]=?$/.test(name)) {
    throw new WhereError(`operator ${name} is not supported for rows`, location);
  }
  const typed = pairs.map(([x, y]) => {
    const common = commonType([x, y].map(typeOf));
    if (common.kind === "conflict") throw noOverload(location);
    return [coerce(x, common.type), coerce(y, common.type)];
  });
  const [first, second] = [0, 1].map((side) =>
    `ROW(${typed.map((pair) => formatOperand(pair[side])).join(", ")})`
  );
  return external(BOOL, `${first} ${name} ${second}`, typed.flat());
}
