import { deepStrictEqual as deepEqual, ok, strictEqual as equal } from "node:assert/strict";
import type { Shape } from "../../shapes/shape.ts";
import { SNAPSHOT_END } from "../../shapes/offset.ts";
import { loadParser } from "../../shapes/where/parse.ts";
import {
  begin,
  Changes,
  commit,
  IngestWorld,
  logItems,
  summary,
  transaction,
} from "../support/ingest_world.ts";
import { table } from "../support/shape_fixture.ts";

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

const REPLICAS = ["default", "full"] as const;

Deno.test("Ingest wakes nobody for a change of columns that the shape does not have", async () => {
  for (const replica of REPLICAS) {
    const world = new IngestWorld();
    const shape = world.shape(table(), { columns: "id", replica });
    const filtered = world.shape(table(), { columns: "id", where: "n > 5", replica });
    await world.accept(...transaction(100, items.announced, items.insert("1", "10", "a")));
    const woken: string[] = [];
    shape.watch(() => woken.push("shape"));
    filtered.watch(() => woken.push("filtered"));
    await world.accept(
      ...transaction(200, items.update(["1", "10", "a"], ["1", "11", "b"])),
      ...transaction(300, items.update(["1", "11", "b"], ["1", "12", null])),
    );
    deepEqual(woken, []);
    deepEqual([shape.head.lsn, shape.appended.lsn, filtered.appended.lsn], [100n, 100n, 100n]);
    await world.accept(...transaction(400, items.update(["1", "12", null], ["1", "5", null])));
    deepEqual(woken, ["filtered"], "it left that one");
    equal(shape.appended.lsn, 100n);
  }
});

Deno.test("Ingest tells only the shape's own columns of a row that a hidden column moves", async () => {
  for (const replica of REPLICAS) {
    const world = new IngestWorld();
    const shape = world.shape(table(), { columns: "id", where: "n > 5", replica });
    await world.accept(
      ...transaction(
        100,
        items.announced,
        items.update(["1", "1", "secret1"], ["1", "10", "secret2"]),
        items.update(["1", "10", "secret2"], ["1", "2", "secret3"]),
      ),
    );
    deepEqual(summary(shape), ['insert "1" @100_0', 'delete "1" @100_2']);
    deepEqual(values(shape), [{ id: "1" }, { id: "1" }]);
    equal(/secret|old_value/.test(JSON.stringify(logItems(shape))), false);
  }
});
