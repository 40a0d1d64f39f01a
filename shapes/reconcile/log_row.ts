/** Rows as a shape's log has them, brought to the spelling of the stream. */

import type { ShapeDefinition } from "../definition.ts";
import { type Row, rowOfTexts } from "../row.ts";
import { hashKind } from "./row_hasher.ts";
import type { HashKind } from "./row_hash.ts";

const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/** The row that an item tells of; columns that it does not name are NULL. */
export function rowOfItem(
  { columns }: ShapeDefinition,
  bytes: Uint8Array,
  start: number,
  end: number,
): Row {
  // Past the comma.
  const item = JSON.parse(decoder.decode(bytes.subarray(start + 1, end))) as {
    value: Record<string, string | null>;
  };
  return rowOfTexts(columns.map((column) => {
    const text = Object.hasOwn(item.value, column.name) ? item.value[column.name] : null;
    return text === null ? null : asStreamed(hashKind(column), text);
  }));
}

/** A value of the log, spelled as the stream spells it. */
export function asStreamed(kind: HashKind, text: string): string {
  switch (kind) {
    case "plain":
      return text;
    case "bool":
      return text.slice(0, 1);
    case "inet":
      return text.replace(text.includes(":") ? /\/128$/ : /\/32$/, "");
  }
}
