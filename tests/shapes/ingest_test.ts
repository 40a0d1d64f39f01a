import {
  deepStrictEqual as deepEqual,
  ok,
  rejects,
  strictEqual as equal,
} from "node:assert/strict";
import type { Shape } from "../../shapes/shape.ts";
import { SNAPSHOT_END } from "../../shapes/offset.ts";
import { Row, rowOfTexts, UNCHANGED_LENGTH } from "../../shapes/row.ts";
import { loadParser } from "../../shapes/where/parse.ts";
import { DrivenStore } from "../support/driven_store.ts";
import {
  announce,
  begin,
  Changes,
  commit,
  IngestWorld,
  logItems,
  storedItems,
  summary,
  transaction,
} from "../support/ingest_world.ts";
import { relation, table } from "../support/shape_fixture.ts";

await loadParser();

const items = new Changes();
const values = (shape: Shape) => logItems(shape).map(({ value }) => value);

Deno.test("Ingest writes changes to every shape of the table, and to no other", async () => {
  const world = new IngestWorld();
  const others = table({ oid: 6000, name: "others" });
  const [all, same, other] = [world.shape(table()), world.shape(table()), world.shape(others)];
  await world.accept(
    begin(100),
    items.announced,
    items.insert("1", "10", "one"),
    items.update(["1", "10", "one"], ["1", "11", "one"]),
    items.delete("1", "11", "one"),
    commit(110),
  );
  for (const shape of [all, same]) {
    deepEqual(summary(shape), ['insert "1" @100_0', 'update "1" @100_2', 'delete "1" @100_4']);
    deepEqual(shape.head, { lsn: 100n, op: 4 });
  }
  deepEqual(values(all), [{ id: "1", n: "10", v: "one" }, { id: "1", n: "11" }, { id: "1" }]);
  deepEqual(other.head, SNAPSHOT_END);
  equal(world.ingest.lastSeenLsn, 100n);
});

Deno.test("Ingest counts every published change of the transaction, whomever it concerns", async () => {
  const world = new IngestWorld();
  const others = new Changes(table({ oid: 6000, name: "others" }));
  const shape = world.shape(table(), { where: "n > 5" });
  await world.accept(
    begin(100),
    items.announced,
    others.announced,
    others.insert("9", "9", "9"),
    items.insert("1", "1", "out"),
    items.update(["2", "7", "x"], ["2", "7", "x"]),
    items.insert("3", "9", "in"),
    commit(110),
  );
  deepEqual(summary(shape), ['insert "3" @100_6']);
});

Deno.test("Ingest turns updates across the filter's edge into inserts and deletes", async () => {
  const world = new IngestWorld();
  const shape = world.shape(table(), { where: "n >= 20" });
  await world.accept(
    begin(100),
    items.announced,
    items.update(["1", "10", "one"], ["1", "25", "one"]),
    items.update(["2", "20", "two"], ["2", "5", "two"]),
    items.update(["3", "30", "x"], ["3", "31", "x"]),
    items.update(["4", "1", "x"], ["4", "2", "x"]),
    items.update(["5", "30", "x"], ["50", "1", "x"]),
    items.update(["6", null, "x"], ["6", "99", "x"]),
    items.update(["7", "99", "x"], ["7", null, "x"]),
    commit(110),
  );
  deepEqual(summary(shape), [
    'insert "1" @100_0',
    'delete "2" @100_2',
    'update "3" @100_4',
    'delete "5" @100_8',
    'insert "6" @100_10',
    'delete "7" @100_12',
  ]);
  deepEqual(values(shape)[0], { id: "1", n: "25", v: "one" });
  deepEqual(values(shape)[2], { id: "3", n: "31" });
  equal(logItems(shape).at(-1)?.headers.last, true);
});

Deno.test("Ingest routes one change to shapes that it enters, stays in and leaves", async () => {
  const world = new IngestWorld();
  const [entered, stays, left, none] = ["n = 2", "n < 9", "n = 1", "n = 3"].map((where) =>
    world.shape(table(), { where })
  );
  await world.accept(
    ...transaction(100, items.announced, items.update(["1", "1", "a"], ["1", "2", "a"])),
    ...transaction(200, items.update(["1", "2", "a"], ["1", "1", "a"])),
  );
  deepEqual(summary(entered), ['insert "1" @100_0', 'delete "1" @200_0']);
  deepEqual(summary(stays), ['update "1" @100_0', 'update "1" @200_0']);
  deepEqual(summary(left), ['delete "1" @100_0', 'insert "1" @200_0']);
  deepEqual(summary(none), []);
});

