import {
  deepStrictEqual as deepEqual,
  ok,
  rejects,
  strictEqual as equal,
  throws,
} from "node:assert/strict";
import { ItemEncoder, transactionHeader } from "../../shapes/log/item_encoder.ts";
import { JsonWriter } from "../../shapes/log/json_writer.ts";
import { PageCache } from "../../shapes/log/page_cache.ts";
import { TailBudget } from "../../shapes/log/tail.ts";
import { type Offset, SNAPSHOT_END } from "../../shapes/offset.ts";
import { rowOfTexts } from "../../shapes/row.ts";
import type { Page } from "../../shapes/service.ts";
import { Shape } from "../../shapes/shape.ts";
import { DrivenStore } from "../support/driven_store.ts";
import { parseItems } from "../support/log_replayer.ts";
import { EMPTY_VISIBILITY } from "../support/scripted_source.ts";
import { definition, table } from "../support/shape_fixture.ts";

const bytes = (text: string) => new TextEncoder().encode(text);
const at = (lsn: number, op: number): Offset => ({ lsn: BigInt(lsn), op });
const since = (lsn: number, op: number) => ({ kind: "at" as const, offset: at(lsn, op) });
const BEFORE = { kind: "before" } as const;
const MAKE = { lsn: 0n, op: Infinity };

function open(definitionOf = definition()) {
  const store = new DrivenStore();
  const resources = { store, tails: new TailBudget(), pages: new PageCache(), chunkBytes: 100 };
  store.createShape("1-1", "");
  return { store, resources, shape: new Shape("1-1", definitionOf, resources, 0) };
}

/** A shape whose snapshot is one chunk with nothing in it but `,{}`. */
function opened() {
  const world = open();
  world.shape.markVisible(EMPTY_VISIBILITY);
  world.shape.appendSnapshot(bytes(",{}"), true);
  world.shape.completeSnapshot();
  return world;
}

function append(shape: Shape, lsn: number, op: number, isChunkEnd = false): void {
  const text = `,{"headers":{"op_position":${op}}}`;
  shape.append({ first: at(lsn, op), last: at(lsn, op), bytes: bytes(text) }, isChunkEnd);
}

const told = (page: Page | undefined) => page && [page.until, page.isUpToDate, page.hasData];

Deno.test("Shape is started when its snapshot has its first bytes, and stays so", async () => {
  const { shape } = open();
  const started = shape.started();
  shape.markVisible(EMPTY_VISIBILITY);
  equal(shape.isStarted, false);
  shape.appendSnapshot(bytes("{}"), false);
  await started;
  equal(shape.isStarted, true);
  shape.end();
  await shape.started();
});

Deno.test("Shape.started() rejects with the reason when there will be no snapshot", async () => {
  const failed = open().shape, dropped = open().shape;
  failed.end(new TypeError("No such thing"));
  dropped.end();
  await rejects(failed.started(), { message: "No such thing" });
  await rejects(dropped.started(), { name: "ShapeGoneError" });
});

Deno.test("Shape.page() follows the snapshot while it is being read", () => {
  const { shape } = open();
  shape.markVisible(EMPTY_VISIBILITY);
  deepEqual(told(shape.page(BEFORE)), [at(0, 0), false, true]);
  equal(shape.page(since(0, 0)), undefined);
  equal(shape.page(since(0, Infinity)), undefined);
  equal(shape.page(since(7, 0)), undefined);
  shape.appendSnapshot(bytes(",{}"), true);
  shape.appendSnapshot(bytes(",{}"), false);
  deepEqual(told(shape.page(since(0, 0))), [at(0, 1), false, true]);
  equal(shape.page(since(0, 1)), undefined);
});

Deno.test("Shape.page() answers every kind of since once the snapshot is whole", () => {
  const { shape } = opened();
  deepEqual(told(shape.page(BEFORE)), [at(0, 0), false, true]);
  for (const offset of [since(0, 0), since(0, 5), since(0, Infinity)]) {
    deepEqual(told(shape.page(offset)), [SNAPSHOT_END, true, false]);
  }
  append(shape, 10, 0);
  append(shape, 10, 2);
  deepEqual(told(shape.page(since(0, 0))), [SNAPSHOT_END, true, false], "I2: not published");
  shape.publish();
  deepEqual(shape.head, at(10, 2));
  deepEqual(told(shape.page(BEFORE)), [at(0, 0), false, true]);
  for (const offset of [since(0, 0), since(0, 5), since(0, Infinity), since(9, 1), since(10, 0)]) {
    deepEqual(told(shape.page(offset)), [at(10, 2), true, true]);
  }
  deepEqual(told(shape.page(since(10, 2))), [at(10, 2), true, false]);
  deepEqual(told(shape.page(since(99, 0))), [at(99, 0), true, false]);
});

