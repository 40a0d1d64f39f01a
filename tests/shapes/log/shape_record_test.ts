import assert from "node:assert/strict";
import { decodeShapeRecord, encodeShapeRecord } from "../../../shapes/log/shape_record.ts";

Deno.test("decodeShapeRecord() answers the texts that were encoded", () => {
  const records = [
    { meta: "", snapshot: undefined },
    { meta: "", snapshot: "" },
    { meta: "größer", snapshot: undefined },
    { meta: "\u{1f4a1}".repeat(50_000), snapshot: "x".repeat(100_000) },
  ];
  for (const record of records) {
    const values = encodeShapeRecord(record);
    assert(values.every((value) => value.length <= 65_536));
    assert.deepEqual(decodeShapeRecord(values), record);
  }
});

Deno.test("encodeShapeRecord() never needs fewer values once the snapshot is complete", () => {
  const meta = "m".repeat(65_531);
  const before = encodeShapeRecord({ meta, snapshot: undefined });
  const after = encodeShapeRecord({ meta, snapshot: "s" });
  assert.deepEqual([before.length, after.length], [1, 2]);
});

Deno.test("encodeShapeRecord() refuses texts that one commit cannot replace", () => {
  assert.throws(() => encodeShapeRecord({ meta: "m".repeat(800_000), snapshot: "" }), RangeError);
});

Deno.test("decodeShapeRecord() rejects a record that lacks a value", () => {
  const values = encodeShapeRecord({ meta: "m".repeat(100_000), snapshot: "s" });
  assert.throws(() => decodeShapeRecord(values.slice(0, 1)), RangeError);
  assert.throws(() => decodeShapeRecord([]), RangeError);
});
