/** Compares what a shape's log comes to with what the database has now. */

import type { AdminShapeDetail } from "../../server/admin.ts";
import { resolveDefinition, type ShapeDefinition } from "../../shapes/definition.ts";
import { readCopyRows } from "../../shapes/log/copy_reader.ts";
import { ItemEncoder } from "../../shapes/log/item_encoder.ts";
import { JsonWriter } from "../../shapes/log/json_writer.ts";
import type { Source } from "../../shapes/ports.ts";
import { asStreamed } from "../../shapes/reconcile/log_row.ts";
import { hashKind } from "../../shapes/reconcile/row_hasher.ts";
import type { Row } from "../../shapes/row.ts";
import { loadParser } from "../../shapes/where/parse.ts";
import { compareRows, type RowDifference, RowTable, type RowValue } from "./row_table.ts";
import type { ShapeReader } from "./shape_reader.ts";

/** The condition is Postgres' to evaluate, and any table may be read. */
const RULES = { hasGeneratedColumns: true, isTextOrderBytewise: false, isQueried: true };
/** What is on its way to the shape is no difference: both are read again. */
const ATTEMPTS_MAX = 10;
const PAUSE_MS = 1000;

export interface VerifyOptions {
  readonly reader: ShapeReader;
  readonly source: Source;
  readonly signal: AbortSignal;
  /** Nothing writes to the shape: what differs once differs for good. */
  readonly isAtRest: boolean;
  readonly pause?: (ms: number) => Promise<void>;
}

export interface Verdict {
  /** Of the database. */
  readonly rows: number;
  readonly differences: readonly RowDifference[];
}

/** Reads both until they agree, or disagree about the same twice. */
export async function verifyShape(
  shape: AdminShapeDetail,
  { reader, source, signal, isAtRest, pause = sleep }: VerifyOptions,
): Promise<Verdict> {
  const definition = await describe(shape, source);
  const kinds = new Map(definition.columns.map((column) => [column.name, hashKind(column)]));
  const spell = (name: string, text: string) => asStreamed(kinds.get(name) ?? "plain", text);
  let before = "";
  for (let attempt = 1;; attempt++) {
    const table = new RowTable();
    for await (const items of reader.read(shape)) for (const item of items) table.apply(item);
    const database = await readDatabase(definition, source, signal);
    const differences = compareRows(table.rows, database, spell);
    const found = JSON.stringify(differences);
    const isSettled = isAtRest || found === before || attempt === ATTEMPTS_MAX;
    if (differences.length === 0 || isSettled) return { rows: database.size, differences };
    before = found;
    await pause(PAUSE_MS);
  }
}

async function describe(shape: AdminShapeDetail, source: Source): Promise<ShapeDefinition> {
  await loadParser();
  const { schema, name } = shape.table;
  const table = await source.describe({ schema, name });
  if (!table) throw new Error(`The database has no table "${schema}"."${name}"`);
  return resolveDefinition(
    {
      table: "",
      where: shape.where ?? undefined,
      params: new Map(),
      columns: Object.keys(shape.schema as object),
      queryableColumns: undefined,
      keyColumns: shape.key_columns ?? undefined,
      replica: shape.replica,
      log: shape.log,
    },
    table,
    RULES,
  );
}

/** Rows by key, as a client would get them. */
async function readDatabase(
  definition: ShapeDefinition,
  source: Source,
  signal: AbortSignal,
): Promise<ReadonlyMap<string, RowValue>> {
  const { table, columns, where } = definition;
  const rows = new Map<string, RowValue>();
  const writer = new JsonWriter();
  const decoder = new TextDecoder();
  const encoder = new ItemEncoder(
    definition,
    (name) => columns.findIndex((column) => column.name === name),
  );
  const visit = (row: Row) => {
    encoder.snapshotRow(writer, row);
    const item: { key: string; value: RowValue } = JSON.parse(
      decoder.decode(writer.take()).slice(1),
    );
    rows.set(item.key, item.value);
  };
  const request = {
    table,
    columns: columns.map(({ name }) => name),
    where: where?.sql,
    hasRows: true,
    purpose: "reconcile" as const,
  };
  const sink = {
    visible: () => {},
    rows: (copyText: Uint8Array) => void readCopyRows(copyText, columns.length + 1, visit),
  };
  await source.snapshot(request, sink, { onReserved: () => {}, signal });
  return rows;
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
