/** A change as a line: for people, or as JSON for programs. */

import { type Change, parseKey, type Texts } from "./tail_event.ts";
import { escapeControls, formatJsonLine, type Paint, type Style } from "../terminal.ts";

const OPERATION_STYLES: Readonly<Record<string, Style>> = {
  insert: "green",
  update: "yellow",
  delete: "red",
};

const VALUE_LENGTH_MAX = 100;

/**
 * `12:00:00.000 update issues 17  status: open → done`. Columns of the primary key are told by the
 * key alone. With its newline.
 */
export function formatChange(
  change: Change,
  keyColumns: readonly string[],
  nowMs: number,
  paint: Paint,
): string {
  const { operation, table, key } = change;
  const head = [
    paint("gray", new Date(nowMs).toISOString().slice(11, 23)),
    paint(OPERATION_STYLES[operation] ?? "magenta", escapeControls(operation).padEnd(6)),
    paint("cyan", escapeControls(table)),
    paint("bold", escapeControls(shorten(parseKey(key)?.join("/") ?? key))),
  ];
  const columns = Object.keys(change.value).filter((name) => !keyColumns.includes(name));
  const shown = change.oldValue ? columns.filter((name) => isChanged(change, name)) : columns;
  const values = shown.map((name) => formatColumn(name, change, paint));
  return `${[head.join(" "), ...values].join("  ")}\n`;
}

/** With `--replica full` an update has all columns: the old row has those that changed. */
function isChanged({ operation, value, oldValue = {} }: Change, name: string): boolean {
  return operation !== "update" || (name in oldValue && oldValue[name] !== value[name]);
}

function formatColumn(name: string, { value, oldValue }: Change, paint: Paint): string {
  const label = paint("gray", `${escapeControls(name)}:`);
  const now = formatValue(value[name], paint);
  if (!oldValue || !(name in oldValue)) return `${label} ${now}`;
  return `${label} ${formatValue(oldValue[name], paint)} ${paint("gray", "→")} ${now}`;
}

function formatValue(value: unknown, paint: Paint): string {
  if (value === null || value === undefined) return paint("gray", "null");
  const text = typeof value === "string" ? value : JSON.stringify(value);
  // Bare where nobody could take it for something else.
  const isBare = /^[^\s"'→]+$/.test(text) && text !== "null";
  const shown = escapeControls(shorten(text));
  return isBare ? shown : `"${shown}"`;
}

function shorten(text: string): string {
  return text.length > VALUE_LENGTH_MAX ? `${text.slice(0, VALUE_LENGTH_MAX)}…` : text;
}

/** One object with the names of docs/CLI.md; with its newline. */
export function formatChangeJson(change: Change, nowMs: number): string {
  const { table, operation, key, value, oldValue, place, txids } = change;
  return formatEventJson(nowMs, {
    table,
    operation,
    key,
    value,
    old_value: oldValue ?? null,
    lsn: place ? `${place.lsn}` : null,
    offset: place ? `${place.lsn}_${place.position}` : null,
    txids,
  });
}

/** Of what is not a change: `control` or `mode`. */
export function formatEventJson(nowMs: number, fields: Texts): string {
  return `${formatJsonLine({ time: new Date(nowMs).toISOString(), ...fields })}\n`;
}
