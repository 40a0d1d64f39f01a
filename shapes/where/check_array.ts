/** `ARRAY[…]`, and operators with ANY and ALL over arrays. */

import { areHere, formatOperation, isDoneHere, refuseOpenEscape } from "./build.ts";
import { arrayFrom } from "./array_expr.ts";
import type { Checker } from "./check.ts";
import { convert } from "./check_cast.ts";
import { chooseOperator } from "./check_operation.ts";
import { type Constant, constant, type Expr } from "./expr.ts";
import { external } from "./external.ts";
import { coerce, type Operand, readUnknown, typeOf } from "./operand.ts";
import { nativeOperator } from "./operators/catalog.ts";
import { commonType } from "./operators/common_type.ts";
import type { Operator } from "./operators/operator.ts";
import type { Resolved } from "./operators/resolve.ts";
import { formatSql } from "./sql.ts";
import { openNode, positionInText, type RawBody } from "./syntax.ts";
import { arrayOf, readElements } from "./types/array.ts";
import { BOOL } from "./types/boolean.ts";
import type { PgType, Value } from "./types/type.ts";
import { WhereError } from "./where_error.ts";

/** Of the type that its elements have in common, or of the one that it is cast to. */
export function checkArrayOf(checker: Checker, body: RawBody, type?: PgType): Expr {
  const location = positionInText(body.location);
  const items = (body.elements ?? []).map((node) => {
    const { name, body } = openNode(node);
    return name === "A_ArrayExpr" ? checkArrayOf(checker, body, type) : checker.check(node);
  });
  const isNested = items.some((item) => typeOf(item)?.category === "A");
  if (type?.element) {
    const target = isNested ? type : type.element;
    return arrayFrom(items.map((item) => convert(item, target, location)), target);
  }
  const common = commonType(items.map(typeOf));
  if (common.kind === "conflict") {
    const [a, b] = common.types.map((type) => type.name);
    throw new WhereError(`ARRAY types ${a} and ${b} cannot be matched`, location);
  }
  return arrayFrom(items.map((item) => coerce(item, common.type)), common.type);
}

export function checkQuantified(
  checker: Checker,
  body: RawBody,
  name: string,
  location: number,
): Expr {
  const isAll = body.kind === "AEXPR_OP_ALL";
  const left = checker.check(body.lexpr ?? {}), array = checker.check(body.rexpr ?? {});
  if (array.kind !== "unknown" && !array.type.element) {
    throw new WhereError(`argument of ${isAll ? "ALL" : "ANY"} must be an array`, location);
  }
  return quantify(checker, { name, isAll, left, array }, location);
}

interface Quantification {
  readonly name: string;
  readonly isAll: boolean;
  readonly left: Operand;
  /** An array or unknown. */
  readonly array: Operand;
}

/** `left operator ANY | ALL (array)`. Throws `WhereError`. */
export function quantify(checker: Checker, quantification: Quantification, location: number): Expr {
  const { name, isAll, array } = quantification;
  const elementType = typeOf(array)?.element;
  const resolved = chooseOperator(name, [typeOf(quantification.left), elementType], location);
  if (resolved.result !== BOOL) {
    throw new WhereError("ANY/ALL requires operator that returns bool", location);
  }
  const [leftType, rightType] = resolved.types;
  if (rightType.element) {
    throw new WhereError(`could not find array type for data type ${rightType.name}`, location);
  }
  const left = coerce(quantification.left, leftType);
  const typed = coerceArray(array, rightType, location);
  const operator = nativeOperator(name, leftType, rightType);
  const here = operator &&
    quantifiedHere(checker, { operator, isAll, left, array: typed }, location);
  return here ?? quantifiedThere(resolved, isAll, left, typed);
}

function quantifiedThere(resolved: Resolved, isAll: boolean, left: Expr, array: Expr): Expr {
  const right = `${isAll ? "ALL" : "ANY"} (${formatSql(array)})`;
  return external(BOOL, formatOperation(resolved.signature, left, right), [left, array]);
}

interface TypedQuantification {
  readonly operator: Operator;
  readonly isAll: boolean;
  readonly left: Expr;
  readonly array: Expr;
}

/** Undefined if only Postgres can do it. */
function quantifiedHere(
  checker: Checker,
  { operator, isAll, left, array }: TypedQuantification,
  location: number,
): Expr | undefined {
  if (array.kind === "constant") {
    if (array.value === null) return undefined;
    const elements = elementsOfConstant(array);
    const texts = elements.map((value) => constant(operator.right, value));
    for (const text of texts) refuseOpenEscape(operator.name, text, location);
    // Each for itself: whether an operator can be done here may depend on the constant.
    const areDone = [...texts, constant(operator.right, null)].every((text) =>
      text.value === null && texts.length > 0 || isDoneHere(checker, operator, left, text, location)
    );
    if (!areDone) return undefined;
    return { kind: "quantified", type: BOOL, operator, isAll, left, elements };
  }
  const isSame = array.type.element?.name === operator.right.name && !operator.canFail;
  if (!isSame || !areHere([array]) || !isDoneHere(checker, operator, left, array, location)) {
    return undefined;
  }
  return { kind: "member", type: BOOL, operator, isAll, left, array };
}

function elementsOfConstant({ type, value }: Constant): readonly (Value | null)[] {
  return (type.element && readElements(type.element, String(value))) ?? [];
}

function coerceArray(array: Operand, element: PgType, location: number): Expr {
  const type = arrayOf(element);
  if (array.kind === "unknown") return readUnknown(array, type);
  if (array.type.element?.name === element.name) return array;
  if (array.kind !== "constant" || array.type.isForeign) return convert(array, type, location);
  const from = array.type.element ?? element;
  const values = elementsOfConstant(array).map((value) =>
    convert(constant(from, value), element, location)
  );
  return arrayFrom(values, element);
}
