/** Function calls, and the syntax that Postgres turns into them: EXTRACT, TRIM, AT TIME ZONE, … */

import { callFunction } from "./build.ts";
import type { Checker } from "./check.ts";
import { isKnownSchema } from "./check_operation.ts";
import type { Expr } from "./expr.ts";
import { coerce, typeOf } from "./operand.ts";
import { isKnownFunction, resolveFunction } from "./operators/resolve.ts";
import { type RawBody, stringsOf } from "./syntax.ts";
import { WhereError } from "./where_error.ts";

export function checkCall(checker: Checker, body: RawBody, location: number): Expr {
  refuseAggregation(body, location);
  const path = stringsOf(body.funcname), nodes = body.args ?? [];
  const isKnown = path.length === 1 || path.length === 2 && isKnownSchema(checker.table, path[0]);
  const name = isKnown ? path[path.length - 1] : path.join(".");
  const open = nodes.map(() => undefined);
  if (!isKnown || !isKnownFunction(name, open)) {
    const message = `unknown or unsupported function ${name}/${nodes.length}`;
    throw new WhereError(message, location);
  }
  const operands = nodes.map((node) => checker.check(node)), types = operands.map(typeOf);
  const resolved = resolveFunction(name, types);
  if (!resolved) {
    const shown = types.map((type) => type?.name ?? "unknown").join(", ");
    const message = `Could not select a function overload for ${name}(${shown})`;
    throw new WhereError(message, location);
  }
  const typed = operands.map((operand, i) => coerce(operand, resolved.types[i]));
  return callFunction(resolved, typed, location);
}

function refuseAggregation(body: RawBody, location: number): void {
  const isAggregate = body.agg_star || body.agg_distinct || body.agg_filter || body.over ||
    body.agg_order || body.agg_within_group;
  if (isAggregate) {
    throw new WhereError("aggregation is not supported in this context", location);
  }
  if (body.func_variadic) {
    const message = "explicit VARIADIC function calls are not currently supported";
    throw new WhereError(message, location);
  }
}
