import { notStrictEqual as differ, ok, strictEqual as equal } from "node:assert/strict";
import type { ShapeDefinition } from "../../../shapes/definition.ts";
import { RowHasher } from "../../../shapes/reconcile/row_hasher.ts";
import { ItemBytes, type Texts } from "../../support/scanned_items.ts";
import { definition, table } from "../../support/shape_fixture.ts";

const wide = definition(table({
  columns: [
    { name: "addr", typeName: "inet", keyIndex: 1 },
    { name: "flag", typeName: "bool", keyIndex: 0 },
    { name: "flags", typeName: "bool", dims: 1 },
    { name: "text" },
  ],
}));

function hashes(of: ShapeDefinition, bytes: Uint8Array): { key: string; row: string } {
  const hasher = new RowHasher(of, 99);
  ok(hasher.scanner.scan(bytes, 0) > 0);
  hasher.key(bytes);
  hasher.row(bytes);
  return {
    key: `${hasher.keyLo} ${hasher.keyHi}`,
    row: `${hasher.rowLo} ${hasher.rowHi}`,
  };
}

const inserted = (texts: Texts) => hashes(wide, new ItemBytes(wide).insert(texts).take());
const read = (texts: Texts) => hashes(wide, new ItemBytes(wide).snapshotRow(texts).take());

Deno.test("RowHasher takes a snapshot's row and the stream's for the same", () => {
  const snapshot = read(["10.0.0.1/32", "true", "{t,f}", "x"]);
  const stream = inserted(["10.0.0.1", "t", "{t,f}", "x"]);
  equal(snapshot.key, stream.key);
  equal(snapshot.row, stream.row);
});

Deno.test("RowHasher tells rows apart by any column, and by which column has a value", () => {
  const base = inserted(["10.0.0.1", "t", "{t}", "x"]).row;
  for (
    const other of [
      ["10.0.0.2", "t", "{t}", "x"],
      ["10.0.0.1", "f", "{t}", "x"],
      ["10.0.0.1", "t", "{true}", "x"],
      ["10.0.0.1", "t", "x", "{t}"],
      ["10.0.0.1", "t", "{t}", null],
      ["10.0.0.1", "t", "{t}", ""],
    ]
  ) differ(inserted(other).row, base);
});

Deno.test("RowHasher puts a row together from its columns, whichever item named them", () => {
  const hasher = new RowHasher(wide, 99);
  const detail = new Int32Array(8);
  const before: Texts = ["::1", "f", null, "old"], after: Texts = ["::1", "f", "{f}", null];
  for (
    const bytes of [
      new ItemBytes(wide).snapshotRow(before).take(),
      new ItemBytes(wide).update(before, after).take(),
    ]
  ) {
    hasher.scanner.scan(bytes, 0);
    hasher.columns(bytes, detail, 0);
  }
  equal(hasher.scanner.isWhole, true);
  hasher.rowOf(detail, 0);
  equal(`${hasher.rowLo} ${hasher.rowHi}`, inserted(after).row);
});

Deno.test("RowHasher.keyText() hashes a key like that of an item", () => {
  const hasher = new RowHasher(wide, 99);
  const bytes = new ItemBytes(wide).insert(["1.2.3.4", "t", null, null]).take();
  hasher.scanner.scan(bytes, 0);
  hasher.key(bytes);
  const { keyLo, keyHi, scanner: { keyStart, keyEnd } } = hasher;
  hasher.keyText(bytes.slice(keyStart, keyEnd));
  equal(hasher.keyLo, keyLo);
  equal(hasher.keyHi, keyHi);
});
