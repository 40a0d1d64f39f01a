/** The operators and functions that Postgres brings along, by name; written by `deno task catalog`. */

import { typeByName } from "../types/catalog.ts";
import type { PgType } from "../types/type.ts";
import builtin from "./builtin.json" with { type: "json" };

export type Volatility = "immutable" | "stable" | "volatile";

/** An overload of an operator or a function. Its types may be pseudo-types. */
export interface Signature {
  readonly name: string;
  /** Of an extension's; undefined for `pg_catalog`. */
  readonly schema: string | undefined;
  readonly types: readonly PgType[];
  readonly result: PgType;
  readonly volatility: Volatility;
  /** Any number of arguments of the last type. */
  readonly isVariadic: boolean;
}

const VOLATILITIES: Readonly<Record<string, Volatility>> = {
  i: "immutable",
  s: "stable",
  v: "volatile",
};

function reader(
  entries: Readonly<Record<string, string>>,
  read: (name: string, fields: string[]) => Signature | undefined,
): (name: string) => readonly Signature[] {
  const texts = new Map(Object.entries(entries)), known = new Map<string, readonly Signature[]>();
  return (name) => {
    let signatures = known.get(name);
    if (!signatures) {
      const lines = texts.get(name)?.split("; ") ?? [];
      signatures = lines.map((line) => read(name, line.split(" "))).filter((each) =>
        each !== undefined
      );
      if (signatures.length > 0) known.set(name, signatures);
    }
    return signatures;
  };
}

function signature(
  name: string,
  typeNames: readonly string[],
  [result, volatility, extra]: readonly string[],
): Signature | undefined {
  const types = typeNames.map(typeByName), resultType = typeByName(result);
  const known = types.filter((type) => type !== undefined);
  if (!resultType || known.length < types.length) return undefined;
  return {
    name,
    schema: undefined,
    types: known,
    result: resultType,
    volatility: VOLATILITIES[volatility] ?? "volatile",
    isVariadic: extra === "*",
  };
}

/** Overloads of an operator; those with one type stand before their operand. */
export const operatorsNamed = reader(
  builtin.operators,
  (name, [left, right, ...rest]) => signature(name, left === "-" ? [right] : [left, right], rest),
);

export const functionsNamed = reader(
  builtin.functions,
  (name, [types, ...rest]) => signature(name, types === "-" ? [] : types.split(","), rest),
);

/** All names, for the documentation. */
export function builtinNames(): { operators: readonly string[]; functions: readonly string[] } {
  return { operators: Object.keys(builtin.operators), functions: Object.keys(builtin.functions) };
}

/** An overload as it is called with so many arguments; undefined if it can't be. */
export function withArity(overload: Signature, count: number): Signature | undefined {
  const { types, isVariadic } = overload;
  if (isVariadic) {
    if (count < types.length) return undefined;
    const last = types[types.length - 1], repeated = elementOfVariadic(last);
    const more = Array.from({ length: count - types.length + 1 }, () => repeated);
    return { ...overload, types: [...types.slice(0, -1), ...more] };
  }
  return count === types.length ? overload : undefined;
}

function elementOfVariadic(type: PgType): PgType {
  if (type.element) return type.element;
  return type.name === "any" ? type : typeByName(type.name.replace(/array$/, "")) ?? type;
}

/** `pg_cast`'s entry for a pair of types. */
export interface BuiltinCast {
  readonly isImplicit: boolean;
  readonly volatility: Volatility;
}

const CASTS = new Map(
  Object.entries(builtin.casts).flatMap(([from, line]) =>
    line.split("; ").map((text): [string, BuiltinCast] => {
      const [to, context, volatility] = text.split(" ");
      const entry = { isImplicit: context === "i", volatility: VOLATILITIES[volatility] };
      return [`${from}>${to}`, entry];
    })
  ),
);

export function builtinCast(from: PgType, to: PgType): BuiltinCast | undefined {
  return CASTS.get(`${from.name}>${to.name}`);
}