Deno.test("Ingest drops updates that change nothing selected", async () => {
  const world = new IngestWorld();
  const narrow = world.shape(table(), { columns: "id,v" });
  const wide = world.shape(table(), { columns: "id,n" });
  await world.accept(
    ...transaction(100, items.announced, items.update(["1", "1", "a"], ["1", "2", "a"])),
  );
  deepEqual(summary(narrow), []);
  deepEqual(values(wide), [{ id: "1", n: "2" }]);
});

Deno.test("Ingest splits a changed key at op and op + 1", async () => {
  const world = new IngestWorld();
  const shape = world.shape(table());
  await world.accept(
    ...transaction(
      100,
      items.announced,
      items.update(["1", "1", "a"], ["2", "1", "a"]),
      items.insert("1", "5", "b"),
    ),
  );
  deepEqual(summary(shape), ['delete "1" @100_0', 'insert "2" @100_1', 'insert "1" @100_2']);
  const [from, to] = logItems(shape);
  equal(from.headers.key_change_to, to.key);
  equal(to.headers.key_change_from, from.key);
});

Deno.test("Ingest wakes those who wait only when there is something for them", async () => {
  const world = new IngestWorld();
  const shape = world.shape(table(), { where: "n = 1" });
  let heads: bigint[] = [];
  shape.watch(() => heads.push(shape.head.lsn));
  await world.accept(
    ...transaction(100, items.announced, items.insert("1", "2", "x")),
    ...transaction(200, items.insert("2", "1", "x"), items.insert("3", "1", "x")),
  );
  deepEqual(heads, [200n]);
  heads = [];
  await world.accept(begin(300), items.insert("4", "1", "x"));
  deepEqual(heads, []);
});

Deno.test("Ingest goes on with a transaction that comes in several batches", async () => {
  const world = new IngestWorld();
  const shape = world.shape(table());
  for (
    const event of transaction(
      100,
      items.announced,
      items.insert("1", null, null),
      items.insert("2", null, null),
    )
  ) {
    await world.accept(event);
  }
  deepEqual(summary(shape), ['insert "1" @100_0', 'insert "2" @100_2']);
});

Deno.test("Ingest appends nothing twice when a lost stream begins again", async () => {
  const world = new IngestWorld();
  const shape = world.shape(table());
  const many = Array.from({ length: 17_000 }, (_, i) => items.insert(`${i}`, null, null));
  await world.accept(...transaction(100, items.announced, items.insert("a", null, null)));
  await world.accept(begin(200), ...many.slice(0, 16_500));
  ok(shape.appended.lsn === 200n && shape.head.lsn === 100n);
  world.ingest.restart(110n);
  await world.accept(
    ...transaction(100, items.announced, items.insert("a", null, null)),
    ...transaction(200, ...many),
  );
  const read = logItems(shape);
  equal(read.length, 1 + many.length);
  equal(new Set(read.map(({ key }) => key)).size, read.length);
  equal(read.filter(({ headers }) => headers.last).length, 2);
  equal(read.at(-1)?.headers.last, true);
});

Deno.test("Ingest takes in a transaction whose commit record begins where the confirmed one ended", async () => {
  const world = new IngestWorld();
  const shape = world.shape(table());
  await world.accept(...transaction(100, items.announced, items.insert("1", null, null)));
  // Both ran at the same time and their commit records are neighbours in the WAL.
  world.ingest.restart(110n);
  await world.accept(...transaction(110, items.announced, items.insert("2", null, null)));
  deepEqual(summary(shape), ['insert "1" @100_0', 'insert "2" @110_0']);
});

Deno.test("Ingest.lastSeenLsn begins with the slot's position and never goes back", async () => {
  const world = new IngestWorld({ appliedLsn: 50n });
  equal(world.ingest.lastSeenLsn, 50n);
  world.ingest.restart(500n);
  equal(world.ingest.lastSeenLsn, 500n);
  await world.accept(...transaction(100, items.announced, items.insert("1", null, null)));
  equal(world.ingest.lastSeenLsn, 500n);
  await world.accept(...transaction(600));
  equal(world.ingest.lastSeenLsn, 600n);
});

Deno.test("I1: Ingest acknowledges nothing that is not durable", async () => {
  const world = new IngestWorld({ store: new DrivenStore() });
  world.shape(table());
  world.store.commit();
  await world.accept(...transaction(100, items.announced, items.insert("1", null, null)));
  await world.accept({ kind: "progress", walEnd: 150n }, ...transaction(200));
  deepEqual(world.confirmed, []);
  for (let lastWritten = 0; world.store.pending > 1; lastWritten++) {
    world.store.commit(1);
    deepEqual(world.confirmed, [], `after ${lastWritten}`);
  }
  world.store.commit(1);
  deepEqual(world.confirmed, [210n]);
  await world.accept({ kind: "progress", walEnd: 300n });
  deepEqual(world.confirmed, [210n, 300n]);
});

