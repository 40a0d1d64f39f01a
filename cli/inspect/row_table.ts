/** What a shape's log comes to: the rows that a client has after reading it. */

import type { LogItem } from "./shape_reader.ts";

export type RowValue = Readonly<Record<string, string | null>>;

export class RowTable {
  readonly rows = new Map<string, RowValue>();
  /** Items by operation. */
  readonly items = { insert: 0, update: 0, delete: 0 };

  apply({ key, value, headers: { operation } }: LogItem): void {
    if (key === undefined) return;
    switch (operation) {
      case "insert":
        this.items.insert++;
        this.rows.set(key, value ?? {});
        break;
      case "update":
        this.items.update++;
        this.rows.set(key, { ...this.rows.get(key), ...value });
        break;
      case "delete":
        this.items.delete++;
        this.rows.delete(key);
        break;
    }
  }
}

export type RowDifference =
  /** The database has it and the shape has not, or the other way round. */
  | { readonly kind: "missing" | "extra"; readonly key: string; readonly value: RowValue }
  | {
    readonly kind: "different";
    readonly key: string;
    /** By column, the shape's first. */
    readonly columns: Readonly<Record<string, readonly [string | null, string | null]>>;
  };

/** By key. `spell` gives one spelling to a column's value, however it came. */
export function compareRows(
  shape: ReadonlyMap<string, RowValue>,
  database: ReadonlyMap<string, RowValue>,
  spell: (column: string, text: string) => string,
): readonly RowDifference[] {
  const differences: RowDifference[] = [];
  for (const [key, value] of shape) {
    const now = database.get(key);
    if (!now) differences.push({ kind: "extra", key, value });
    else {
      const columns = differingColumns(value, now, spell);
      if (Object.keys(columns).length > 0) differences.push({ kind: "different", key, columns });
    }
  }
  for (const [key, value] of database) {
    if (!shape.has(key)) differences.push({ kind: "missing", key, value });
  }
  return differences.toSorted((a, b) => a.key < b.key ? -1 : a.key > b.key ? 1 : 0);
}

function differingColumns(
  shape: RowValue,
  database: RowValue,
  spell: (column: string, text: string) => string,
): Record<string, [string | null, string | null]> {
  const differing: Record<string, [string | null, string | null]> = {};
  for (const column of new Set([...Object.keys(shape), ...Object.keys(database)])) {
    const [a, b] = [shape, database].map((row) => {
      const text = Object.hasOwn(row, column) ? row[column] : null;
      return text === null ? null : spell(column, text);
    });
    if (a !== b) differing[column] = [a, b];
  }
  return differing;
}
