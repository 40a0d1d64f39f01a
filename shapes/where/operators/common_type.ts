/** The type that several values get together (`select_common_type()` in parse_coerce.c). */

import { canCoerce } from "../coercion.ts";
import { TEXT } from "../types/text.ts";
import type { PgType } from "../types/type.ts";

export type CommonType =
  | { readonly kind: "type"; readonly type: PgType }
  /** The two that do not fit together. */
  | { readonly kind: "conflict"; readonly types: readonly [PgType, PgType] };

/** Undefined types are unknown; if all are, they become text. */
export function commonType(types: readonly (PgType | undefined)[]): CommonType {
  const known = types.filter((type) => type !== undefined);
  let chosen = known[0];
  if (!chosen) return { kind: "type", type: TEXT };
  for (const type of known) {
    if (type.category !== chosen.category) return { kind: "conflict", types: [chosen, type] };
    const isWider = !chosen.isPreferred && canCoerce(chosen, type) && !canCoerce(type, chosen);
    if (isWider) chosen = type;
  }
  const misfit = known.find((type) => !canCoerce(type, chosen));
  return misfit ? { kind: "conflict", types: [chosen, misfit] } : { kind: "type", type: chosen };
}
