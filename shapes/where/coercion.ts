/** Which conversions there are between types (`find_coercion_pathway()` in parse_coerce.c). */

import { builtinCast } from "./catalog/signature.ts";
import { hasImmutable, isPseudoType } from "./types/catalog.ts";
import type { PgType } from "./types/type.ts";

/** Whether Postgres converts without being asked; any open type becomes what is wanted. */
export function canCoerce(from: PgType | undefined, to: PgType): boolean {
  if (!from || from.name === to.name || to.name === "any") return true;
  if (isPseudoType(to)) return true;
  if (from.name === "citext") return to.name === "text" || to.name === "varchar";
  const cast = builtinCast(from, to);
  if (cast) return cast.isImplicit;
  return from.element !== undefined && to.element !== undefined &&
    canCoerce(from.element, to.element);
}

/** How an explicit conversion is made: `unstable` if its result depends on more than the value. */
export type Conversion = "none" | "immutable" | "unstable";

/** Conversions of `pg_cast` whose results depend on the time zone alone, which is UTC here. */
const BY_ZONE = new Set(["date", "timestamp", "timestamptz", "time", "timetz"]);

/** Types whose texts depend on settings, all of which the sessions here fix, or on nothing else. */
const FIXED_OUTPUT = /^(date|time|timetz|timestamp|timestamptz|interval|citext|enum .*)$/;
const FIXED_INPUT = /^(interval|citext|enum .*)$/;

export function explicitConversion(from: PgType, to: PgType): Conversion {
  if (from.category === "C" || to.category === "C" || isPseudoType(to)) return "none";
  if (from.name === "citext" && to.category === "S") return "immutable";
  const cast = builtinCast(from, to);
  if (cast) {
    const isFixed = cast.volatility === "immutable" ||
      BY_ZONE.has(from.name) && BY_ZONE.has(to.name);
    return isFixed ? "immutable" : "unstable";
  }
  if (from.element && to.element) {
    return from.element.name === to.element.name
      ? "immutable"
      : explicitConversion(from.element, to.element);
  }
  return throughText(from, to);
}

/** A conversion by the output and the input function: one of the types must be a string type. */
function throughText(from: PgType, to: PgType): Conversion {
  if (to.category === "S") return hasFixedText(from, "o", FIXED_OUTPUT) ? "immutable" : "unstable";
  if (from.category === "S") return hasFixedText(to, "i", FIXED_INPUT) ? "immutable" : "unstable";
  return "none";
}

function hasFixedText(type: PgType, direction: "i" | "o", also: RegExp): boolean {
  const part = type.element ?? type.subtype;
  if (part) return hasFixedText(part, direction, also);
  if (type.name === "money") return false;
  return hasImmutable(direction, type) || also.test(type.name);
}

/** Whether a value's text is the same in every session of ours; of a pseudo-type, whether it may be. */
export function hasFixedOutput(type: PgType): boolean {
  return isPseudoType(type) || hasFixedText(type, "o", FIXED_OUTPUT);
}
