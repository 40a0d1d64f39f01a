import { deepStrictEqual as deepEqual, ok, strictEqual as equal } from "node:assert/strict";
import { ItemEncoder } from "../../../shapes/log/item_encoder.ts";
import {
  type Difference,
  DifferenceLog,
  sizeOf,
} from "../../../shapes/reconcile/difference_log.ts";
import { RowTable } from "../../../shapes/reconcile/row_table.ts";
import { rowOfTexts } from "../../../shapes/row.ts";
import { IngestWorld, storedItems, transaction } from "../../support/ingest_world.ts";
import { table } from "../../support/shape_fixture.ts";

const LAST_LSN = 104;

/** A shape that lacks what a test adds; the log's table knows the keys 0, 1, … by their number. */
async function open() {
  const world = new IngestWorld();
  const shape = world.shape(table());
  await world.accept(...transaction(LAST_LSN));
  shape.freeze();
  const rows = new RowTable();
  const waiting: (() => void)[] = [];
  let isOpen = false, flushes = 0;
  const { columns } = shape.definition;
  const log = new DifferenceLog({
    shape,
    encoder: new ItemEncoder(shape.definition, (name) => columns.findIndex((c) => c.name === name)),
    committedLsn: () => world.ingest.positions.committedLsn,
    atBoundary: (run) => isOpen ? waiting.push(run) : run(),
    ready: () => {
      flushes++;
      return Promise.resolve();
    },
    table: rows,
  });
  const add = (number: number, changed: Partial<Difference> = {}, v = "x") => {
    const at = rows.enter(number * 7919 + 1, number);
    rows.setRow(at, 1, 1);
    rows.markPending(at);
    const row = rowOfTexts([`${number}`, null, v]);
    const keys = { keyLo: number * 7919 + 1, keyHi: number };
    log.add({ kind: "insert", old: undefined, row, xids: [], ...keys, ...changed });
    return at;
  };
  const items = async () => await storedItems(world.store, shape.handle);
  const positions = async () =>
    (await items()).map(({ headers: { operation, lsn, op_position, last } }) =>
      `${operation} ${lsn}_${op_position}${last ? " last" : ""}`
    );
  /** A transaction is under way until the function that is returned ends it. */
  const begin = () => {
    isOpen = true;
    return () => {
      isOpen = false;
      for (const run of waiting.splice(0)) run();
    };
  };
  return { world, shape, log, rows, add, items, positions, begin, flushes: () => flushes };
}

Deno.test("DifferenceLog puts items right after the last transaction, and marks the last one", async () => {
  const { shape, log, add, positions } = await open();
  const old = rowOfTexts(["2", "1", "a"]);
  add(1);
  add(2, { kind: "update", old });
  add(3, { kind: "delete", old, row: undefined });
  equal(log.count, 0);
  await log.flush(true);
  deepEqual(await positions(), ["insert 105_0", "update 105_1", "delete 105_2 last"]);
  deepEqual([log.inserts, log.updates, log.deletes, log.count], [1, 1, 1, 3]);
  deepEqual(log.first, { lsn: 105n, op: 0 });
  deepEqual([shape.appended, shape.head.lsn], [{ lsn: 105n, op: 2 }, 0n], "I2: it is frozen");
});

Deno.test("DifferenceLog keeps back what may be the last item, and goes on where it was", async () => {
  const { world, log, add, positions } = await open();
  add(1);
  await log.flush(false);
  deepEqual(await positions(), []);
  add(2);
  await log.flush(false);
  deepEqual(await positions(), ["insert 105_0"]);
  await log.flush(true);
  await log.flush(true);
  deepEqual(await positions(), ["insert 105_0", "insert 105_1 last"]);
  await world.accept(...transaction(112));
  add(3);
  await log.flush(true);
  deepEqual((await positions()).at(-1), "insert 113_0 last", "I3: beyond a transaction that came");
  deepEqual(log.first, { lsn: 105n, op: 0 });
});

Deno.test("DifferenceLog waits for a transaction's end, and goes by what the log tells then", async () => {
  const { world, log, rows, add, positions, begin } = await open();
  const newer = add(1);
  add(2);
  const end = begin();
  let isOver = false;
  const flushing = log.flush(true).then(() => isOver = true);
  await world.accept(...transaction(112));
  equal(isOver, false);
  rows.markLater(newer);
  end();
  await flushing;
  deepEqual(await positions(), ["insert 113_0 last"], "the stream has told of the first one");
  equal(log.count, 1);
});

Deno.test("DifferenceLog appends nothing where the stream has told of all", async () => {
  const { log, rows, add, positions, shape } = await open();
  const end = shape.appended;
  rows.markLater(add(1));
  await log.flush(true);
  deepEqual(await positions(), []);
  deepEqual([log.count, log.first, shape.appended], [0, undefined, end]);
});

Deno.test("DifferenceLog appends nothing to a shape that is gone", async () => {
  const { log, add, shape, positions } = await open();
  add(1);
  shape.end();
  await log.flush(true);
  deepEqual(await positions(), []);
});

Deno.test("DifferenceLog is full when much was gathered, by number and by size", async () => {
  const { log, add } = await open();
  for (let i = 0; i < 999; i++) add(i);
  equal(log.isFull, false);
  add(999);
  equal(log.isFull, true);
  await log.flush(false);
  equal(log.isFull, false);
  add(1000, {}, "x".repeat(256 * 1024));
  equal(log.isFull, true);
});

Deno.test("DifferenceLog waits for the store after each batch, and cuts entries to its values", async () => {
  const { log, add, items, flushes, world, shape } = await open();
  for (let i = 0; i < 40; i++) add(i, {}, "x".repeat(5_000));
  await log.flush(true);
  equal(flushes(), 1);
  equal((await items()).length, 40);
  const sizes: number[] = [];
  const until = { lsn: 200n, op: 0 };
  for await (const { bytes } of world.store.readLog(shape.handle, shape.head, until)) {
    sizes.push(bytes.length);
  }
  ok(sizes.length >= 4 && sizes.every((size) => size < 65_000), `${sizes}`);
});

Deno.test("DifferenceLog names the transactions of each item", async () => {
  const { log, add, items } = await open();
  for (const [number, xids] of [[1, [700]], [2, [700]], [3, [701, 702]], [4, []]] as const) {
    add(number, { xids });
  }
  await log.flush(true);
  deepEqual((await items()).map(({ headers }) => headers.txids ?? []), [
    [700],
    [700],
    [701, 702],
    [],
  ]);
});

Deno.test("sizeOf() counts texts, and nothing for what is null or absent", () => {
  equal(sizeOf(rowOfTexts(["12", null, "abc"])), 5);
  equal(sizeOf(undefined), 0);
});
