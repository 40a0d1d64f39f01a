/** `inspect-shape`: what a server, or its storage, has of a shape, and whether that is right. */

import { setTimeout as delay } from "node:timers/promises";
import type { AdminShape, AdminShapeDetail } from "../../server/admin.ts";
import { parseRequestedTable } from "../../shapes/definition.ts";
import { resolveConfig } from "../config.ts";
import {
  type InspectCommand,
  type InspectOptions,
  misuse,
  readInspectOptions,
  type Wish,
} from "./inspect_options.ts";
import {
  formatChunks,
  formatDetail,
  formatDifference,
  formatItem,
  formatList,
  sortShapes,
} from "./inspect_text.ts";
import { addRates, type ListedShapes, withoutRates } from "./change_rates.ts";
import { RowTable } from "./row_table.ts";
import { ServedShapes } from "./served_shapes.ts";
import type { LogItem, ShapeReader } from "./shape_reader.ts";
import { assertStorage } from "./storage_files.ts";
import { type Verdict, verifyShape } from "./verify.ts";
import type { CommandIo } from "../command_io.ts";
import { LineLogger } from "../logger.ts";
import { loadNativeAddon } from "../native_addon.ts";
import { openPostgres } from "../open_postgres.ts";
import { formatJsonLine } from "../terminal.ts";

/** Between the two looks of `--list`. */
const RATE_MS = 1000;

/** The exit code: 1 for a shape that does not agree with the database. Throws `UsageError`. */
export async function runInspectShape(command: InspectCommand, io: CommandIo): Promise<number> {
  const options = readInspectOptions(command, io.env);
  const { wish } = options;
  await using reader = await openReader(options);
  if (wish.kind === "list") {
    await writeList(reader, options, io);
    return 0;
  }
  const shape = await findShape(reader, wish);
  return await inspect(shape, reader, options, io);
}

/** The store is loaded only where one is opened. */
async function openReader({ storageDir, url, secret }: InspectOptions): Promise<ShapeReader> {
  if (storageDir === undefined) return new ServedShapes(url, secret);
  await assertStorage(storageDir);
  const load = () => import("./stored_shapes.ts");
  const { StoredShapes } = await loadNativeAddon(storageDir, load);
  return await StoredShapes.open(storageDir);
}

async function writeList(
  reader: ShapeReader,
  { sort, isJson, storageDir }: InspectOptions,
  io: CommandIo,
): Promise<void> {
  const list = storageDir === undefined
    ? await readRates(reader)
    : withoutRates(await reader.list());
  const sorted = { ...list, shapes: sortShapes(list.shapes, sort) };
  io.out(isJson ? `${formatJsonLine(sorted)}\n` : formatList(sorted));
}

/** Looks twice, so that it sees what changes now. */
async function readRates(reader: ShapeReader): Promise<ListedShapes> {
  const before = await reader.list();
  if (before.shapes.length === 0) return withoutRates(before);
  await delay(RATE_MS);
  return addRates(before, await reader.list());
}

async function findShape(
  reader: ShapeReader,
  wish: Wish & { kind: "handle" | "table" },
): Promise<AdminShapeDetail> {
  const handle = wish.kind === "handle" ? wish.handle : await findHandle(reader, wish);
  const shape = await reader.describe(handle);
  if (shape) return shape;
  throw new Error(`There is no shape "${handle}" in ${reader.place}: --list shows all`);
}

async function findHandle(
  reader: ShapeReader,
  { definition, isLoose }: Wish & { kind: "table" },
): Promise<string> {
  const found = await reader.find(definition);
  if (found) return found.handle;
  const { schema, name } = parseRequestedTable(definition.table);
  const others = (await reader.list()).shapes.filter(({ table }) =>
    table.schema === schema && table.name === name
  );
  if (isLoose && others.length === 1) return others[0].handle;
  const reason = `There is no such shape on "${definition.table}" in ${reader.place}`;
  if (others.length === 0) throw new Error(reason);
  const lines = others.map(describeShort).join("\n");
  throw misuse(`${reason}; these are there:\n${lines}`);
}

