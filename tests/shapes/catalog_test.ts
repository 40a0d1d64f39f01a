import {
  deepStrictEqual as deepEqual,
  notStrictEqual as notEqual,
  ok,
  rejects,
  strictEqual as equal,
} from "node:assert/strict";
import type { Mode } from "../../shapes/mode.ts";
import { UnavailableError } from "../../shapes/errors.ts";
import { loadParser } from "../../shapes/where/parse.ts";
import { DrivenStore } from "../support/driven_store.ts";
import { Changes, summary, transaction } from "../support/ingest_world.ts";
import { request, table } from "../support/shape_fixture.ts";
import { complete, everything, made, start } from "../support/catalog_world.ts";

await loadParser();

const items = new Changes();

Deno.test("Catalog.findOrCreate() makes one shape of a definition, however it is asked for", async () => {
  const { catalog, source } = await start();
  const shape = await made(catalog);
  for (
    const wish of [request(), request({ table: "public.items" }), request({ table: '"items"' })]
  ) {
    equal(await catalog.findOrCreate(wish), shape);
    equal(await catalog.find(wish), shape);
  }
  notEqual(await catalog.findOrCreate(request({ columns: "id,n,v" })), shape);
  equal(catalog.byHandle(shape.handle), shape);
  equal(catalog.counts.total, 2);
  deepEqual(source.calls.filter((call) => call.startsWith("describe")).length, 2);
});

Deno.test("Catalog.findOrCreate() makes one shape for all who ask at once", async () => {
  const { catalog, source } = await start();
  source.close("describe");
  const asked = [request(), request({ table: "public.items" }), request()].map((wish) =>
    catalog.findOrCreate(wish)
  );
  source.open("describe");
  const shapes = await Promise.all(asked);
  equal(new Set(shapes).size, 1);
  await complete(shapes[0]);
  deepEqual(source.calls, ["describe public.items", "prepare items", "snapshot items"]);
});

Deno.test("Catalog.find() makes nothing", async () => {
  const { catalog, source } = await start();
  equal(await catalog.find(request()), undefined);
  deepEqual([catalog.counts.total, source.calls], [0, ["describe public.items"]]);
});

Deno.test("Catalog refuses tables that are not there, and bad definitions, by their fields", async () => {
  const { catalog } = await start();
  for (
    const [wish, field] of [
      [{ table: "nothing" }, "table"],
      [{ table: "a b" }, "table"],
      [{ columns: "id,x" }, "columns"],
      [{ where: "x = 1" }, "where"],
    ] as const
  ) {
    for (
      const ask of [() => catalog.findOrCreate(request(wish)), () => catalog.find(request(wish))]
    ) {
      await rejects(
        ask,
        (error: { errors?: object }) => Object.keys(error.errors ?? {})[0] === field,
      );
    }
  }
  equal(catalog.counts.total, 0);
});

Deno.test("Catalog passes on that the database can't be asked, and asks again the next time", async () => {
  const { catalog, source } = await start();
  source.failures.describe = new UnavailableError("No connection", { retryAfterSeconds: 1 });
  await rejects(catalog.findOrCreate(request()), { name: "UnavailableError" });
  ok(await made(catalog));
});

Deno.test("Catalog asks anew when a table that it knows does not fit the request", async () => {
  const { catalog, source } = await start();
  const old = await made(catalog);
  const columns = [...table().columns, { name: "added" }];
  source.tables.push(table({ columns }));
  const shape = await made(catalog, request({ columns: "id,added" }));
  deepEqual(shape.definition.columns.map(({ name }) => name), ["added", "id"]);
  equal(old.isGone, false);
  await rejects(catalog.findOrCreate(request({ columns: "id,missing" })), {
    name: "InvalidRequestError",
  });
});

Deno.test("Catalog.restore() brings shapes back: same handles, same pages, same log", async () => {
  const first = await start();
  const wishes = [request(), request({ where: "n > 15", columns: "id,n" })];
  const shapes = [];
  for (const wish of wishes) shapes.push(await made(first.catalog, wish));
  await first.ingest.accept(transaction(100, items.announced, items.insert("3", "30", "x")));
  const before = await Promise.all(shapes.map(everything));
  await first.store.flushed();
  const second = await start(first.store.crash());
  equal(second.catalog.counts.total, 2);
  for (const [i, wish] of wishes.entries()) {
    const shape = await second.catalog.findOrCreate(wish);
    equal(shape.handle, shapes[i].handle);
    deepEqual(await everything(shape), before[i]);
  }
  equal(second.source.calls.length, 0);
  await second.ingest.accept([
    ...transaction(100, items.announced, items.insert("3", "30", "x")),
    ...transaction(200, items.insert("4", "40", "x")),
  ]);
  for (const { handle } of shapes) {
    equal(second.catalog.byHandle(handle)?.head.lsn, 200n);
  }
});

