/** The types there are, by name, and the type of a column. */

import type { Table, TableColumn } from "../../table.ts";
import { BOOL } from "./boolean.ts";
import { BYTEA } from "./bytea.ts";
import { DATE, TIME, TIMESTAMP, TIMESTAMPTZ } from "./datetime.ts";
import { FLOAT4, FLOAT8 } from "./float.ts";
import { INT2, INT4, INT8 } from "./integer.ts";
import { NUMERIC } from "./numeric.ts";
import { BPCHAR, enumType, NAME, TEXT, VARCHAR } from "./text.ts";
import { type PgType, PLAIN } from "./type.ts";
import { UUID } from "./uuid.ts";

const ALL: readonly PgType[] = [
  BOOL,
  BYTEA,
  ...[INT2, INT4, INT8, FLOAT4, FLOAT8, NUMERIC],
  ...[TEXT, VARCHAR, BPCHAR, NAME],
  ...[DATE, TIME, TIMESTAMP, TIMESTAMPTZ],
  UUID,
];

const BY_NAME: ReadonlyMap<string, PgType> = new Map(ALL.map((type) => [type.name, type]));

/** Types of `pg_catalog` without operators here: such a column can only be tested for NULL. */
const OPAQUE = new Set(
  ("bit box box2d cidr circle daterange datemultirange inet int2vector int4multirange int4range " +
    "int8multirange int8range interval json jsonb jsonpath line lseg macaddr macaddr8 money " +
    "nummultirange numrange oid oidvector path pg_lsn pg_snapshot point polygon timetz tsmultirange " +
    "tsquery tsrange tstzmultirange tstzrange tsvector txid_snapshot varbit xid xid8 xml char " +
    "regclass regproc regtype").split(" "),
);

/** The type of a built-in name, as a cast writes it. */
export function typeByName(name: string): PgType | undefined {
  return BY_NAME.get(name);
}

/**
 * The type that a column has in expressions, where domains count as what they rest on. Undefined for
 * composites, whose NULLs have rules of their own, and for domains that may rest on one.
 */
export function typeOfColumn(column: TableColumn): PgType | undefined {
  const { typeName, typeKind, baseTypeName } = column;
  if (column.dims > 0) return opaqueType(`${typeName}[]`, "A");
  if (typeKind === "e") return enumType(column.typeSchema, typeName);
  if (typeKind === "d") return BY_NAME.get(baseTypeName) ?? opaqueIfKnown(baseTypeName);
  if (typeKind === "c") return undefined;
  if (column.typeSchema !== "pg_catalog") return opaqueType(typeName, "U");
  return BY_NAME.get(typeName) ?? opaqueType(typeName, "U");
}

/** The enum that a table uses under this name, so that constants can be cast to it. */
export function enumOfTable(table: Table, schema: string, name: string): PgType | undefined {
  const column = table.columns.find((column) =>
    column.typeKind === "e" && column.typeSchema === schema && column.typeName === name
  );
  return column && enumType(schema, name);
}

function opaqueIfKnown(name: string): PgType | undefined {
  const isKnown = OPAQUE.has(name) || name.startsWith("_");
  return isKnown ? opaqueType(name, name.startsWith("_") ? "A" : "U") : undefined;
}

function opaqueType(name: string, category: "A" | "U"): PgType<string> {
  return {
    ...PLAIN,
    name,
    sqlName: name,
    category,
    isTextUnique: false,
    parse: () => undefined,
    format: (value) => value,
    decode: (text) => text,
    compare: () => {
      throw new TypeError(`Type "${name}" has no order here`);
    },
  };
}