Deno.test("Shape.page() throws once the shape is gone", () => {
  const { shape } = opened();
  shape.end();
  equal(shape.isGone, true);
  throws(() => shape.page(BEFORE), { name: "ShapeGoneError", message: 'Shape "1-1" is gone' });
});

Deno.test("Shape ends chunks of the log where the bytes reach the limit", () => {
  const { shape, store } = opened();
  deepEqual([40, 40, 19].map((size) => shape.countItem(size)), [false, false, false]);
  equal(shape.countItem(1), true);
  append(shape, 10, 0, true);
  equal(shape.countItem(99), false);
  append(shape, 10, 2);
  shape.publish();
  deepEqual(told(shape.page(since(0, Infinity))), [at(10, 0), false, true]);
  deepEqual(store.calls.slice(-3), ["appendLog 1-1", "endChunk 1-1", "appendLog 1-1"]);
});

Deno.test("Shape.watch() tells of chunks, the end of the snapshot, new heads and the end", () => {
  const { shape } = open();
  let count = 0;
  const unwatch = shape.watch(() => count++);
  shape.markVisible(EMPTY_VISIBILITY);
  shape.appendSnapshot(bytes(",{}"), true);
  equal(count, 1);
  shape.completeSnapshot();
  equal(count, 2);
  append(shape, 10, 0);
  shape.publish();
  equal(count, 2);
  shape.wake();
  equal(count, 3);
  shape.end();
  shape.end();
  equal(count, 4);
  unwatch();
  shape.wake();
  equal(count, 4);
});

Deno.test("Shape.watch(): a listener may leave and come back while it is told", () => {
  const { shape } = opened();
  let count = 0;
  const listener = () => {
    if (++count > 10) return;
    unwatch();
    unwatch = shape.watch(listener);
  };
  let unwatch = shape.watch(listener);
  shape.wake();
  equal(count, 1);
  shape.wake();
  equal(count, 2);
});

Deno.test("Shape goes on where a stored one ended", () => {
  const { resources } = open();
  const shape = new Shape("1-1", definition(), resources, 0, {
    shape: {
      handle: "1-1",
      meta: "",
      snapshot: "",
      standing: undefined,
      head: at(30, 4),
      openChunkBytes: 90,
      chunkEnds: [at(20, 0)],
    },
    chunks: [3, 3],
    visibility: EMPTY_VISIBILITY,
  });
  equal(shape.isStarted, true);
  equal(shape.isComplete, true);
  deepEqual([shape.head, shape.appended], [at(30, 4), at(30, 4)]);
  deepEqual(told(shape.page(BEFORE)), [at(0, 0), false, true]);
  deepEqual(told(shape.page(since(0, 0))), [at(0, 1), false, true]);
  deepEqual(told(shape.page(since(0, 1))), [at(20, 0), false, true]);
  deepEqual(told(shape.page(since(20, 0))), [at(30, 4), true, true]);
  equal(shape.countItem(10), true);
});

Deno.test("Shape.updateTable() takes the table's new facts over", () => {
  const { shape } = open();
  const now = table({
    columns: [
      { name: "id", typeName: "int4", keyIndex: 0 },
      { name: "n", typeName: "int4", isNotNull: true },
      { name: "v" },
    ],
  });
  shape.updateTable(now);
  equal(shape.definition.table, now);
  equal(JSON.parse(shape.schemaHeader).n.not_null, true);
});

Deno.test("Shape.updateTable() leaves the key among the columns: items must go on naming it", () => {
  const { shape } = open();
  shape.updateTable(table());
  const { columns, key } = shape.definition;
  ok(key.every((column) => columns.includes(column)));
  const writer = new JsonWriter();
  const encoder = new ItemEncoder(shape.definition, (name) => ["id", "n", "v"].indexOf(name));
  encoder.delete(writer, rowOfTexts(["1", "2", "3"]), transactionHeader(1n, 1), 0, true);
  deepEqual(parseItems(writer.take()).map(({ value }) => value), [{ id: "1" }]);
});

Deno.test("Shape remembers when it was last used", () => {
  const { shape } = open();
  equal(shape.lastUsedMs, 0);
  shape.touch(12);
  equal(shape.lastUsedMs, 12);
  deepEqual(shape.head, MAKE);
});
