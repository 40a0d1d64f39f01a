/** CASE, COALESCE, GREATEST and LEAST: what chooses among values of a common type. */

import { areHere, combinedCollation } from "./build.ts";
import type { Checker } from "./check.ts";
import { binary, repeatable } from "./check_operation.ts";
import { satisfies } from "./collation.ts";
import { canFail, type Choice, type Expr } from "./expr.ts";
import { external } from "./external.ts";
import { coerce, type Operand, typeOf } from "./operand.ts";
import { commonType } from "./operators/common_type.ts";
import { formatSql } from "./sql.ts";
import { openNode, positionInText, type RawBody, type RawNode } from "./syntax.ts";
import { BOOL } from "./types/boolean.ts";
import { TEXT } from "./types/text.ts";
import type { PgType } from "./types/type.ts";
import { WhereError } from "./where_error.ts";

/** `CASE x WHEN y` is `CASE WHEN x = y`. The result that comes last counts first for the type. */
export function checkCase(checker: Checker, body: RawBody, location: number): Expr {
  const subject = body.arg && subjectOf(checker, body.arg, location);
  const branches = (body.args ?? []).map((node) => openNode(node).body);
  const conditions = branches.map(({ expr = {} }) =>
    checkCondition(checker, expr, subject, location)
  );
  const results = branches.map(({ result = {} }) => checker.check(result));
  const otherwise: Operand = body.defresult ? checker.check(body.defresult) : NULL;
  const [last, ...typed] = inCommon([otherwise, ...results], "CASE", location).operands;
  const parts = typed.map((result, i) =>
    `WHEN ${formatSql(conditions[i])} THEN ${formatSql(result)}`
  );
  const sql = `CASE ${parts.join(" ")} ELSE ${formatSql(last)} END`;
  return external(last.type, sql, [...conditions, ...typed, last]);
}

const NULL: Operand = { kind: "unknown", text: null, location: 0, parameter: undefined };

function subjectOf(checker: Checker, node: RawNode, location: number): () => Operand {
  const operand = repeatable(checker, node, location);
  return () => {
    const subject = operand();
    return subject.kind === "unknown" ? coerce(subject, TEXT) : subject;
  };
}

function checkCondition(
  checker: Checker,
  node: RawNode,
  subject: (() => Operand) | undefined,
  location: number,
): Expr {
  const operand = checker.check(node);
  if (subject) return binary(checker, "=", subject(), operand, location);
  if (operand.kind === "unknown" || operand.type === BOOL) return coerce(operand, BOOL);
  const message = `argument of CASE/WHEN must be bool, not ${operand.type.name}`;
  throw new WhereError(message, positionInText(openNode(node).body.location));
}

export function checkChoice(
  checker: Checker,
  node: string,
  body: RawBody,
  location: number,
): Expr {
  const name = node === "CoalesceExpr" ? "COALESCE" : body.op === "IS_LEAST" ? "LEAST" : "GREATEST";
  const all = (body.args ?? []).map((node) => checker.check(node));
  const { type, operands } = inCommon(all, name, location);
  const choice: Choice = { kind: "choice", type, name, operands };
  return isDoneHere(checker, choice) ? choice : external(type, formatSql(choice), operands);
}

/** An error in an operand must not count as NULL. */
function isDoneHere(checker: Checker, { type, name, operands }: Choice): boolean {
  if (!areHere(operands) || operands.some(canFail)) return false;
  if (name === "COALESCE") return true;
  if (type.isForeign || type.category === "A" || type.category === "E") return false;
  const need = type.isCollatable ? "order" : "none";
  return satisfies(combinedCollation(operands), need, checker);
}

function inCommon(
  all: readonly Operand[],
  context: string,
  location: number,
): { type: PgType; operands: Expr[] } {
  const common = commonType(all.map(typeOf));
  if (common.kind === "conflict") {
    const [a, b] = common.types.map((type) => type.name);
    throw new WhereError(`${context} types ${a} and ${b} cannot be matched`, location);
  }
  return { type: common.type, operands: all.map((operand) => coerce(operand, common.type)) };
}
