import assert from "node:assert/strict";
import { compareRows, RowTable, type RowValue } from "../../../cli/inspect/row_table.ts";

const item = (operation: string, key: string, value?: RowValue) => ({
  key,
  ...value ? { value } : {},
  headers: { operation },
});

Deno.test("RowTable comes to the rows that a client has", () => {
  const table = new RowTable();
  table.apply(item("insert", "a", { id: "1", v: "x", w: null }));
  table.apply(item("insert", "b", { id: "2", v: "y" }));
  table.apply(item("update", "a", { id: "1", v: "z" }));
  table.apply(item("delete", "b", { id: "2" }));
  table.apply({ headers: { control: "snapshot-end" } });
  assert.deepEqual([...table.rows], [["a", { id: "1", v: "z", w: null }]]);
  assert.deepEqual(table.items, { insert: 2, update: 1, delete: 1 });
});

const spell = (column: string, text: string) => column === "b" ? text.slice(0, 1) : text;
const rows = (entries: Record<string, RowValue>) => new Map(Object.entries(entries));

Deno.test("compareRows() finds nothing where only the spelling differs", () => {
  const shape = rows({ a: { b: "true", v: "1" } }), database = rows({ a: { v: "1", b: "t" } });
  assert.deepEqual(compareRows(shape, database, spell), []);
});

Deno.test("compareRows() names each difference, in the order of keys", () => {
  const shape = rows({ c: { v: "1" }, a: { v: null }, b: { v: "same" } });
  const database = rows({ d: { v: "2" }, a: { v: "" }, b: { v: "same" } });
  assert.deepEqual(compareRows(shape, database, spell), [
    { kind: "different", key: "a", columns: { v: [null, ""] } },
    { kind: "extra", key: "c", value: { v: "1" } },
    { kind: "missing", key: "d", value: { v: "2" } },
  ]);
});

Deno.test("compareRows() takes a column that the shape lacks for NULL", () => {
  assert.deepEqual(compareRows(rows({ a: {} }), rows({ a: { v: null } }), spell), []);
  assert.deepEqual(compareRows(rows({ a: {} }), rows({ a: { constructor: "x" } }), spell), [
    { kind: "different", key: "a", columns: { constructor: [null, "x"] } },
  ]);
});
