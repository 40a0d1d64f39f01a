/**
 * Shapes for people. Conditions are written as SQL, rows and keys as JSON; control characters that
 * come from the database are escaped in both: they can't steer a terminal.
 */

import type { AdminShape, AdminShapeDetail } from "../../server/admin.ts";
import { formatBytes, formatRate } from "../quantities.ts";
import { escapeControls, formatJsonLine } from "../terminal.ts";
import type { ListedShape, ListedShapes } from "./change_rates.ts";
import type { RowDifference } from "./row_table.ts";
import type { LogItem } from "./shape_reader.ts";

/** In order of a field of the JSON: numbers and times from the greatest, words from A to Z. */
export function sortShapes(
  shapes: readonly ListedShape[],
  field: string,
): readonly ListedShape[] {
  const keyOf = (shape: ListedShape): string | number => {
    const value: unknown = Object.entries(shape).find(([name]) => name === field)?.[1];
    return typeof value === "number" ? value : typeof value === "string" ? value : nameOf(shape);
  };
  const isTime = field === "last_used";
  return shapes.toSorted((a, b) => {
    const [left, right] = [keyOf(a), keyOf(b)];
    const order = left < right ? -1 : left > right ? 1 : 0;
    return typeof left === "number" || isTime ? -order : order;
  });
}

export function formatList({ shapes }: ListedShapes): string {
  if (shapes.length === 0) return "There are no shapes.\n";
  const rows = shapes.map((shape) => [
    shape.handle,
    nameOf(shape),
    shape.state,
    formatBytes(shape.snapshot_bytes),
    formatLogBytes(shape),
    `${shape.appended_changes}`,
    shape.changes_per_second === null ? "-" : formatRate(shape.changes_per_second),
    `${shape.waiters}`,
    shape.last_used ?? "-",
    escapeControls(shape.where ?? ""),
  ]);
  const head = [
    "HANDLE",
    "TABLE",
    "STATE",
    "SNAPSHOT",
    "LOG",
    "CHANGES",
    "A SECOND",
    "WAITERS",
    "LAST USED",
    "WHERE",
  ];
  return formatColumns([head, ...rows]);
}

/** `~20.0 MiB` where chunks have ended, of which only the least size is known. */
function formatLogBytes({ log_bytes: bytes, log_bytes_exact: isExact }: AdminShape): string {
  return `${isExact ? "" : "~"}${formatBytes(bytes)}`;
}

function formatColumns(rows: readonly (readonly string[])[]): string {
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => row[column].length)));
  return rows.map((row) =>
    `${row.map((cell, column) => cell.padEnd(widths[column])).join("  ").trimEnd()}\n`
  ).join("");
}

export function nameOf({ table: { schema, name } }: AdminShape): string {
  return [schema, name].map((part) => /^[a-z_][a-z0-9_]*$/.test(part) ? part : formatJsonLine(part))
    .join(".");
}

export function formatDetail(
  shape: AdminShapeDetail,
  items: { readonly insert: number; readonly update: number; readonly delete: number },
  rows: number,
): string {
  const { positions, standing, chunks } = shape;
  const pairs: [string, string][] = [
    ["Handle", shape.handle],
    ["Table", `${nameOf(shape)} (OID ${shape.table_oid})`],
    ["Where", shape.where === null ? "-" : escapeControls(shape.where)],
    ["Columns", Object.keys(shape.schema as object).map(quoteOddName).join(", ")],
    ["Key", shape.key.map(quoteOddName).join(", ")],
    ["Replica, log", `${shape.replica}, ${shape.log}`],
    [
      "State",
      `${shape.state}${standing.followed ? "" : ", not followed"}${
        standing.frozen ? ", frozen" : ""
      }`,
    ],
    ["Head", shape.head],
    ["Appended", positions.appended],
    ["Reconciled to", positions.reconciled_to ?? "-"],
    ["Snapshot", `${formatBytes(shape.snapshot_bytes)} in ${chunks.snapshot_bytes.length} chunks`],
    ["Log", `${formatLogBytes(shape)} in ${chunks.log_ends.length + 1} chunks`],
    ["Items", `${items.insert} inserts, ${items.update} updates, ${items.delete} deletes`],
    ["Rows", `${rows}`],
    ["Waiters", `${shape.waiters}`],
    ["Last used", shape.last_used ?? "-"],
  ];
  return pairs.map(([name, value]) => `${name.padEnd(14)} ${value}\n`).join("");
}

function quoteOddName(name: string): string {
  return /^\w+$/.test(name) ? name : formatJsonLine(name);
}

export function formatChunks({ chunks }: AdminShapeDetail): string {
  const snapshot = chunks.snapshot_bytes.map((bytes, at) => `0_${at}  ${formatBytes(bytes)}\n`);
  const log = chunks.log_ends.map((end) => `${end}  closed\n`);
  return [...snapshot, ...log, `open  ${formatBytes(chunks.open_bytes)}\n`].join("");
}

export function formatItem({ key, value, old_value: old, headers }: LogItem): string {
  const { operation, control, lsn, op_position: op } = headers;
  const at = lsn === undefined ? "" : ` ${formatJsonLine(lsn)}_${formatJsonLine(op)}`;
  const what = operation ?? control;
  const parts = [`${typeof what === "string" ? what : "?"}${at.replaceAll('"', "")}`];
  if (key !== undefined) parts.push(formatJsonLine(key));
  if (value !== undefined) parts.push(formatJsonLine(value));
  if (old !== undefined) parts.push(`was ${formatJsonLine(old)}`);
  if (key === undefined) parts.push(formatJsonLine(headers));
  return `${parts.join("  ")}\n`;
}

export function formatDifference(difference: RowDifference): string {
  const key = formatJsonLine(difference.key);
  if (difference.kind !== "different") {
    const where = difference.kind === "missing" ? "only in the database" : "only in the shape";
    return `${where}  ${key}  ${formatJsonLine(difference.value)}\n`;
  }
  const columns = Object.entries(difference.columns).map(([name, [shape, database]]) =>
    `${quoteOddName(name)}: ${formatJsonLine(shape)} in the shape, ${
      formatJsonLine(database)
    } in the database`
  );
  return `different  ${key}  ${columns.join("; ")}\n`;
}
