/**
 * Chooses an overload as Postgres does (manual, "Operator Type Resolution" and "Function Type
 * Resolution"; `oper()` in parse_oper.c, `func_get_detail()` and `func_select_candidate()` in
 * parse_func.c). Undefined types are unknown literals and parameters.
 */

import { citextFunctions, citextOperators } from "../catalog/citext.ts";
import { functionsNamed, operatorsNamed, type Signature, withArity } from "../catalog/signature.ts";
import { canCoerce } from "../coercion.ts";
import { BOOL } from "../types/boolean.ts";
import type { PgType } from "../types/type.ts";
import { bindGenerics } from "./generics.ts";

type Types = readonly (PgType | undefined)[];

/** A chosen overload, and the types that its arguments and its result have in this call. */
export interface Resolved {
  readonly signature: Signature;
  readonly types: readonly PgType[];
  readonly result: PgType;
}

interface Candidate {
  readonly types: readonly PgType[];
}

/** Undefined if there is none, or more than one and nothing to choose by. */
export function resolveOperator(name: string, actual: Types): Resolved | undefined {
  const citext = actual.find((type) => type?.name === "citext");
  const overloads = [...operatorsNamed(name), ...(citext ? citextOperators(name, citext) : [])]
    .filter(({ types }) => types.length === actual.length);
  // One that is unknown is first thought to be what the other one is.
  const known = actual.find((type) => type !== undefined);
  const exact = overloads.find((overload) =>
    isExact(overload, actual.map((type) => type ?? known))
  );
  return bind(
    exact ?? selectCandidate(overloads.filter((each) => fits(each, actual)), actual),
    actual,
  );
}

export function isKnownOperator(name: string, arity: number): boolean {
  return operatorsNamed(name).some(({ types }) => types.length === arity);
}

export function resolveFunction(name: string, actual: Types): Resolved | undefined {
  const overloads = functionOverloads(name, actual);
  const exact = overloads.find((overload) => isExact(overload, actual));
  return bind(
    exact ?? selectCandidate(overloads.filter((each) => fits(each, actual)), actual),
    actual,
  );
}

/** The overloads that take so many arguments; a variadic one gives way to another of its types. */
function functionOverloads(name: string, actual: Types): Signature[] {
  const citext = actual.find((type) => type?.name === "citext");
  const all = [...functionsNamed(name), ...(citext ? citextFunctions(name, citext) : [])];
  const overloads = all.map((each) => withArity(each, actual.length)).filter((each) =>
    each !== undefined
  );
  const spell = ({ types }: Signature) => types.map(({ name }) => name).join();
  return overloads.filter((overload) =>
    !overload.isVariadic ||
    !overloads.some((other) => !other.isVariadic && spell(other) === spell(overload))
  );
}

/** Whether there is one with so many arguments that a row's values may decide about. */
export function isKnownFunction(name: string, actual: Types): boolean {
  return functionOverloads(name, actual).some(({ volatility }) =>
    volatility === "immutable" || volatility === "stable" && actual.length > 0
  );
}

function isExact({ types }: Candidate, actual: Types): boolean {
  return types.every((type, i) => type.name === actual[i]?.name);
}

function fits({ types }: Candidate, actual: Types): boolean {
  return types.every((type, i) => canCoerce(actual[i], type)) &&
    bindGenerics(types, actual, BOOL).kind !== "conflict";
}

function bind(signature: Signature | undefined, actual: Types): Resolved | undefined {
  if (!signature) return undefined;
  const binding = bindGenerics(signature.types, actual, signature.result);
  return binding.kind === "bound"
    ? { signature, types: binding.types, result: binding.result }
    : undefined;
}

/** `func_select_candidate()`, of candidates that all fit. */
export function selectCandidate<C extends Candidate>(
  all: readonly C[],
  actual: Types,
): C | undefined {
  let left = [...all];
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
  return candidates.filter((candidate) => fits(candidate, actual.map(() => known[0])));
}