Deno.test("I1: Ingest does not acknowledge a truncation before its shapes' end is durable", async () => {
  const world = new IngestWorld({ store: new DrivenStore() });
  const shape = world.shape(table());
  world.store.commit();
  await world.accept(...transaction(100, items.announced, items.truncate()));
  equal(shape.isGone, true);
  deepEqual(world.confirmed, [], "a crash now would bring the shape back with all its rows");
  world.store.commit();
  deepEqual(world.confirmed, [110n]);
});

Deno.test("I1: Ingest remembers a shape's end through a lost stream", async () => {
  const world = new IngestWorld({ store: new DrivenStore() });
  world.shape(table());
  world.store.commit();
  await world.accept(begin(100), items.announced, items.truncate());
  world.ingest.restart(0n);
  await world.accept(...transaction(100, items.announced, items.truncate()));
  deepEqual(world.confirmed, []);
  world.store.commit();
  deepEqual(world.confirmed, [110n]);
});

Deno.test("I7: a crash at any write leaves whole transactions, and the stream mends the rest", async () => {
  const stream = [
    ...transaction(100, items.announced, items.insert("1", "1", "a"), items.insert("2", "1", "b")),
    ...transaction(200, items.update(["1", "1", "a"], ["1", "2", "a"])),
    ...transaction(
      300,
      items.delete("2", "1", "b"),
      items.update(["1", "2", "a"], ["3", "2", "a"]),
    ),
  ];
  const whole = new IngestWorld();
  const expected = whole.shape(table());
  await whole.accept(...stream);
  equal(logItems(expected).length, 6);
  for (let writes = 0, isAllDurable = false; !isAllDurable; writes++) {
    const first = new IngestWorld({ store: new DrivenStore() });
    const { handle } = first.shape(table());
    first.store.completeSnapshot(handle, "");
    first.store.commit();
    await first.accept(...stream);
    first.store.commit(writes);
    isAllDurable = first.store.pending === 0;
    const store = first.store.crash();
    const { appliedLsn, shapes: [stored] } = await store.load();
    ok(first.confirmed.every((position) => position <= appliedLsn + 10n), "I1");
    equal(stored.head?.lsn ?? 0n, appliedLsn, "I2");
    const second = new IngestWorld({ store, appliedLsn });
    const shape = second.restore(stored, table());
    second.ingest.restart(0n);
    await second.accept(...stream);
    deepEqual(await storedItems(store, handle), logItems(expected), `${writes} writes`);
    deepEqual(shape.head, expected.head);
  }
});

Deno.test("Ingest.startOver() forgets the positions of the earlier history", async () => {
  const world = new IngestWorld({ store: new DrivenStore(), appliedLsn: 5000n });
  const starting = world.ingest.startOver(50n);
  world.store.commit();
  await starting;
  world.ingest.restart(50n);
  equal(world.ingest.lastSeenLsn, 50n);
  const shape = world.shape(table());
  world.store.commit();
  await world.accept(...transaction(50, items.announced, items.insert("1", null, null)));
  deepEqual(summary(shape), ['insert "1" @50_0']);
  deepEqual(world.confirmed, []);
  world.store.commit();
  deepEqual(world.confirmed, [60n]);
});

Deno.test("Ingest holds the stream back while the store is far behind", async () => {
  const world = new IngestWorld({ store: new DrivenStore() });
  world.shape(table());
  const large = items.insert("1", null, "x".repeat(17 * 1024 * 1024));
  const waiting = world.accept(...transaction(100, items.announced, large));
  ok(waiting);
  world.store.commit();
  await waiting;
  equal(world.accept(...transaction(200)), undefined);
});

Deno.test("Ingest fails when storage fails", async () => {
  const world = new IngestWorld({ store: new DrivenStore() });
  world.shape(table());
  world.store.fail(new Error("Disk is full"));
  const large = items.insert("1", null, "x".repeat(17 * 1024 * 1024));
  await rejects(async () => await world.accept(...transaction(100, items.announced, large)), {
    message: "Disk is full",
  });
});

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

/** Saw every transaction of these tests. */
const EVERYTHING = { xmin: 900n, xmax: 900n, inProgress: [], walPosition: 10_000n };

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

