import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
import { ItemEncoder } from "../../../shapes/log/item_encoder.ts";
import type { Operation } from "../../../shapes/operation.ts";
import { Fold } from "../../../shapes/reconcile/fold.ts";
import { Overlap } from "../../../shapes/reconcile/overlap.ts";
import { rowOfTexts } from "../../../shapes/row.ts";
import { ItemBytes, type Texts } from "../../support/scanned_items.ts";
import { definition } from "../../support/shape_fixture.ts";
import { TestLog } from "../../support/stored_log.ts";

const OF = definition();
const encoder = new ItemEncoder(OF, (name) => OF.columns.findIndex((each) => each.name === name));

/** The log has row 1; row 2 is a difference not yet appended; row 3 is one that will be deleted. */
async function overlap(replica: "default" | "full" = "default") {
  const log = new TestLog(OF);
  const row = (id: string): Texts => [id, "1", "a"];
  log.chunks.push(new ItemBytes(OF).snapshotRow(row("1")).snapshotRow(row("3")).take());
  const fold = new Fold(log, { seed: 1 });
  await fold.read(log.end);
  const at = (id: string) => {
    const bytes = new ItemBytes(OF).insert(row(id)).take();
    fold.hasher.scanner.scan(bytes, 0);
    fold.hasher.key(bytes);
    return fold.table.enter(fold.hasher.keyLo, fold.hasher.keyHi);
  };
  const two = at("2");
  fold.table.setRow(two, 1, 1);
  fold.table.markPending(two);
  const three = at("3");
  fold.table.remove(three);
  fold.table.markPending(three);
  return { overlap: new Overlap(fold, replica), table: fold.table, at };
}

function operation(kind: Operation["kind"], old: string | undefined, row: string | undefined) {
  const texts = (id: string | undefined) =>
    id === undefined ? undefined : rowOfTexts([id, "9", "z"]);
  return { kind, encoder, old: texts(old), row: texts(row), op: 6 };
}

function told(operations: readonly Operation[]): string[] {
  return operations.map(({ kind, old, row, op }) =>
    `${kind} ${old?.text(0) ?? "-"} ${row?.text(0) ?? "-"} @${op}`
  );
}

/** What an operation becomes, by whether the log has its rows: 1 and 3 it has, 2 and 4 it lacks. */
const CASES:
  readonly (readonly [Operation["kind"], string | undefined, string | undefined, string[]])[] = [
    ["insert", undefined, "1", ["update - 1 @6"]],
    ["insert", undefined, "2", ["insert - 2 @6"]],
    ["insert", undefined, "3", ["update - 3 @6"]],
    ["insert", undefined, "4", ["insert - 4 @6"]],
    ["update", "1", "1", ["update - 1 @6"]],
    ["update", undefined, "1", ["update - 1 @6"]],
    ["update", "2", "2", ["insert - 2 @6"]],
    ["update", undefined, "4", ["insert - 4 @6"]],
    ["delete", "1", undefined, ["delete 1 - @6"]],
    ["delete", "2", undefined, []],
    ["delete", "3", undefined, ["delete 3 - @6"]],
    ["delete", "4", undefined, []],
    ["update", "1", "4", ["update 1 4 @6"]],
    ["update", "1", "3", ["delete 1 - @6", "update - 3 @7"]],
    ["update", "2", "4", ["insert - 4 @7"]],
    ["update", "4", "1", ["update - 1 @7"]],
  ];

Deno.test("Overlap.fit() makes of each operation what it is to the log as it is", async () => {
  for (const [kind, old, row, expected] of CASES) {
    const world = await overlap();
    deepEqual(
      told(world.overlap.fit(operation(kind, old, row))),
      expected,
      `${kind} ${old} ${row}`,
    );
    for (const id of [old, row]) {
      if (id !== undefined) equal(world.table.isLater(world.at(id)), true);
    }
    if (row !== undefined) equal(world.table.isInLog(world.at(row)), true);
    if (old !== undefined && old !== row) equal(world.table.isInLog(world.at(old)), false);
  }
});

Deno.test("Overlap.fit() goes by what it has made of the operations before", async () => {
  const { overlap: world } = await overlap();
  const steps = [
    operation("insert", undefined, "2"),
    operation("update", "2", "2"),
    operation("delete", "2", undefined),
    operation("delete", "2", undefined),
    operation("insert", undefined, "2"),
  ];
  deepEqual(steps.map((step) => told(world.fit(step)).join()), [
    "insert - 2 @6",
    "update - 2 @6",
    "delete 2 - @6",
    "",
    "insert - 2 @6",
  ]);
});

Deno.test("Overlap.fit() keeps the old row for readers who are told of it", async () => {
  const { overlap: world } = await overlap("full");
  deepEqual(told(world.fit(operation("update", "1", "1"))), ["update 1 1 @6"]);
});
