/** Parts of values: elements and slices of arrays, what `jsonb` holds, fields of composites. */

import type { Checker } from "./check.ts";
import { convert, FIELD } from "./check_cast.ts";
import type { Expr } from "./expr.ts";
import { external } from "./external.ts";
import { readUnknown } from "./operand.ts";
import { formatSql } from "./sql.ts";
import { openNode, positionInText, type RawBody, type RawNode } from "./syntax.ts";
import { foreignType } from "./types/foreign.ts";
import { INT4 } from "./types/integer.ts";
import { quoteName, TEXT } from "./types/text.ts";
import type { PgType } from "./types/type.ts";
import { WhereError } from "./where_error.ts";

const FIELD_TYPE = foreignType({ name: FIELD, sqlName: FIELD, category: "X" });

export function checkIndirection(checker: Checker, body: RawBody): Expr {
  const operand = checker.check(body.arg ?? {});
  const location = positionInText(openNode(body.arg ?? {}).body.location);
  let expr = operand.kind === "unknown" ? readUnknown(operand, TEXT) : operand;
  const steps = body.indirection ?? [];
  for (let i = 0; i < steps.length; i++) {
    const { name, body: step } = openNode(steps[i]);
    if (name === "String") expr = fieldOf(expr, String(step.sval ?? ""), location);
    else if (name === "A_Indices") {
      const from = i;
      while (i + 1 < steps.length && openNode(steps[i + 1]).name === "A_Indices") i++;
      expr = subscript(checker, expr, steps.slice(from, i + 1), location);
    } else throw new WhereError(`${name} is not supported in this context`, location);
  }
  return expr;
}

/** Its type is unknown here, so it must be cast. */
function fieldOf(expr: Expr, name: string, location: number): Expr {
  if (expr.type.category !== "C") {
    const message = `column notation .${name} applied to type ${expr.type.name}`;
    throw new WhereError(`${message}, which is not a composite type`, location);
  }
  return external(FIELD_TYPE, `(${formatSql(expr)}).${quoteName(name)}`, [expr]);
}

function subscript(
  checker: Checker,
  expr: Expr,
  steps: readonly RawNode[],
  location: number,
): Expr {
  const bodies = steps.map((node) => openNode(node).body);
  const isSlice = bodies.some(({ is_slice }) => is_slice);
  const isJson = expr.type.name === "jsonb";
  const { element } = expr.type;
  if (!isJson && !element || isJson && isSlice) {
    throw new WhereError(`cannot subscript type ${expr.type.name}`, location);
  }
  const used: Expr[] = [];
  const bound = (node: RawNode | undefined): string => {
    if (!node) return "";
    const index = checkIndex(checker, node, isJson, location);
    used.push(index);
    return formatSql(index);
  };
  const brackets = bodies.map(({ is_slice, lidx, uidx }) => {
    const low = bound(lidx), high = bound(uidx);
    return is_slice ? `[${low}:${high}]` : `[${high}]`;
  });
  const result: PgType = isSlice || !element ? expr.type : element;
  return external(result, `(${formatSql(expr)})${brackets.join("")}`, [expr, ...used]);
}

function checkIndex(checker: Checker, node: RawNode, isJson: boolean, location: number): Expr {
  const operand = checker.check(node);
  if (isJson && (operand.kind === "unknown" || operand.type.category === "S")) {
    return operand.kind === "unknown" ? readUnknown(operand, TEXT) : operand;
  }
  if (operand.kind !== "unknown" && operand.type.category !== "N") {
    throw new WhereError("array subscript must have type integer", location);
  }
  return convert(operand, INT4, location);
}