Deno.test("Ingest waits for the snapshot of a shape that was just added", async () => {
  const world = new IngestWorld();
  const taken = Promise.withResolvers<void>();
  const shape = world.make(table());
  await world.accept(begin(100, 10), items.announced, items.insert("1", null, null));
  world.ingest.add(shape, taken.promise);
  const waiting = world.accept(
    commit(110),
    ...transaction(200, items.insert("2", null, null)),
  );
  ok(waiting);
  deepEqual(world.ingest.lastSeenLsn, 0n);
  shape.markVisible({ xmin: 11n, xmax: 11n, inProgress: [], walPosition: 150n });
  taken.resolve();
  await waiting;
  deepEqual(summary(shape), ['insert "2" @200_0']);
});

Deno.test("Ingest waits for a shape that is added while it is waiting already", async () => {
  const asked = Promise.withResolvers<readonly number[]>();
  const world = new IngestWorld({ ancestors: () => asked.promise });
  world.shape(table({ oid: 6000, name: "parted", kind: "partitioned" }));
  const first = Promise.withResolvers<void>(), second = Promise.withResolvers<void>();
  const [one, two] = [world.make(table()), world.make(table())];
  const waiting = world.accept(...transaction(100, items.announced, items.insert("1", null, null)));
  ok(waiting);
  world.ingest.add(one, first.promise);
  asked.resolve([]);
  await asked.promise;
  world.ingest.add(two, second.promise);
  one.markVisible({ xmin: 800n, xmax: 800n, inProgress: [], walPosition: 150n });
  first.resolve();
  await first.promise;
  for (let turn = 0; turn < 20; turn++) await Promise.resolve();
  equal(world.ingest.lastSeenLsn, 0n, "the second snapshot has not been taken");
  two.markVisible({ xmin: 1n, xmax: 1n, inProgress: [], walPosition: 0n });
  second.resolve();
  await waiting;
  deepEqual(summary(one), []);
  deepEqual(summary(two), ['insert "1" @100_0']);
});

Deno.test("Ingest goes on when the awaited snapshot failed", async () => {
  const world = new IngestWorld();
  const other = world.shape(table());
  const failing = world.make(table());
  world.ingest.add(failing, Promise.reject(new Error("No snapshot")));
  world.ingest.remove(failing);
  await world.accept(...transaction(100, items.announced, items.insert("1", null, null)));
  deepEqual(summary(other), ['insert "1" @100_0']);
  equal(world.store.calls.includes(`appendLog ${failing.handle}`), false);
});

Deno.test("I1: what a lost stream left waiting does not go on in the next one", async () => {
  const world = new IngestWorld();
  const shape = world.shape(table());
  await world.accept(begin(100), items.announced, items.insert("1", null, null));
  const taken = Promise.withResolvers<void>();
  world.ingest.add(world.make(table(), { where: "n = 1" }), taken.promise);
  const stale = world.accept(items.insert("2", null, null), commit(110));
  world.ingest.restart(50n);
  taken.resolve();
  await stale;
  deepEqual(world.confirmed, [], "the transaction is not stored");
  await world.accept(
    ...transaction(
      100,
      items.announced,
      items.insert("1", null, null),
      items.insert("2", null, null),
    ),
  );
  deepEqual(summary(shape), ['insert "1" @100_0', 'insert "2" @100_2']);
});

Deno.test("Ingest leaves a removed shape alone, also within the transaction", async () => {
  const world = new IngestWorld();
  const [shape, other] = [world.shape(table()), world.shape(table())];
  await world.accept(begin(100), items.announced, items.insert("1", null, null));
  world.ingest.remove(shape);
  world.ingest.remove(shape);
  await world.accept(items.insert("2", null, null), commit(110));
  deepEqual(summary(shape), []);
  deepEqual(summary(other), ['insert "1" @100_0', 'insert "2" @100_2']);
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

Deno.test("Ingest ends shapes that a blind change leaves in doubt", async () => {
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
      equal(shape.isGone, !isFine);
    }
  }
});

Deno.test("Ingest ends a shape that needs a value which a blind update left out", async () => {
  const blind = new Changes(relation(table(), { identity: "default" }));
  const text = new TextEncoder().encode("15");
  const row = new Row(text, [0, 1, 2], [1, 1, UNCHANGED_LENGTH]);
  const world = new IngestWorld();
  const [all, narrow] = [world.shape(table()), world.shape(table(), { columns: "id,n" })];
  await world.accept(...transaction(100, blind.announced, blind.updateBlind(undefined, row)));
  equal(all.isGone, true);
  deepEqual(values(narrow), [{ id: "1", n: "5" }]);
});
