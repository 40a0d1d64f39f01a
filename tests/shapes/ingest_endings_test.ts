import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
import type { Shape } from "../../shapes/shape.ts";
import { Row, rowOfTexts, UNCHANGED_LENGTH } from "../../shapes/row.ts";
import { loadParser } from "../../shapes/where/parse.ts";
import {
  announce,
  begin,
  Changes,
  commit,
  IngestWorld,
  logItems,
  summary,
  transaction,
} from "../support/ingest_world.ts";
import { relation, table } from "../support/shape_fixture.ts";

await loadParser();

const items = new Changes();
const values = (shape: Shape) => logItems(shape).map(({ value }) => value);

/** Saw every transaction of these tests. */
const EVERYTHING = { xmin: 900n, xmax: 900n, inProgress: [], walPosition: 10_000n };

Deno.test("Ingest ends the shapes of a truncated table, and no other", async () => {
  const world = new IngestWorld();
  const others = table({ oid: 6000, name: "others" });
  const [gone, filtered, other] = [
    world.shape(table()),
    world.shape(table(), { where: "n = 1" }),
    world.shape(others),
  ];
  const seen = world.shape(table(), {}, { ...EVERYTHING });
  await world.accept(
    begin(100),
    items.announced,
    items.insert("1", "1", "x"),
    items.truncate(),
    items.insert("2", "1", "x"),
    commit(110),
  );
  deepEqual([gone, filtered, other, seen].map(({ isGone }) => isGone), [true, true, false, false]);
  equal(world.ended.get(gone.handle), "The table was truncated");
  equal(world.store.calls.includes(`appendLog ${gone.handle}`), false);
});

Deno.test("Ingest goes on with shapes that an announced relation still fits", async () => {
  const world = new IngestWorld();
  const shape = world.shape(table(), { where: "n = 1" });
  const reordered = new Changes(
    relation(table({
      columns: [{ name: "v" }, { name: "n", typeName: "int4" }, { name: "id", typeName: "int4" }],
    })),
  );
  await world.accept(
    ...transaction(100, items.announced, items.insert("1", "1", "x")),
    ...transaction(200, items.announced, items.insert("2", "1", "x")),
    ...transaction(300, reordered.announced, reordered.insert("x", "1", "3")),
  );
  deepEqual(summary(shape), ['insert "1" @100_0', 'insert "2" @200_0', 'insert "3" @300_0']);
  deepEqual(values(shape)[2], { id: "3", n: "1", v: "x" });
});

Deno.test("Ingest ends just the shapes that an announced relation no longer fits", async () => {
  const world = new IngestWorld();
  const wider = table({
    columns: [
      { name: "id", typeName: "int4", keyIndex: 0 },
      { name: "n", typeName: "int8" },
      { name: "v" },
    ],
  });
  const all = world.shape(table());
  const own = world.shape(table(), { columns: "id,v" });
  const filtered = world.shape(table(), { columns: "id,v", where: "n = 1" });
  const changes = new Changes(wider);
  await world.accept(
    ...transaction(100, items.announced, items.insert("1", "1", "x")),
    ...transaction(200, changes.announced, changes.insert("2", "1", "x")),
  );
  deepEqual([all, own, filtered].map(({ isGone }) => isGone), [true, false, true]);
  deepEqual(summary(own), ['insert "1" @100_0', 'insert "2" @200_0']);
});

Deno.test("Ingest ends the shapes of a table that another of its name has replaced", async () => {
  const world = new IngestWorld();
  const [old, other] = [world.shape(table()), world.shape(table({ oid: 6000, name: "others" }))];
  const replaced = new Changes(table({ oid: 7000 }));
  await world.accept(...transaction(100, replaced.announced, replaced.insert("1", "1", "x")));
  deepEqual([old.isGone, other.isGone], [true, false]);
});

Deno.test("Ingest does not end a shape for an announcement that its snapshot was made after", async () => {
  const world = new IngestWorld();
  const before = relation(table({ columns: [{ name: "id", typeName: "int4", keyIndex: 0 }] }));
  const shape = world.shape(table(), {}, { ...EVERYTHING, walPosition: 150n });
  await world.accept(
    ...transaction(100, announce(before), new Changes(before).insert("1")),
    ...transaction(200, items.announced, items.insert("2", null, null)),
  );
  equal(shape.isGone, false);
  deepEqual(summary(shape), ['insert "2" @200_0']);
});

Deno.test("Ingest gives a whole-table shape a blind update with every column", async () => {
  const world = new IngestWorld();
  const blind = new Changes(relation(table(), { identity: "default" }));
  const shape = world.shape(table());
  await world.accept(
    begin(100),
    blind.announced,
    blind.updateBlind(undefined, rowOfTexts(["1", null, "x"])),
    blind.updateBlind(rowOfTexts(["1", null, null]), rowOfTexts(["2", null, "x"])),
    blind.deleteBlind("2", null, null),
    commit(110),
  );
  deepEqual(summary(shape), [
    'update "1" @100_0',
    'delete "1" @100_2',
    'insert "2" @100_3',
    'delete "2" @100_4',
  ]);
  deepEqual(values(shape).at(0), { id: "1", n: null, v: "x" });
  deepEqual(values(shape).at(-1), { id: "2" });
  deepEqual(world.unprepared, ["items", "items", "items"]);
});

Deno.test("Ingest tells of shapes that a blind change leaves in doubt", async () => {
  const noKey = table({
    columns: [{ name: "id", typeName: "int4" }, { name: "n", typeName: "int4" }, { name: "v" }],
  });
  for (
    const [of, changed, isFine] of [
      [table(), {}, true],
      [table(), { where: "n = 1" }, false],
      [table(), { replica: "full" }, false],
      [noKey, {}, false],
    ] as const
  ) {
    for (const isDelete of [false, true]) {
      const world = new IngestWorld();
      const blind = new Changes(relation(of, { identity: "default" }));
      const shape = world.shape(of, changed);
      const change = isDelete
        ? blind.deleteBlind("1", null, null)
        : blind.updateBlind(undefined, rowOfTexts(["1", "1", "x"]));
      await world.accept(...transaction(100, blind.announced, change));
      equal(shape.isFollowed, isFine);
      deepEqual([...world.lost.values()], isFine ? [] : ["A change came without its old row"]);
      deepEqual(summary(shape).length, isFine ? 1 : 0);
    }
  }
});

Deno.test("Ingest tells of a shape that needs a value which a blind update left out", async () => {
  const blind = new Changes(relation(table(), { identity: "default" }));
  const text = new TextEncoder().encode("15");
  const row = new Row(text, [0, 1, 2], [1, 1, UNCHANGED_LENGTH]);
  const world = new IngestWorld();
  const [all, narrow] = [world.shape(table()), world.shape(table(), { columns: "id,n" })];
  await world.accept(...transaction(100, blind.announced, blind.updateBlind(undefined, row)));
  deepEqual([all.isFollowed, summary(all)], [false, []]);
  deepEqual(values(narrow), [{ id: "1", n: "5" }]);
});
