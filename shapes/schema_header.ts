/** The `electric-schema` header: what clients need to parse values (WIRE.md 3.5). */

import type { TableColumn } from "./table.ts";

type Entry = Record<string, string | number | boolean>;

/** ASCII JSON: header bytes are read as Latin-1, so other characters are escaped. */
export function formatSchemaHeader(columns: readonly TableColumn[]): string {
  const entries = columns.map((column) => [column.name, schemaEntry(column)]);
  return JSON.stringify(Object.fromEntries(entries)).replace(
    /[\u007f-\uffff]/g,
    (letter) => `\\u${letter.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

function schemaEntry(column: TableColumn): Entry {
  const entry: Entry = { type: column.typeName };
  if (column.dims > 0) entry.dims = column.dims;
  if (column.keyIndex !== null) entry.pk_index = column.keyIndex;
  if (column.isNotNull) entry.not_null = true;
  return { ...entry, ...modifiers(column.typeName, column.typeMod) };
}

/** VARHDRSZ: the length that Postgres adds to the modifiers of these types. */
const HEADER_SIZE = 4;

function modifiers(type: string, mod: number): Entry {
  switch (type) {
    case "varchar":
    case "text":
      return mod > 0 ? { max_length: mod - HEADER_SIZE } : {};
    case "bpchar":
      return mod > 0 ? { length: mod - HEADER_SIZE } : {};
    case "bit":
    case "varbit":
      return { length: mod };
    case "interval":
      return mod > -1 ? intervalModifiers(mod) : {};
    case "numeric":
      return mod > -1 ? numericModifiers(mod - HEADER_SIZE) : {};
    case "time":
    case "timetz":
    case "timestamp":
    case "timestamptz":
    case "date":
      if (mod > 0) return { precision: mod };
      break;
  }
  return mod > -1 ? { type_mod: mod } : {};
}

/** `numeric(p,s)` keeps the scale in 11 bits; clients have always been sent all 16 of them. */
function numericModifiers(mod: number): Entry {
  return { precision: mod >> 16 & 0xffff, scale: mod & 0xffff };
}

const INTERVAL_UNITS: readonly (readonly [bit: number, name: string])[] = [
  [2, "YEAR"],
  [1, "MONTH"],
  [3, "DAY"],
  [10, "HOUR"],
  [11, "MINUTE"],
  [12, "SECOND"],
];
const ALL_FIELDS = 0x7fff;
const NO_PRECISION = 0xffff;

function intervalModifiers(mod: number): Entry {
  const range = mod >> 16 & 0xffff, precision = mod & 0xffff;
  const entry: Entry = {};
  if (range !== ALL_FIELDS) {
    const units = INTERVAL_UNITS.filter(([bit]) => range & 1 << bit).map(([, name]) => name);
    entry.fields = units.length > 1 ? `${units[0]} TO ${units.at(-1)}` : units[0] ?? "";
  }
  if (precision !== NO_PRECISION) entry.precision = precision;
  return entry;
}
