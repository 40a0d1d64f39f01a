/**
 * Pseudo-types: `anyarray` and its family must agree on one element type, `anycompatible` and its own
 * on a common one (manual, "Polymorphic Types"; `enforce_generic_type_consistency()`).
 */

import { arrayOf } from "../types/array.ts";
import { multirangeOf } from "../types/catalog.ts";
import { TEXT } from "../types/text.ts";
import type { PgType } from "../types/type.ts";
import { commonType } from "./common_type.ts";

/** Types for all arguments and the result; or why there are none: they clash, or all are unknown. */
export type Binding =
  | { readonly kind: "bound"; readonly types: readonly PgType[]; readonly result: PgType }
  | { readonly kind: "conflict" }
  | { readonly kind: "open" };

type Types = readonly (PgType | undefined)[];

/** By the family's name: what each kind of member stands for. */
interface Family {
  element?: PgType;
  range?: PgType;
  multirange?: PgType;
}

export function bindGenerics(declared: readonly PgType[], actual: Types, result: PgType): Binding {
  const isGeneric = [...declared, result].some(({ name }) => /^any./.test(name));
  const families = isGeneric ? bindFamilies(declared, actual) : {};
  if (!families) return { kind: "conflict" };
  const types: PgType[] = [];
  for (const [i, type] of [...declared, result].entries()) {
    const bound = substitute(type, families, actual[i]);
    if (!bound) return { kind: "open" };
    types.push(bound);
  }
  return { kind: "bound", types: types.slice(0, -1), result: types[types.length - 1] };
}

type Families = Readonly<Record<string, Family>>;

function bindFamilies(declared: readonly PgType[], actual: Types): Families | undefined {
  const any = bindExact(declared, actual), compatible = bindCompatible(declared, actual);
  return any && compatible && { any, anycompatible: compatible };
}

const MEMBER = /^(any|anycompatible)(element|nonarray|enum|array|range|multirange|)$/;

function memberOf(type: PgType): { family: string; member: string } | undefined {
  const [, family, member] = MEMBER.exec(type.name) ?? [];
  if (family === undefined || type.name === "any") return undefined;
  return { family, member };
}

/** Undefined if they conflict. */
function bindExact(declared: readonly PgType[], actual: Types): Family | undefined {
  const family: Family = {};
  for (const [i, type] of declared.entries()) {
    const given = actual[i], place = memberOf(type);
    if (!given || place?.family !== "any") continue;
    if (!take(family, place.member, given)) return undefined;
  }
  return family;
}

function take(family: Family, member: string, given: PgType): boolean {
  switch (member) {
    case "array":
      return given.element !== undefined && same(family, "element", given.element);
    case "range":
      return isRange(given) && same(family, "range", given) &&
        same(family, "element", given.subtype);
    case "multirange":
      return isMultirange(given) && takeMultirange(family, given);
    case "nonarray":
      return given.category !== "A" && same(family, "element", given);
    case "enum":
      return given.category === "E" && same(family, "element", given);
    default:
      return same(family, "element", given);
  }
}

function takeMultirange(family: Family, given: PgType): boolean {
  return same(family, "multirange", given) && same(family, "range", given.subtype) &&
    same(family, "element", given.subtype?.subtype);
}

function isMultirange(type: PgType): boolean {
  return type.subtype?.subtype !== undefined;
}

function isRange(type: PgType): boolean {
  return type.subtype !== undefined && !isMultirange(type);
}

function same(family: Family, slot: keyof Family, type: PgType | undefined): boolean {
  if (!type || (family[slot] && family[slot].name !== type.name)) return false;
  family[slot] = type;
  return true;
}

function bindCompatible(declared: readonly PgType[], actual: Types): Family | undefined {
  const elements: PgType[] = [], fixed: Family = {};
  let isUsed = false;
  for (const [i, type] of declared.entries()) {
    const place = memberOf(type), given = actual[i];
    if (place?.family !== "anycompatible") continue;
    isUsed = true;
    if (!given) continue;
    if (/range$/.test(place.member)) {
      if (!take(fixed, place.member, given)) return undefined;
    } else if (place.member !== "array") elements.push(given);
    else if (given.element) elements.push(given.element);
    else return undefined;
  }
  if (!isUsed) return fixed;
  if (fixed.element) elements.push(fixed.element);
  const common = commonType(elements);
  const isFixed = !fixed.element || common.kind === "type" &&
      common.type.name === fixed.element.name;
  if (common.kind === "conflict" || !isFixed) return undefined;
  return { ...fixed, element: elements.length === 0 ? TEXT : common.type };
}

function substitute(
  type: PgType,
  families: Families,
  given: PgType | undefined,
): PgType | undefined {
  if (type.name === "any") return given ?? TEXT;
  const place = memberOf(type);
  if (!place) return type;
  const { element, range, multirange } = families[place.family] ?? {};
  switch (place.member) {
    case "array":
      return element && arrayOf(element);
    case "range":
      return range ?? multirange?.subtype;
    case "multirange":
      return multirange ?? (range && multirangeOf(range));
    default:
      return element;
  }
}
