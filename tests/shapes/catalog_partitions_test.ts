import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
import { UnavailableError } from "../../shapes/errors.ts";
import { parseStanding } from "../../shapes/standing.ts";
import { loadParser } from "../../shapes/where/parse.ts";
import { made, start } from "../support/catalog_world.ts";
import type { DrivenStore } from "../support/driven_store.ts";
import { request, table } from "../support/shape_fixture.ts";

await loadParser();

const ROOT = 5000;
const root = (partitions: number[], attached: number[] = []) =>
  table({ oid: ROOT, kind: "partitioned", partitions, attached });

async function world(partitions: number[], store?: DrivenStore) {
  const started = await start(store);
  started.source.tables.push(root(partitions));
  return started;
}

Deno.test("Catalog keeps shapes when a partition is born, prepares it, and remembers it", async () => {
  const { catalog, source, store } = await world([1]);
  const shape = await made(catalog);
  source.calls.length = 0;
  catalog.tableEvents.changed(ROOT, root([1, 2]));
  equal(shape.isGone, false);
  deepEqual(shape.definition.table.partitions, [1, 2]);
  deepEqual(source.calls, ["prepare items"]);
  equal(store.calls.includes(`setPartitions ${ROOT} 1,2`), true);

  await store.flushed();
  const { catalog: next } = await start(store.crash());
  const restored = next.byHandle(shape.handle);
  deepEqual(restored?.definition.table.partitions, [1, 2]);
  next.tableEvents.changed(ROOT, root([1]));
  equal(restored?.isGone, true, "its log has rows of the other");
});

Deno.test("Catalog ends shapes when a partition was attached, but not those made since", async () => {
  const { catalog, source } = await world([1]);
  const before = await made(catalog);
  source.tables.push(root([1, 2], [2]));
  const since = await made(catalog, request({ where: "n = 1" }));
  catalog.tableEvents.changed(ROOT, root([1, 2], [2]));
  deepEqual([before.isGone, since.isGone], [true, false]);
});

Deno.test("Catalog forgets the partitions of a table with its last shape", async () => {
  const { catalog, store } = await world([1]);
  const shape = await made(catalog);
  catalog.tableEvents.changed(ROOT, root([1, 2]));
  catalog.drop(shape.handle);
  equal(store.calls.at(-1), `setPartitions ${ROOT} `);
});

Deno.test("TableEvents.ancestors() has all shapes know the partition before it answers", async () => {
  const { catalog, source } = await world([1]);
  const shape = await made(catalog);
  source.parents.set(2, [4999, ROOT]);
  source.tables.push(root([1, 2]));
  deepEqual(await catalog.tableEvents.ancestors(2), [ROOT]);
  deepEqual(shape.definition.table.partitions, [1, 2]);
  source.calls.length = 0;
  deepEqual(await catalog.tableEvents.ancestors(2), [ROOT]);
  deepEqual(source.calls, ["ancestors 2"], "nothing left to ask");
});

Deno.test("TableEvents.ancestors() leaves out tables whose partition went meanwhile", async () => {
  const { catalog, source } = await world([1]);
  const shape = await made(catalog);
  source.parents.set(2, [ROOT]);
  deepEqual(await catalog.tableEvents.ancestors(2), []);
  equal(shape.isGone, false);
  source.parents.set(3, [ROOT]);
  source.tables.push(root([1, 3], [3]));
  deepEqual(await catalog.tableEvents.ancestors(3), []);
  equal(shape.isGone, true, "attached");
});

Deno.test("TableEvents.ancestors() believes whoever looked last", async () => {
  const { catalog, source } = await world([1]);
  const shape = await made(catalog);
  source.parents.set(2, [ROOT]);
  source.close("describe");
  const asking = catalog.tableEvents.ancestors(2);
  await source.reached("describe");
  catalog.tableEvents.changed(ROOT, root([1, 2, 3]));
  source.open("describe");
  deepEqual(await asking, [ROOT]);
  deepEqual([shape.isGone, shape.definition.table.partitions], [false, [1, 2, 3]]);
});