function describeShort({ handle, where, columns, replica }: AdminShape): string {
  return `  ${handle}  ${formatJsonLine({ where, columns, replica })}`;
}

interface Found {
  readonly table: RowTable;
  /** Of the whole log, or of one key, where they were asked for. */
  readonly items: readonly LogItem[];
}

async function inspect(
  shape: AdminShapeDetail,
  reader: ShapeReader,
  options: InspectOptions,
  io: CommandIo,
): Promise<number> {
  const verdict = options.isVerified ? await verify(shape, reader, options) : undefined;
  const found = await readShape(shape, reader, options);
  io.out(
    options.isJson
      ? formatDocument(shape, found, options, verdict)
      : formatText(shape, found, options, verdict),
  );
  return verdict && verdict.differences.length > 0 ? 1 : 0;
}

async function readShape(
  shape: AdminShapeDetail,
  reader: ShapeReader,
  { hasLog, key }: InspectOptions,
): Promise<Found> {
  const table = new RowTable();
  const kept: LogItem[] = [];
  for await (const items of reader.read(shape)) {
    for (const item of items) {
      table.apply(item);
      if (key === undefined ? hasLog : item.key === key) kept.push(item);
    }
  }
  return { table, items: kept };
}

function formatText(
  shape: AdminShapeDetail,
  { table, items }: Found,
  { hasRows, hasLog, hasChunks, key, isVerified }: InspectOptions,
  verdict: Verdict | undefined,
): string {
  const parts: string[] = [];
  if (!hasRows && !hasLog && !hasChunks && key === undefined && !isVerified) {
    parts.push(formatDetail(shape, table.items, table.rows.size));
  }
  if (hasChunks) parts.push(formatChunks(shape));
  if (hasRows) { for (const row of table.rows.values()) parts.push(`${formatJsonLine(row)}\n`); }
  parts.push(...items.map(formatItem));
  if (verdict) {
    parts.push(...verdict.differences.map(formatDifference));
    const count = verdict.differences.length;
    parts.push(
      count === 0
        ? `The shape has the ${verdict.rows} rows that the database has\n`
        : `${count} of the rows differ; the database has ${verdict.rows}\n`,
    );
  }
  return parts.join("");
}

function formatDocument(
  shape: AdminShapeDetail,
  { table, items }: Found,
  { hasRows, hasLog, key }: InspectOptions,
  verdict: Verdict | undefined,
): string {
  const document = {
    ...shape,
    items: table.items,
    row_count: table.rows.size,
    ...hasRows ? { rows: [...table.rows].map(([key, value]) => ({ key, value })) } : {},
    ...hasLog || key !== undefined ? { messages: items } : {},
    ...verdict ? { verified: verdict } : {},
  };
  return `${formatJsonLine(document)}\n`;
}

async function verify(
  shape: AdminShapeDetail,
  reader: ShapeReader,
  { databaseUrl = "", storageDir }: InspectOptions,
): Promise<Verdict> {
  if (shape.log === "changes_only") {
    throw misuse("A shape with log=changes_only has no rows to compare");
  }
  const { config, problems } = resolveConfig({
    flags: new Map([["database-url", databaseUrl], ["insecure", "true"], ["db-pool-size", "1"], [
      "reconcile-timeout",
      "0",
    ]]),
    env: {},
    file: undefined,
    readText: () => "",
  });
  if (problems.length > 0) throw misuse(problems.join("\n"));
  await using stack = new AsyncDisposableStack();
  const { source } = openPostgres(config, stack, () => SILENT, {
    isOnReplica: () => false,
    onUnpublished: () => Promise.resolve(),
  });
  const isAtRest = storageDir !== undefined;
  return await verifyShape(shape, {
    reader,
    source,
    isAtRest,
    signal: new AbortController().signal,
  });
}

const SILENT = new LineLogger({
  level: "error",
  format: "json",
  isColored: false,
  nowMs: Date.now,
  write: () => {},
});
