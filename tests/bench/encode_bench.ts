/** Encoding log items: nanoseconds an item, from a row's bytes to a client's. */

import assert from "node:assert/strict";
import { readCopyRows } from "../../shapes/log/copy_reader.ts";
import { ItemEncoder, transactionHeader } from "../../shapes/log/item_encoder.ts";
import { JsonWriter } from "../../shapes/log/json_writer.ts";
import { rowOfTexts } from "../../shapes/row.ts";
import { copyText } from "../support/arbitrary.ts";
import { type Item, parseItems } from "../support/log_replayer.ts";
import { definition } from "../support/shape_fixture.ts";
import { type Figures, mbPerSecond, nsPer, sized, workload } from "./support/bench.ts";
import { placeOf, rowTexts, TABLE } from "./support/sample.ts";

const COUNT = sized(5_000, 50);
const HEADER = transactionHeader(123_456_789n, 4321);
const DEFINITION = definition(TABLE);
const WIDTH = TABLE.columns.length;

const encoder = new ItemEncoder(DEFINITION, placeOf);
const fullEncoder = new ItemEncoder({ ...DEFINITION, replica: "full" }, placeOf);
const texts = Array.from({ length: COUNT }, (_, id) => rowTexts(id, "v1"));
const rows = texts.map(rowOfTexts);
const later = rows.map((_, id) => rowOfTexts(rowTexts(id, "v2")));
const copied = copyText(texts);
const escaped = copyText(texts.map((row) => row.map((text) => text.replaceAll("text", '\t"\\'))));

/** The rows are unescaped in place: each pass needs bytes of its own, which is part of its time. */
function encodeCopy(text: Uint8Array): (writer: JsonWriter) => void {
  return (writer) => readCopyRows(text.slice(), WIDTH, (row) => encoder.snapshotRow(writer, row));
}

function encodeUpdates(encoder: ItemEncoder): (writer: JsonWriter) => void {
  return (writer) =>
    rows.forEach((old, i) => encoder.update(writer, old, later[i], HEADER, 2 * i, false));
}

/** Checks what `encode` writes, then measures it. */
function measure(
  operation: Item["headers"]["operation"],
  encode: (writer: JsonWriter) => void,
): Figures {
  const writer = new JsonWriter();
  encode(writer);
  const bytes = writer.take();
  const items = parseItems(bytes);
  assert.equal(items.length, COUNT);
  assert(items.every(({ headers }) => headers.operation === operation));
  const ns = nsPer(COUNT, () => {
    encode(writer);
    writer.take();
  });
  return {
    ns_per_item: ns,
    bytes_per_item: bytes.length / COUNT,
    mb_per_s: mbPerSecond(bytes.length, ns * COUNT / 1e6),
  };
}

await workload("COPY text to items", () => measure("insert", encodeCopy(copied)));
await workload("COPY text with escapes to items", () => measure("insert", encodeCopy(escaped)));
await workload("insert", () =>
  measure("insert", (writer) => {
    rows.forEach((row, i) => encoder.insert(writer, row, HEADER, 2 * i, false));
  }));
await workload("update of one column", () => measure("update", encodeUpdates(encoder)));
await workload(
  "update of one column, replica full",
  () => measure("update", encodeUpdates(fullEncoder)),
);