Deno.test("Catalog.restore() drops what was not complete or can't be read", async () => {
  const store = new DrivenStore({ isPrompt: true });
  store.createShape("1-1", "no JSON");
  store.completeSnapshot("1-1", "{}");
  store.createShape("2-1", '{"version":99}');
  store.completeSnapshot("2-1", "{}");
  const first = await start();
  first.source.close("end");
  const shape = await first.catalog.findOrCreate(request());
  await first.source.reached("end");
  await first.store.flushed();
  deepEqual((await start(first.store.crash())).catalog.counts.total, 0);
  equal(shape.isGone, false);
  await store.flushed();
  const { catalog } = await start(store);
  equal(catalog.counts.total, 0);
  deepEqual(store.calls.slice(-2), ["dropShape 1-1", "dropShape 2-1"]);
});

Deno.test("Catalog.evictBeyond() ends the least recently used", async () => {
  const { catalog, clock } = await start();
  const wishes = ["n = 1", "n = 2", "n = 3"].map((where) => request({ where }));
  const shapes = [];
  for (const wish of wishes) {
    clock.nowMs += 10;
    shapes.push(await made(catalog, wish));
  }
  shapes[0].touch(clock.nowMs + 10);
  catalog.evictBeyond(3);
  equal(catalog.counts.total, 3);
  catalog.evictBeyond(2);
  deepEqual(shapes.map(({ isGone }) => isGone), [false, true, false]);
  catalog.evictBeyond(0);
  equal(catalog.counts.total, 0);
});

Deno.test("Catalog.tableEvents.changed() ends what no longer fits and keeps the rest", async () => {
  const { catalog } = await start();
  const [all, own] = [await made(catalog), await made(catalog, request({ columns: "id,v" }))];
  const columns = [...table().columns, { name: "added", isNotNull: true }];
  const now = table({ columns });
  catalog.tableEvents.changed(5000, now);
  deepEqual([all.isGone, own.isGone], [true, false]);
  equal(own.definition.table, now);
  deepEqual(catalog.tables, [now]);
  catalog.tableEvents.changed(5000, undefined);
  equal(own.isGone, true);
  deepEqual(catalog.tables, []);
});

Deno.test("Catalog.tableEvents.changed() brings changes of new partitions, and ends shapes that lost one", async () => {
  const { catalog, source, ingest } = await start();
  const parent = (...partitions: number[]) => table({ kind: "partitioned", partitions });
  source.tables.push(parent(1));
  const shape = await made(catalog);
  const child = new Changes(table({ oid: 2, name: "child" }));
  await ingest.accept(transaction(100, child.announced, child.insert("8", null, null)));
  catalog.tableEvents.changed(5000, parent(1, 2));
  await ingest.accept(transaction(200, child.insert("9", null, null)));
  deepEqual(summary(shape), ['insert "9" @200_0']);
  catalog.tableEvents.changed(5000, parent(2));
  equal(shape.isGone, true);
});

Deno.test("Catalog ends shapes that the stream says can't go on", async () => {
  const { catalog, ingest, store } = await start();
  const shape = await made(catalog);
  await ingest.accept(transaction(100, items.announced, items.truncate()));
  equal(shape.isGone, true);
  equal(catalog.byHandle(shape.handle), undefined);
  await store.flushed();
  deepEqual((await store.crash().load()).shapes, []);
});

Deno.test("Catalog.endAll() ends all", async () => {
  const { catalog } = await start();
  const shapes = [await made(catalog), await made(catalog, request({ where: "n = 1" }))];
  catalog.endAll("The database is another one");
  ok(shapes.every(({ isGone }) => isGone));
  equal(catalog.counts.total, 0);
});

Deno.test("Catalog.whenServing() resolves when shapes can be made, late, or when nobody waits any more", async () => {
  const { catalog } = await start();
  equal(catalog.mode.kind, "starting");
  const signal = new AbortController();
  const active = catalog.whenServing(60_000, new AbortController().signal);
  const left = catalog.whenServing(60_000, signal.signal);
  signal.abort();
  await left;
  await catalog.whenServing(0, new AbortController().signal);
  catalog.setMode({ ...catalog.mode, detail: "No connection" });
  equal(catalog.mode.detail, "No connection");
  catalog.setMode({ kind: "fallback", reason: "no_slot", detail: "No slot", sinceMs: 1 });
  await active;
  await catalog.whenServing(60_000, new AbortController().signal);
  const lost = { kind: "starting", reason: "postgres_unreachable", detail: "Lost", sinceMs: 2 };
  catalog.setMode(lost as Mode);
  await catalog.whenServing(0, new AbortController().signal);
  equal(catalog.mode.kind, "starting");
});

Deno.test("Catalog.lastSeenLsn is the ingest's", async () => {
  const { catalog, ingest } = await start();
  await ingest.accept(transaction(100));
  equal(catalog.lastSeenLsn, 100n);
});
