/** Decoding pgoutput: nanoseconds a message, from its bytes to the domain's events. */

import assert from "node:assert/strict";
import { assemble, createAssembler } from "../../replication/assemble.ts";
import { decodePgoutput } from "../../replication/pgoutput.ts";
import type { StreamEvent } from "../../shapes/change.ts";
import { allGoldenBytes } from "../support/golden_pgoutput.ts";
import { type Figures, mbPerSecond, nsPer, sized, workload } from "./support/bench.ts";
import {
  beginBytes,
  commitBytes,
  insertBytes,
  relationBytes,
  updateBytes,
} from "./support/pgoutput_bytes.ts";
import { RELATION, rowTexts } from "./support/sample.ts";

const COUNT = sized(5_000, 50);
const { oid } = RELATION;

function messages(make: (id: number) => Uint8Array): Uint8Array[] {
  return Array.from({ length: COUNT }, (_, id) => make(id));
}

function decodeAll(all: readonly Uint8Array[]): Figures {
  const ns = nsPer(all.length, () => all.forEach(decodePgoutput));
  const bytes = all.reduce((sum, { length }) => sum + length, 0);
  return {
    ns_per_message: ns,
    bytes_per_message: bytes / all.length,
    mb_per_s: mbPerSecond(bytes, ns * all.length / 1e6),
  };
}

const inserts = messages((id) => insertBytes(oid, rowTexts(id, "v1")));
const updates = messages((id) => updateBytes(oid, rowTexts(id, "v1"), rowTexts(id, "v2")));
const transaction = [
  beginBytes(100n, 7),
  relationBytes(RELATION),
  ...inserts,
  commitBytes(100n, 148n),
];

function assembleAll(): StreamEvent[] {
  const assembler = createAssembler();
  const events: StreamEvent[] = [];
  for (const bytes of transaction) {
    const event = assemble(assembler, decodePgoutput(bytes));
    if (event) events.push(event);
  }
  return events;
}

const insert = decodePgoutput(inserts[COUNT - 1]);
assert(insert.kind === "insert");
assert.deepEqual(rowTexts(COUNT - 1, "v1").map((_, i) => insert.row.text(i)), [
  ...rowTexts(COUNT - 1, "v1"),
]);
const update = decodePgoutput(updates[0]);
assert(update.kind === "update" && update.old?.text(1) === "v1" && update.row.text(1) === "v2");
assert.equal(assembleAll().filter(({ kind }) => kind === "change").length, COUNT);

await workload("insert of 6 columns", () => decodeAll(inserts));
await workload("update with its old row", () => decodeAll(updates));
await workload("captured messages of every kind", () => decodeAll(allGoldenBytes()));
await workload("insert, decoded and assembled", () => {
  return { ns_per_message: nsPer(transaction.length, assembleAll) };
});
