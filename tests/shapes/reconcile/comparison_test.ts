import { deepStrictEqual as deepEqual, ok, strictEqual as equal } from "node:assert/strict";
import { ItemEncoder } from "../../../shapes/log/item_encoder.ts";
import { Comparison } from "../../../shapes/reconcile/comparison.ts";
import { DifferenceLog } from "../../../shapes/reconcile/difference_log.ts";
import { Fold } from "../../../shapes/reconcile/fold.ts";
import { copyText } from "../../support/arbitrary.ts";
import { IngestWorld, storedItems } from "../../support/ingest_world.ts";
import { ItemBytes, type Texts } from "../../support/scanned_items.ts";
import { table } from "../../support/shape_fixture.ts";
import { TestLog } from "../../support/stored_log.ts";

const row = (id: string, n = "1", v = "a"): Texts => [id, n, v];

/** A log of the rows, whose later transaction gives some of them other values. */
async function open(
  rows: readonly Texts[],
  options: { replica?: "full"; updates?: readonly [Texts, Texts][] } = {},
) {
  const world = new IngestWorld();
  const shape = world.shape(table(), { replica: options.replica ?? "default" });
  shape.freeze();
  const { definition } = shape;
  const log = new TestLog(definition);
  const snapshot = new ItemBytes(definition);
  for (const each of rows) snapshot.snapshotRow(each);
  log.chunks.push(snapshot.take());
  const items = new ItemBytes(definition, 100n);
  for (const [old, now] of options.updates ?? []) items.update(old, now);
  log.entries.push({ last: { lsn: 100n, op: 99 }, bytes: items.take() });
  const fold = new Fold(log, { seed: 1 });
  await fold.read(log.end);
  const placeOf = (name: string) => definition.columns.findIndex((column) => column.name === name);
  const encoder = new ItemEncoder(definition, placeOf);
  const differences = new DifferenceLog({
    shape,
    encoder,
    committedLsn: () => 104n,
    atBoundary: (run) => run(),
    ready: () => Promise.resolve(),
    table: fold.table,
  });
  const comparison = new Comparison(shape, fold, differences, encoder);
  /** Rows of the database, written by the transaction. */
  const sees = (xmin: string, ...texts: Texts[]) =>
    comparison.add(copyText(texts.map((each) => [...each, xmin])));
  const found = async () =>
    (await storedItems(world.store, shape.handle)).map((
      { key, value, old_value, headers: { operation, txids } },
    ) => [operation, key.slice(key.indexOf("/") + 1), value, old_value, txids]);
  const markLater = (id: string) => {
    const bytes = new ItemBytes(definition).insert(row(id)).take();
    fold.hasher.scanner.scan(bytes, 0);
    fold.hasher.key(bytes);
    fold.table.markLater(fold.table.enter(fold.hasher.keyLo, fold.hasher.keyHi));
  };
  return { comparison, differences, log, sees, found, markLater };
}

Deno.test("Comparison finds what is new and what is otherwise, and nothing in what is the same", async () => {
  const { comparison, differences, sees, found } = await open([row("1"), row("2"), row("3")]);
  equal(sees("700", row("1"), row("2", "5")), undefined);
  equal(sees("701", row("3"), row("4")), undefined);
  await comparison.finish([]);
  deepEqual(await found(), [
    ["update", '"2"', { id: "2", n: "5", v: "a" }, undefined, [700]],
    ["insert", '"4"', { id: "4", n: "1", v: "a" }, undefined, [701]],
  ]);
  deepEqual([comparison.rows, differences.count], [4, 2]);
});

Deno.test("Comparison deletes what the database does not have, by those who may have", async () => {
  const { comparison, sees, found } = await open([row("1"), row("2"), row("3")]);
  sees("700", row("2"));
  await comparison.finish([710, 711]);
  deepEqual(await found(), [
    ["delete", '"1"', { id: "1" }, undefined, [710, 711]],
    ["delete", '"3"', { id: "3" }, undefined, [710, 711]],
  ]);
});

Deno.test("Comparison leaves out what the log has newer things to tell of", async () => {
  const { comparison, sees, found, markLater } = await open([row("1"), row("2"), row("3")]);
  for (const id of ["1", "2", "4"]) markLater(id);
  sees("700", row("1", "9"), row("3"), row("4"));
  await comparison.finish([]);
  deepEqual(await found(), [], "neither changed, nor gone, nor new");
});

Deno.test("Comparison takes the same row twice for one", async () => {
  const { comparison, sees, found } = await open([]);
  sees("700", row("1"), row("1"));
  await comparison.finish([]);
  equal((await found()).length, 1);
});

Deno.test("Comparison tells readers of replica=full what the log had last", async () => {
  const { comparison, sees, found } = await open([row("1"), row("2"), row("3")], {
    replica: "full",
    updates: [[row("1"), row("1", "2")], [row("1", "2"), row("1", "3", "b")]],
  });
  sees("700", row("1", "4", "b"), row("2"));
  await comparison.finish([]);
  deepEqual(await found(), [
    ["update", '"1"', { id: "1", n: "4", v: "b" }, { n: "3" }, [700]],
    ["delete", '"3"', { id: "3", n: "1", v: "a" }, undefined, undefined],
  ]);
});

Deno.test("I10: Comparison reads old rows as often as new ones would take too much memory", async () => {
  const count = 80, large = "x".repeat(500_000);
  const rows = Array.from({ length: count }, (_, i) => row(`${i}`));
  const { comparison, log, sees, found } = await open(rows, { replica: "full" });
  const before = log.reads;
  let waits = 0;
  for (const [id] of rows) {
    const wait = sees("700", row(`${id}`, "2", large));
    if (wait) waits++;
    await wait;
  }
  await comparison.finish([]);
  ok(waits >= 2, "40 MB were compared");
  equal(log.reads - before, 3, "16 MB at a time");
  const items = await found();
  equal(items.length, count);
  ok(items.every(([operation]) => operation === "update"));
});
