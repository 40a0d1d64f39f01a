/** Which of the operators and functions give the same result whenever they are called, in our sessions. */

import { hasFixedOutput } from "../coercion.ts";
import type { PgType } from "../types/type.ts";
import type { Signature } from "./signature.ts";

/** Their results depend on the time zone alone, which is UTC in all our sessions. */
const BY_ZONE =
  /^(date_part|date_trunc|extract|date|time|timestamp|timestamptz|make_timestamptz|overlaps)$/;
const MOMENT = /^(date|time|timestamp|timestamptz|interval)$/;
/** Their results depend on how values are printed, which is fixed in our sessions for most types. */
const BY_OUTPUT = /^(\|\||concat|concat_ws|format|array_to_string|quote_literal|quote_nullable)$/;

/** Whether a call with arguments of these types depends on nothing but them. */
export function isSettled({ name, volatility }: Signature, types: readonly PgType[]): boolean {
  if (volatility !== "stable") return volatility === "immutable";
  const isByZone = (BY_ZONE.test(name) || !/^\w/.test(name)) &&
    types.some((type) => MOMENT.test(type.name));
  return isByZone || BY_OUTPUT.test(name) && types.every(hasFixedOutput);
}
