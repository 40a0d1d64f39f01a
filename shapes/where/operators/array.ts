/** Equality, containment and overlap of arrays whose elements are understood here. */

import { elementsOf } from "../array_literal.ts";
import { BOOL } from "../types/boolean.ts";
import type { PgType, Value } from "../types/type.ts";
import type { Operator } from "./operator.ts";

const KNOWN = new WeakMap<PgType, readonly Operator[]>();

export function arrayOperators(type: PgType): readonly Operator[] {
  let operators = KNOWN.get(type);
  if (!operators) KNOWN.set(type, operators = makeOperators(type));
  return operators;
}

/** Keys of the elements; null stands for NULL, which equals nothing. */
export function elementKeys(element: PgType, text: string): (Value | null)[] {
  return elementsOf(text).map((part) => part === null ? null : element.key(element.decode(part)));
}

/** `array_contain_compare()`: each of `parts` is in `whole`; how often, and in what order, is all one. */
function contains(element: PgType, whole: string, parts: string): boolean {
  const keys = new Set(elementKeys(element, whole));
  return elementKeys(element, parts).every((key) => key !== null && keys.has(key));
}

function overlaps(element: PgType, a: string, b: string): boolean {
  const keys = new Set(elementKeys(element, a));
  return elementKeys(element, b).some((key) => key !== null && keys.has(key));
}

function makeOperators(type: PgType): Operator[] {
  const { element } = type;
  if (!element || element.isForeign) return [];
  const operators = [
    operator(type, "@>", (a, b) => contains(element, a, b)),
    operator(type, "<@", (a, b) => contains(element, b, a)),
    operator(type, "&&", (a, b) => overlaps(element, a, b)),
  ];
  if (!type.isTextUnique) return operators;
  return [
    ...operators,
    operator(type, "=", (a, b) => a === b),
    operator(type, "<>", (a, b) => a !== b),
  ];
}

function operator(
  type: PgType,
  name: "@>" | "<@" | "&&" | "=" | "<>",
  apply: (a: string, b: string) => boolean,
): Operator {
  const isEquality = name === "=" || name === "<>";
  const typed: { apply(a: string, b: string): boolean } = { apply };
  return {
    ...{ name, left: type, right: type, result: BOOL },
    ...{ canFail: false, runsIn: "javascript" },
    collation: type.isCollatable ? "equality" : "none",
    isTextEquality: isEquality,
    comparison: isEquality ? name : undefined,
    ...typed,
  };
}
