/** Arrays. A value is the text that `array_out` prints. */

import { formatArrayLiteral, parseArrayLiteral } from "../array_literal.ts";
import { foreignType } from "./foreign.ts";
import { compareValues, type PgType, PLAIN, type Value } from "./type.ts";

const ARRAYS = new WeakMap<PgType, PgType<string>>();

/** The one array type of each element type. */
export function arrayOf(element: PgType): PgType<string> {
  let type = ARRAYS.get(element);
  if (!type) ARRAYS.set(element, type = makeArrayType(element));
  return type;
}

function makeArrayType(element: PgType): PgType<string> {
  const names = { name: `${element.name}[]`, sqlName: `${element.sqlName}[]`, category: "A" };
  if (element.isForeign) return { ...foreignType(names), element };
  return {
    ...PLAIN,
    ...names,
    element,
    isTextUnique: element.isTextUnique,
    isCollatable: element.isCollatable,
    parse: (text) => {
      const values = readElements(element, text);
      return values && formatElements(element, values);
    },
    format: (value) => value,
    decode: (text) => text,
    // Only to tell equal ones; their order is Postgres' affair.
    compare: compareValues,
  };
}

/** The values of a constant of one dimension; undefined for any other text. */
export function readElements(element: PgType, text: string): (Value | null)[] | undefined {
  const values: (Value | null)[] = [];
  for (const part of parseArrayLiteral(text) ?? [undefined]) {
    const value = part === null || part === undefined ? part : element.parse(part);
    if (value === undefined) return undefined;
    values.push(value);
  }
  return values;
}

export function formatElements(element: PgType, values: readonly (Value | null)[]): string {
  return formatArrayLiteral(values.map((value) => value === null ? null : element.format(value)));
}