Deno.test("Catalog tells old descriptions of a table from its newest, and watches each", async () => {
  const { catalog, source } = await start();
  const old = await made(catalog, request({ columns: "id,n" }));
  const now = table({ columns: [...table().columns, { name: "added" }] });
  source.tables.push(now);
  const fresh = await made(catalog, request({ where: "added is null" }));
  equal(catalog.tables.length, 2);
  catalog.tableEvents.changed(ROOT, now);
  equal(catalog.tables.length, 1);
  deepEqual([old.isGone, fresh.isGone], [false, false]);
});

Deno.test("Catalog watches a table that is gone as long as it has shapes", async () => {
  const { catalog, source } = await start();
  const old = await made(catalog);
  const other = table({ oid: 6000 });
  source.tables.push(other);
  source.rows.set(6000, []);
  const fresh = await made(catalog, request({ where: "n = 1" }));
  deepEqual(catalog.tables.map(({ oid }) => oid), [ROOT, 6000]);
  catalog.tableEvents.changed(ROOT, undefined);
  deepEqual([old.isGone, fresh.isGone], [true, false]);
  deepEqual(catalog.tables, [other]);
});

Deno.test("Catalog goes on under a table's new name, and only there", async () => {
  const { catalog, source } = await start();
  const old = await made(catalog);
  const renamed = table({ name: "things" });
  source.tables.splice(0, Infinity, renamed);
  const fresh = await made(catalog, request({ table: "things" }));
  catalog.tableEvents.changed(ROOT, renamed);
  deepEqual([old.isGone, fresh.isGone], [true, false]);
  deepEqual(catalog.tables, [renamed]);
  equal(await catalog.find(request({ table: "things" })), fresh);
});

Deno.test("TableEvents.unprepared() keeps the shapes of a table that was not published, to be reconciled", async () => {
  const { catalog, source } = await start();
  equal(catalog.tableEvents.isPrepared(ROOT), false);
  const shape = await made(catalog);
  equal(catalog.tableEvents.isPrepared(ROOT), true);
  source.calls.length = 0;
  source.failures.prepare = new UnavailableError("Not the owner", { retryAfterSeconds: 1 });
  catalog.tableEvents.unprepared(ROOT, "identity");
  catalog.tableEvents.unprepared(ROOT, "identity");
  deepEqual(source.calls, ["prepare items", "prepare items"]);
  equal(shape.isGone, false);
  const changes = await made(catalog, request({ log: "changes_only" }));
  catalog.tableEvents.unprepared(ROOT, "publication");
  deepEqual([shape.isGone, shape.isFollowed, shape.isBehind], [false, false, true]);
  equal(changes.isGone, true, "what it had at first is in no log to compare with");
  equal(catalog.tableEvents.isPrepared(ROOT), false);
  equal(await catalog.findOrCreate(request()), shape);
});

Deno.test("TableEvents.publishing() has shapes that were there before reconciled, and no others", async () => {
  const { catalog, store } = await start();
  await catalog.tableEvents.publishing(ROOT);
  const shape = await made(catalog);
  equal(shape.isFollowed, true);
  const publishing = catalog.tableEvents.publishing(ROOT);
  equal(shape.isFollowed, false);
  await publishing;
  const { shapes: [stored] } = await store.crash().load();
  equal(
    parseStanding(stored.standing).isFollowed,
    false,
    "it is not published before that is durable",
  );
});

Deno.test("TableEvents.published() has shapes reconciled that have not seen what published their table", async () => {
  const { catalog, source } = await start();
  const shape = await made(catalog);
  const { xmax } = source.visibility;
  catalog.tableEvents.published(ROOT, [Number(xmax) - 2, Number(xmax) - 1]);
  equal(shape.isFollowed, true);
  catalog.tableEvents.published(ROOT, []);
  equal(shape.isFollowed, true);
  catalog.tableEvents.published(ROOT, [Number(xmax) - 2, Number(xmax)]);
  deepEqual([shape.isGone, shape.isFollowed], [false, false]);
});
