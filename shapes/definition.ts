/**
 * What a shape is: a request's wishes checked against a table. Two requests that come to the same
 * definition share one shape (WIRE.md 4.10).
 */

import { InvalidRequestError } from "./errors.ts";
import { IdentifierError, parseColumnList, parseTableName } from "./identifier.ts";
import type { DefinitionRequest } from "./service.ts";
import { keyColumns, type Table, type TableColumn, type TableName } from "./table.ts";
import { parseWhere } from "./where/parse.ts";
import type { Where } from "./where/where.ts";

export interface ShapeDefinition {
  readonly table: Table;
  /** Selected columns, by name. */
  readonly columns: readonly TableColumn[];
  /** Columns that make the key, in key order. */
  readonly key: readonly TableColumn[];
  /** Their names, where the request declared them. */
  readonly declaredKey: readonly string[] | undefined;
  /** True when the request named its columns: added columns then leave the shape alone. */
  readonly hasOwnColumns: boolean;
  readonly where: Where | undefined;
  readonly replica: "default" | "full";
  readonly log: "full" | "changes_only";
}

/** Facts about the server that decide what a definition may hold. */
export interface DefinitionRules {
  /** Whether the stream carries stored generated columns (Postgres 18 and later). */
  readonly hasGeneratedColumns: boolean;
  /** Whether changes are found by queries for good (`--change-source=query`): no stream is needed. */
  readonly isQueried?: boolean;
  /** Whether the database compares text by its bytes (C, POSIX, C.UTF-8). */
  readonly isTextOrderBytewise: boolean;
  /** The database's default collation, if it is one of the C library's (`pg_database.datctype`). */
  readonly defaultCollation?: string;
}

/** Throws `InvalidRequestError`. */
export function parseRequestedTable(text: string): TableName {
  return withField("table", () => parseTableName(text));
}

export function missingTableError({ schema, name }: TableName): InvalidRequestError {
  return new InvalidRequestError({
    table: [
      `Table ${quoteForMessage(schema)}.${quoteForMessage(name)} does not exist. If the table ` +
      `name contains capitals or special characters you must quote it.`,
    ],
  });
}

function quoteForMessage(name: string): string {
  return `"${name.replace(/["\\]/g, "\\$&")}"`;
}

/** Against a table that may have changed since: errors count only against a fresh one. */
export function tryResolveDefinition(
  request: DefinitionRequest,
  table: Table,
  rules: DefinitionRules,
): ShapeDefinition | undefined {
  try {
    return resolveDefinition(request, table, rules);
  } catch (error) {
    if (error instanceof InvalidRequestError) return undefined;
    throw error;
  }
}

/** Throws `InvalidRequestError`: for the columns first, then for the filter. */
export function resolveDefinition(
  request: DefinitionRequest,
  table: Table,
  rules: DefinitionRules,
): ShapeDefinition {
  const declaredKey = resolveKey(request.keyColumns, table, rules);
  const key = keyColumns(table, declaredKey);
  const queryable = resolveQueryable(request.queryableColumns, table, key);
  const { columns, hasOwnColumns } = resolveColumns(request, { table, key }, queryable, rules);
  const where = request.where === undefined
    ? undefined
    : parseWhere(request.where, request.params, table, rules);
  const { replica, log } = request;
  return { table, columns, key, declaredKey, hasOwnColumns, where, replica, log };
}

/** The text that is equal for equal definitions. */
export function canonicalText(definition: ShapeDefinition): string {
  const { table, columns, key, hasOwnColumns, where, replica, log } = definition;
  return JSON.stringify([
    table.oid,
    table.schema,
    table.name,
    key.map(({ name }) => name),
    hasOwnColumns,
    columns.map(({ name, typeOid, typeMod }) => [name, typeOid, typeMod]),
    where?.sql ?? null,
    replica,
    log,
  ]);
}

type ColumnsField = "columns" | "queryable_columns" | "key_columns";

function parseColumns(
  field: ColumnsField,
  given: string | readonly string[] | undefined,
): readonly string[] | undefined {
  if (given === undefined) return undefined;
  if (typeof given === "string") return withField(field, () => parseColumnList(given));
  if (given.includes("")) {
    throw new InvalidRequestError({ [field]: ["Invalid zero-length identifier"] });
  }
  return given;
}

