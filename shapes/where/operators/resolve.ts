/**
 * Chooses an overload as Postgres does (manual, "Operator Type Resolution"; `oper()` in parse_oper.c
 * and `func_select_candidate()` in parse_func.c). Undefined types are unknown literals and parameters.
 */

import { isImplicitlyCastable } from "../casts.ts";
import type { PgType } from "../types/type.ts";
import { overloadsOf } from "./catalog.ts";
import type { Operator } from "./operator.ts";

type Types = readonly (PgType | undefined)[];

/** An overload seen by its arguments; functions will have them, too. */
interface Candidate {
  readonly types: readonly PgType[];
}

/** Undefined if there is none, or more than one and nothing to choose by. */
export function resolveOperator(
  name: string,
  left: PgType | undefined,
  right: PgType | undefined,
): Operator | undefined {
  const overloads = overloadsOf(name, left, right);
  const exact = overloads.find((operator) =>
    operator.left.name === (left ?? right)?.name && operator.right.name === (right ?? left)?.name
  );
  if (exact) return exact;
  const candidates = overloads.map((operator) => ({
    operator,
    types: [operator.left, operator.right],
  }));
  return selectCandidate(candidates, [left, right])?.operator;
}

export function selectCandidate<C extends Candidate>(all: C[], actual: Types): C | undefined {
  let left = all.filter(({ types }) =>
    types.every((type, i) => {
      const given = actual[i];
      return given === undefined || isImplicitlyCastable(given, type);
    })
  );
  if (left.length > 1) left = best(left, (candidate) => countExact(candidate, actual));
  if (left.length > 1) left = best(left, (candidate) => countPreferred(candidate, actual));
  if (left.length > 1) left = narrowByUnknowns(left, actual);
  if (left.length > 1) left = narrowByKnown(left, actual);
  return left.length === 1 ? left[0] : undefined;
}

function best<C>(candidates: C[], score: (candidate: C) => number): C[] {
  const highest = Math.max(...candidates.map(score));
  return candidates.filter((candidate) => score(candidate) === highest);
}

function countExact({ types }: Candidate, actual: Types): number {
  return types.filter((type, i) => type.name === actual[i]?.name).length;
}

function countPreferred({ types }: Candidate, actual: Types): number {
  return types.filter((type, i) => {
    const given = actual[i];
    if (!given) return false;
    return type.name === given.name || (type.isPreferred && type.category === given.category);
  }).length;
}

/** Unknown arguments are strings if any candidate takes a string there, else of the one category. */
function narrowByUnknowns<C extends Candidate>(candidates: C[], actual: Types): C[] {
  if (!actual.includes(undefined)) return [];
  const slots: ({ category: string; isPreferred: boolean } | undefined)[] = [];
  for (const [i, given] of actual.entries()) {
    if (given) continue;
    const types = candidates.map((candidate) => candidate.types[i]);
    const categories = new Set(types.map((type) => type.category));
    const category = categories.has("S") ? "S" : types[0].category;
    if (category !== "S" && categories.size > 1) return candidates;
    const isPreferred = types.some((type) => type.isPreferred && type.category === category);
    slots[i] = { category, isPreferred };
  }
  const fitting = candidates.filter(({ types }) =>
    types.every((type, i) => {
      const slot = slots[i];
      if (!slot) return true;
      return type.category === slot.category && (type.isPreferred || !slot.isPreferred);
    })
  );
  return fitting.length > 0 ? fitting : candidates;
}

/** At last: the unknown ones may be of the one type that all the known ones have. */
function narrowByKnown<C extends Candidate>(candidates: C[], actual: Types): C[] {
  const known = actual.filter((type) => type !== undefined);
  if (known.length === 0 || known.some((type) => type.name !== known[0].name)) return [];
  return candidates.filter(({ types }) =>
    types.every((type) => isImplicitlyCastable(known[0], type))
  );
}
