import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
import { loadParser } from "../../shapes/where/parse.ts";
import { Changes, IngestWorld, summary, transaction } from "../support/ingest_world.ts";
import { relation, table } from "../support/shape_fixture.ts";

await loadParser();

const PARENT = 5000, CHILD = 5001, OTHER_CHILD = 5002, GRANDCHILD = 5003;
const parent = (...partitions: number[]) =>
  table({ name: "parent", oid: PARENT, kind: "partitioned", partitions });
const changesOf = (oid: number) => new Changes(relation(table({ oid, name: `child_${oid}` })));
const insert = (changes: Changes, id: string) => changes.insert(id, null, null);

Deno.test("Ingest brings changes of partitions to shapes of the table, under the table's name", async () => {
  const world = new IngestWorld({
    ancestors: (oid) => Promise.resolve(oid === GRANDCHILD ? [CHILD, PARENT] : [PARENT]),
  });
  const shape = world.shape(parent());
  const child = changesOf(CHILD), grandchild = changesOf(GRANDCHILD);
  await world.accept(
    ...transaction(100, child.announced, insert(child, "1")),
    ...transaction(200, grandchild.announced, insert(grandchild, "2")),
  );
  deepEqual(summary(shape), ['insert "1" @100_0', 'insert "2" @200_0']);
  equal(shape.head.lsn, 200n);
});

Deno.test("Ingest brings changes of a partition to the partition's own shapes too", async () => {
  const world = new IngestWorld({ ancestors: () => Promise.resolve([PARENT]) });
  const whole = world.shape(parent(CHILD));
  const part = world.shape(table({ oid: CHILD, name: `child_${CHILD}` }));
  const child = changesOf(CHILD), other = changesOf(OTHER_CHILD);
  await world.accept(
    ...transaction(100, child.announced, insert(child, "1")),
    ...transaction(200, other.announced, insert(other, "2")),
  );
  deepEqual(summary(whole), ['insert "1" @100_0', 'insert "2" @200_0']);
  deepEqual(summary(part), ['insert "1" @100_0']);
});

Deno.test("Ingest asks for ancestors only when a partitioned table has shapes", async () => {
  const asked: number[] = [];
  const world = new IngestWorld({
    ancestors: (oid) => {
      asked.push(oid);
      return Promise.resolve([]);
    },
  });
  const child = changesOf(CHILD);
  await world.accept(...transaction(100, child.announced));
  deepEqual(asked, []);
  world.shape(parent());
  await world.accept(...transaction(200, child.announced));
  deepEqual(asked, [CHILD]);
});

Deno.test("Ingest asks again when a relation is announced again: it may have been attached", async () => {
  let ancestors: number[] = [];
  const world = new IngestWorld({ ancestors: () => Promise.resolve(ancestors) });
  const shape = world.shape(parent());
  const child = changesOf(CHILD);
  await world.accept(...transaction(100, child.announced, insert(child, "1")));
  ancestors = [PARENT];
  await world.accept(...transaction(200, child.announced, insert(child, "2")));
  deepEqual(summary(shape), ['insert "2" @200_0']);
});

Deno.test("Ingest knows the partitions of a shape's table that were announced before", async () => {
  const world = new IngestWorld();
  const child = changesOf(CHILD);
  await world.accept(...transaction(100, child.announced, insert(child, "0")));
  const shape = world.shape(parent(CHILD));
  await world.accept(...transaction(200, insert(child, "1")));
  deepEqual(summary(shape), ['insert "1" @200_0']);
});

Deno.test("Ingest forgets a removed shape of partitions that it knew from the table alone", async () => {
  const world = new IngestWorld();
  const child = changesOf(CHILD);
  await world.accept(...transaction(100, child.announced, insert(child, "0")));
  const shape = world.shape(parent(CHILD));
  world.ingest.remove(shape);
  await world.accept(...transaction(200, insert(child, "1")));
  equal(world.store.calls.includes(`appendLog ${shape.handle}`), false);
});

Deno.test("Ingest goes by the newest list of partitions, whichever shape brought it", async () => {
  const world = new IngestWorld();
  const child = changesOf(CHILD);
  await world.accept(...transaction(100, child.announced, insert(child, "0")));
  world.shape(parent());
  const newer = world.shape(parent(CHILD), { where: "n is null" });
  await world.accept(...transaction(200, insert(child, "1")));
  deepEqual(summary(newer), ['insert "1" @200_0']);
});

Deno.test("Ingest.refresh() brings changes of new partitions to the shapes that are there", async () => {
  const world = new IngestWorld();
  const child = changesOf(CHILD);
  await world.accept(...transaction(100, child.announced, insert(child, "0")));
  const shape = world.shape(parent());
  await world.accept(...transaction(200, insert(child, "1")));
  world.ingest.refresh(parent(CHILD));
  await world.accept(...transaction(300, insert(child, "2")));
  deepEqual(summary(shape), ['insert "2" @300_0']);
});

Deno.test("Ingest ends the shapes of a table when a partition of it is truncated", async () => {
  const world = new IngestWorld({ ancestors: () => Promise.resolve([PARENT]) });
  const whole = world.shape(parent(CHILD, OTHER_CHILD));
  const other = world.shape(table({ oid: OTHER_CHILD, name: `child_${OTHER_CHILD}` }));
  const child = changesOf(CHILD);
  await world.accept(...transaction(100, child.announced, child.truncate()));
  deepEqual([whole.isGone, other.isGone], [true, false]);
});