/** What tells rows apart that have no primary key: the database is taken at the request's word. */
function resolveKey(
  given: DefinitionRequest["keyColumns"],
  table: Table,
  rules: DefinitionRules,
): readonly string[] | undefined {
  const names = parseColumns("key_columns", given);
  if (names === undefined) return undefined;
  const refuse = (message: string) => new InvalidRequestError({ key_columns: [message] });
  if (!rules.isQueried) {
    throw refuse("Keys can be declared only where the server runs with --change-source=query");
  }
  if (names.length === 0) throw refuse("The list of key columns must not be empty");
  const unknown = unknownNames(names, table.columns.map(({ name }) => name));
  if (unknown) throw refuse(`The following key columns are not found on the table: ${unknown}`);
  if (table.columns.some(({ keyIndex }) => keyIndex !== null)) {
    throw refuse("The table has a primary key: no other can be declared");
  }
  return names;
}

function resolveQueryable(
  given: DefinitionRequest["queryableColumns"],
  table: Table,
  key: readonly TableColumn[],
): readonly string[] | undefined {
  const names = parseColumns("queryable_columns", given);
  if (names === undefined) return undefined;
  const refuse = (message: string) => new InvalidRequestError({ queryable_columns: [message] });
  if (names.length === 0) throw refuse("The list of queryable columns must not be empty");
  const missing = missingKey(names, key);
  if (missing) {
    throw refuse(
      `The list of queryable columns must include all primary key columns, missing: ${missing}`,
    );
  }
  const unknown = unknownNames(names, table.columns.map(({ name }) => name));
  if (unknown) {
    throw refuse(`The following queryable columns are not found on the table: ${unknown}`);
  }
  return names;
}

function resolveColumns(
  request: DefinitionRequest,
  { table, key }: { table: Table; key: readonly TableColumn[] },
  queryable: readonly string[] | undefined,
  rules: DefinitionRules,
): { columns: readonly TableColumn[]; hasOwnColumns: boolean } {
  const own = parseColumns("columns", request.columns);
  const offered = queryable ?? table.columns.map(({ name }) => name);
  const names = own ?? offered;
  const refuse = (message: string) => new InvalidRequestError({ columns: [message] });
  const missing = missingKey(names, key);
  if (missing) {
    throw refuse(`The list of columns must include all primary key columns, missing: ${missing}`);
  }
  const unknown = unknownNames(names, offered);
  if (unknown) throw refuse(`The following columns are not found on the table: ${unknown}`);
  const columns = table.columns.filter(({ name }) => names.includes(name)).toSorted(byName);
  const refused = columns.filter(({ generated }) => !isStreamed(generated, rules));
  if (refused.length > 0) throw refuse(generatedMessage(refused, own !== undefined));
  return { columns, hasOwnColumns: own !== undefined || queryable !== undefined };
}

/** The same of a table that has changed in a way that leaves the shape as it is. */
export function withTable(definition: ShapeDefinition, table: Table): ShapeDefinition {
  const columns = definition.columns.map((column) =>
    table.columns.find(({ name }) => name === column.name) ?? column
  );
  return { ...definition, table, columns, key: keyColumns(table, definition.declaredKey) };
}

function isStreamed(generated: TableColumn["generated"], rules: DefinitionRules): boolean {
  if (generated === null || rules.isQueried) return true;
  return generated === "stored" && rules.hasGeneratedColumns;
}

function generatedMessage(columns: readonly TableColumn[], isOwnChoice: boolean): string {
  const names = columns.toSorted((a, b) => a.number - b.number).map(({ name }) => name).join(", ");
  const message =
    `The following columns are generated and cannot be included in the shape: ${names}`;
  if (isOwnChoice) return message;
  return message +
    ". You can exclude them from the shape by explicitly listing which columns to fetch in the " +
    "'columns' query param";
}

function missingKey(names: readonly string[], key: readonly TableColumn[]): string {
  return key.map(({ name }) => name).filter((name) => !names.includes(name)).join(", ");
}

/** Names that are not offered, and repetitions of those that are. */
function unknownNames(names: readonly string[], offered: readonly string[]): string {
  return names.filter((name, i) => !offered.includes(name) || names.indexOf(name) !== i).join(", ");
}

function byName(a: TableColumn, b: TableColumn): number {
  return a.name < b.name ? -1 : a.name > b.name ? 1 : 0;
}

function withField<T>(field: "table" | ColumnsField, parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    if (error instanceof IdentifierError) {
      throw new InvalidRequestError({ [field]: [error.message] });
    }
    throw error;
  }
}
