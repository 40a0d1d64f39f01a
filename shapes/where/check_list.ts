/** IN, and operators with ANY and ALL, over lists and arrays of constants. */

import { parseArrayLiteral } from "./array_literal.ts";
import type { Checker } from "./check.ts";
import {
  binary,
  checkCollation,
  chooseOperator,
  refuseOpenEscape,
  repeatable,
} from "./check_operation.ts";
import { findCast } from "./casts.ts";
import { columnsOf, conjunction, type Expr } from "./expr.ts";
import { elementTypeOfName } from "./literal.ts";
import { coerce, type Operand, typeOf, type Unknown } from "./operand.ts";
import { commonType } from "./operators/common_type.ts";
import { openNode, positionInText, type RawBody, type RawNode } from "./syntax.ts";
import { BOOL } from "./types/boolean.ts";
import type { PgType, Value } from "./types/type.ts";
import { WhereError } from "./where_error.ts";

/**
 * `left [NOT] IN (items)`: items without columns are compared together if there are several and
 * they have a common type, all others one by one (`transformAExprIn()`).
 */
export function checkIn(checker: Checker, body: RawBody, name: string, location: number): Expr {
  const nodes = body.rexpr?.List?.items ?? [];
  const left = repeatable(checker, body.lexpr ?? {}, location);
  const items = nodes.map((node) => checker.check(node));
  const isFixed = (item: Operand) => item.kind === "unknown" || columnsOf(item).length === 0;
  const fixed = items.filter(isFixed), others = items.filter((item) => !isFixed(item));
  const isNot = name === "<>";
  const together = fixed.length > 1 ? inList(checker, left, fixed, isNot, location) : undefined;
  const single = (together ? others : items).map((item) =>
    binary(checker, name, left(), item, location)
  );
  return conjunction(isNot ? "and" : "or", together ? [together, ...single] : single);
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
  if (common.kind === "conflict") return undefined;
  const elements = items.map((item) => coerce(item, common.type));
  if (elements.some((element) => element.kind !== "constant")) return undefined;
  const list = { type: common.type, values: elements.map(valueOf) };
  return quantified(checker, isAll ? "<>" : "=", isAll, left(), list, location);
}

function valueOf(expr: Expr): Value | null {
  return expr.kind === "constant" ? expr.value : null;
}

interface TypedArray {
  /** Of the elements. */
  readonly type: PgType;
  readonly values: readonly (Value | null)[];
}

/** An array of constants; its type is open if it is an unknown literal or a parameter. */
type ConstantArray = TypedArray | Unknown;

export function checkQuantified(
  checker: Checker,
  body: RawBody,
  name: string,
  location: number,
): Expr {
  const left = checker.check(body.lexpr ?? {}), isAll = body.kind === "AEXPR_OP_ALL";
  const array = checkArray(checker, body.rexpr ?? {}, isAll ? "ALL" : "ANY", location);
  return quantified(checker, name, isAll, left, array, location);
}

function quantified(
  checker: Checker,
  name: string,
  isAll: boolean,
  left: Operand,
  array: ConstantArray,
  location: number,
): Expr {
  const operator = chooseOperator(
    name,
    typeOf(left),
    "type" in array ? array.type : undefined,
    location,
  );
  if (operator.result !== BOOL) {
    throw new WhereError("ANY/ALL requires operator that returns bool", location);
  }
  const list = "type" in array ? array : readArray(array, operator.right);
  const elements = castArray(list, operator.right, location).values;
  const typed = coerce(left, operator.left);
  checkCollation(checker, operator, [typed], location);
  if (operator.name.includes("~~")) {
    for (const pattern of elements) refuseOpenEscape(String(pattern ?? ""), location);
  }
  return { kind: "quantified", type: BOOL, operator, isAll, left: typed, elements };
}

function checkArray(
  checker: Checker,
  node: RawNode,
  quantifier: string,
  location: number,
): ConstantArray {
  const { name, body } = openNode(node);
  if (name === "A_ArrayExpr") return checkArrayOf(checker, body);
  if (name === "TypeCast" && body.typeName?.arrayBounds && body.arg) {
    const type = elementTypeOfName(checker, body.typeName);
    const array = checkArray(checker, body.arg, quantifier, location);
    return "type" in array ? castArray(array, type, location) : readArray(array, type);
  }
  const operand = checker.check(node);
  if (operand.kind === "unknown") return operand;
  if (operand.type.category === "A") {
    throw new WhereError(`${quantifier} over a column is not supported`, location);
  }
  throw new WhereError(`argument of ${quantifier} must be an array`, location);
}

function castArray(array: TypedArray, type: PgType, location: number): TypedArray {
  if (array.type.name !== type.name && !findCast(array.type, type)) {
    const types = `${array.type.name}[] to type ${type.name}[]`;
    throw new WhereError(`unknown cast from type ${types}`, location);
  }
  const values = array.values.map((value) =>
    valueOf(coerce({ kind: "constant", type: array.type, value }, type))
  );
  return { type, values };
}

function checkArrayOf(checker: Checker, body: RawBody): ConstantArray {
  const location = positionInText(body.location);
  const items = (body.elements ?? []).map((node) => checker.check(node));
  const common = commonType(items.map(typeOf));
  if (common.kind === "conflict") {
    const [a, b] = common.types.map((type) => type.name);
    throw new WhereError(`ARRAY types ${a} and ${b} cannot be matched`, location);
  }
  const elements = items.map((item) => coerce(item, common.type));
  if (elements.some((element) => element.kind !== "constant")) {
    throw new WhereError("A_ArrayExpr is not supported in this context", location);
  }
  return { type: common.type, values: elements.map(valueOf) };
}

/** Reads an unknown literal or a parameter as an array. */
function readArray({ text, location }: Unknown, type: PgType): TypedArray {
  const refused = new WhereError(`invalid syntax for type ${type.name}[]: ${text}`, location);
  if (text === null) throw refused;
  const values = parseArrayLiteral(text)?.map((element) => {
    const value = element === null ? null : type.parse(element);
    if (value === undefined) throw refused;
    return value;
  });
  if (!values) throw refused;
  return { type, values };
}
