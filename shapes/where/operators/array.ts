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

/** Remembers the last answer: one of the operands is mostly a constant. */
function remembering<T>(compute: (text: string) => T): (text: string) => T {
  let known: { readonly text: string; readonly answer: T } | undefined;
  return (text) => {
    if (known?.text !== text) known = { text, answer: compute(text) };
    return known.answer;
  };
}

function makeOperators(type: PgType): Operator[] {
  const { element } = type;
  if (!element || element.isForeign) return [];
  const keysOf = (text: string) => elementKeys(element, text);
  const partsOf = remembering(keysOf), setOf = remembering((text) => new Set(keysOf(text)));
  // `array_contain_compare()`: how often an element is there, and in what order, is all one.
  const operators = [
    operator(type, "@>", (a, b) => {
      const whole = keysOf(a);
      return partsOf(b).every((key) => key !== null && whole.includes(key));
    }),
    operator(type, "<@", (a, b) => {
      const whole = setOf(b);
      return keysOf(a).every((key) => key !== null && whole.has(key));
    }),
    operator(type, "&&", (a, b) => {
      const others = setOf(b);
      return keysOf(a).some((key) => key !== null && others.has(key));
    }),
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
