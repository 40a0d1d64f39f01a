/** The types there are, by name, and the type of a column. */

import type { Table, TableColumn } from "../../table.ts";
import builtin from "../catalog/builtin.json" with { type: "json" };
import { arrayOf } from "./array.ts";
import { BOOL } from "./boolean.ts";
import { BYTEA } from "./bytea.ts";
import { DATE, TIME, TIMESTAMP, TIMESTAMPTZ } from "./datetime.ts";
import { FLOAT4, FLOAT8 } from "./float.ts";
import { foreignType } from "./foreign.ts";
import { INT2, INT4, INT8 } from "./integer.ts";
import { NUMERIC } from "./numeric.ts";
import { BPCHAR, enumType, NAME, quoteName, TEXT, VARCHAR } from "./text.ts";
import type { PgType } from "./type.ts";
import { UUID } from "./uuid.ts";

const NATIVE: readonly PgType[] = [
  BOOL,
  BYTEA,
  ...[INT2, INT4, INT8, FLOAT4, FLOAT8, NUMERIC],
  ...[TEXT, VARCHAR, BPCHAR, NAME],
  ...[DATE, TIME, TIMESTAMP, TIMESTAMPTZ],
  UUID,
];

const BUILTIN: ReadonlyMap<string, string> = new Map(Object.entries(builtin.types));
const BY_NAME = new Map<string, PgType>(NATIVE.map((type) => [type.name, type]));
const MULTIRANGES = new Map<string, string>(
  [...BUILTIN].flatMap(([name, entry]) => {
    const [, flags, range] = entry.split(" ");
    return flags.endsWith("m") ? [[range, name]] : [];
  }),
);

/** Words that mean something else, or nothing, where a type is expected. */
const QUOTED = new Set(["bit", "char", "varbit", "any"]);

/** The type of a built-in name, as a cast writes it; that of an array begins with `_`. */
export function typeByName(name: string): PgType | undefined {
  const known = BY_NAME.get(name);
  if (known) return known;
  const type = name.startsWith("_") ? arrayByName(name.slice(1)) : readType(name);
  if (type) BY_NAME.set(name, type);
  return type;
}

function arrayByName(name: string): PgType | undefined {
  const element = typeByName(name);
  return element && arrayOf(element);
}

function readType(name: string): PgType | undefined {
  const [category, flags = "", subtype] = BUILTIN.get(name)?.split(" ") ?? [];
  if (category === undefined) return undefined;
  return foreignType({
    name,
    sqlName: QUOTED.has(name) ? `"${name}"` : name,
    category,
    isPreferred: flags.slice(0, -1).includes("p"),
    isCollatable: flags.includes("c"),
    subtype: subtype === undefined ? undefined : typeByName(subtype),
  });
}

/** The multirange type over a range type. */
export function multirangeOf(range: PgType): PgType | undefined {
  const name = MULTIRANGES.get(range.name);
  return name === undefined ? undefined : typeByName(name);
}

/** What the catalog says of the type's input (`i`) and output (`o`) functions: that they are immutable. */
export function hasImmutable(direction: "i" | "o", type: PgType): boolean {
  return BUILTIN.get(type.name)?.split(" ")[1].slice(0, -1).includes(direction) ?? false;
}

/** A name that stands for several types, such as `anyarray`. */
export function isPseudoType(type: PgType): boolean {
  return type.category === "P";
}

/** The type that a column has in expressions, where domains count as what they rest on. */
export function typeOfColumn(column: TableColumn): PgType | undefined {
  if (column.dims === 0) return elementTypeOf(column);
  // An array of a domain is not an array of what the domain rests on.
  const element = column.typeKind === "d" ? undefined : elementTypeOf(column);
  return element ? arrayOf(element) : opaqueType(column, `${column.typeName}[]`, "U");
}

function elementTypeOf(column: TableColumn): PgType | undefined {
  const { typeName, typeKind, typeSchema, baseTypeName } = column;
  switch (typeKind) {
    case "e":
      return enumType(typeSchema, typeName);
    case "d":
      return typeByName(baseTypeName);
    case "c":
      return opaqueType(column, typeName, "C");
  }
  if (typeSchema === "pg_catalog") return typeByName(typeName) ?? opaqueType(column, typeName, "U");
  return typeName === "citext" ? citextIn(typeSchema) : opaqueType(column, typeName, "U");
}

/** A type of which nothing is known but that it can be NULL. It may be called like a built-in one. */
function opaqueType({ typeSchema, typeName }: TableColumn, name: string, category: string): PgType {
  const sqlName = `${quoteName(typeSchema)}.${quoteName(typeName)}`;
  const fullName = typeSchema === "pg_catalog" ? name : `${typeSchema}.${name}`;
  return foreignType({ name: fullName, sqlName, category });
}

const CITEXTS = new Map<string, PgType>();

/** The type of the extension `citext`, which may be in any schema. */
function citextIn(schema: string): PgType {
  let type = CITEXTS.get(schema);
  if (!type) {
    const sqlName = `${quoteName(schema)}."citext"`;
    type = foreignType({ name: "citext", sqlName, category: "S", isCollatable: true });
    CITEXTS.set(schema, type);
  }
  return type;
}

/** The type of its own that a table uses under this name, so that constants can be cast to it. */
export function typeOfTable(table: Table, schema: string, name: string): PgType | undefined {
  const column = table.columns.find((column) =>
    column.typeSchema === schema && column.typeName === name && column.typeSchema !== "pg_catalog"
  );
  const isKnown = column?.typeKind === "e" || column?.typeName === "citext";
  return isKnown ? elementTypeOf(column) : undefined;
}
