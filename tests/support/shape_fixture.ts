/** Tables, relations, definitions and rows for tests of the domain, without a database. */

import type { Relation } from "../../shapes/change.ts";
import type { ShapeDefinition } from "../../shapes/definition.ts";
import type { DefinitionRequest } from "../../shapes/service.ts";
import { keyColumns, type Table, type TableColumn } from "../../shapes/table.ts";

const TYPE_OIDS: Readonly<Record<string, number>> = {
  bool: 16,
  int8: 20,
  int4: 23,
  text: 25,
  inet: 869,
  varchar: 1043,
};

export type ColumnSketch = Partial<TableColumn> & { readonly name: string };

/** A nullable text column unless the sketch says otherwise. */
export function column(sketch: ColumnSketch, number = 1): TableColumn {
  const typeName = sketch.typeName ?? "text";
  return {
    number,
    typeName,
    typeOid: TYPE_OIDS[typeName] ?? 100_000,
    typeSchema: "pg_catalog",
    typeKind: "b",
    baseTypeName: typeName,
    typeMod: -1,
    dims: 0,
    isNotNull: (sketch.keyIndex ?? null) !== null,
    keyIndex: null,
    generated: null,
    collation: null,
    ...sketch,
  };
}

export type TableSketch = Partial<Omit<Table, "columns">> & {
  readonly columns?: readonly ColumnSketch[];
};

/** `public.items (id int4 primary key, n int4, v text)` unless the sketch says otherwise. */
export function table(sketch: TableSketch = {}): Table {
  const columns = sketch.columns ?? [
    { name: "id", typeName: "int4", keyIndex: 0 },
    { name: "n", typeName: "int4" },
    { name: "v" },
  ];
  return {
    schema: "public",
    name: "items",
    oid: 5000,
    kind: "ordinary",
    partitions: [],
    attached: [],
    ...sketch,
    columns: columns.map((each, i) => column(each, i + 1)),
  };
}

/** The table as the stream announces it. */
export function relation(of: Table, changed: Partial<Relation> = {}): Relation {
  return {
    oid: of.oid,
    schema: of.schema,
    name: of.name,
    identity: "full",
    columns: of.columns.map(({ name, typeOid, typeMod }) => {
      return { name, typeOid, typeMod, isIdentity: true };
    }),
    ...changed,
  };
}

/** A definition of all columns without filter, as `resolveDefinition` orders them. */
export function definition(
  of: Table = table(),
  changed: Partial<ShapeDefinition> = {},
): ShapeDefinition {
  return {
    table: of,
    columns: of.columns.toSorted((a, b) => a.name < b.name ? -1 : 1),
    key: keyColumns(of),
    declaredKey: undefined,
    hasOwnColumns: false,
    where: undefined,
    replica: "default",
    log: "full",
    ...changed,
  };
}

export function request(changed: Partial<DefinitionRequest> = {}): DefinitionRequest {
  return {
    table: "items",
    where: undefined,
    params: new Map(),
    columns: undefined,
    queryableColumns: undefined,
    replica: "default",
    log: "full",
    ...changed,
  };
}
