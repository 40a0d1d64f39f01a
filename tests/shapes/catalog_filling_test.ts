import {
  deepStrictEqual as deepEqual,
  notStrictEqual as notEqual,
  ok,
  rejects,
  strictEqual as equal,
} from "node:assert/strict";
import { ShapeGoneError, UnavailableError } from "../../shapes/errors.ts";
import { TableChangedError } from "../../shapes/ports.ts";
import { loadParser } from "../../shapes/where/parse.ts";
import { Changes, summary, transaction } from "../support/ingest_world.ts";
import { request } from "../support/shape_fixture.ts";
import { complete, everything, made, start } from "../support/catalog_world.ts";

await loadParser();

const items = new Changes();

Deno.test("Catalog fills a shape: prepare, reserve, snapshot, complete", async () => {
  const { catalog, source, store } = await start();
  const shape = await catalog.findOrCreate(request());
  equal(shape.isStarted, false);
  await shape.started();
  await complete(shape);
  deepEqual(source.calls, ["describe public.items", "prepare items", "snapshot items"]);
  equal(store.calls[0], `createShape ${shape.handle}`);
  equal((await everything(shape)).length >= 2, true);
});

Deno.test("Catalog holds the stream back between the reservation and the snapshot", async () => {
  const { catalog, source, ingest } = await start();
  source.close("reserve");
  source.close("visible");
  source.visibility = { xmin: 705n, xmax: 705n, inProgress: [], walPosition: 150n };
  const shape = await catalog.findOrCreate(request());
  await source.reached("reserve");
  equal(ingest.accept(transaction(50, items.announced)), undefined);
  source.open("reserve");
  await source.reached("visible");
  const waiting = ingest.accept([
    ...transaction(100, items.insert("8", null, null)),
    ...transaction(200, items.insert("9", null, null)),
  ]);
  ok(waiting);
  source.open("visible");
  await waiting;
  await complete(shape);
  deepEqual(summary(shape), ['insert "9" @200_0']);
});

Deno.test("Catalog: a failing snapshot rejects started() and frees the definition", async () => {
  const failures = [
    [new UnavailableError("Too many connections", { retryAfterSeconds: 5 }), "UnavailableError"],
    [new TableChangedError("Changed"), "ShapeGoneError"],
    [new Error("permission denied"), "SnapshotError"],
  ] as const;
  for (const stage of ["prepare", "reserve", "visible"] as const) {
    for (const [failure, name] of failures) {
      const { catalog, source, store, ingest } = await start();
      source.failures[stage] = failure;
      const shape = await catalog.findOrCreate(request());
      await rejects(shape.started(), { name });
      equal(shape.isGone, true);
      equal(catalog.byHandle(shape.handle), undefined);
      const again = await made(catalog);
      notEqual(again.handle, shape.handle);
      await ingest.accept(transaction(100, items.announced, items.insert("9", null, null)));
      deepEqual(summary(again), ['insert "9" @100_0']);
      equal(store.calls.includes(`appendLog ${shape.handle}`), false);
    }
  }
});

Deno.test("Catalog: a snapshot that fails half-way ends the shape for its readers too", async () => {
  const { catalog, source } = await start(undefined, 10_000);
  source.close("end");
  const shape = await catalog.findOrCreate(request());
  await source.reached("end");
  const page = shape.page({ kind: "before" });
  ok(page?.body.kind === "stream");
  const body = page.body.open();
  await body.next();
  const next = body.next();
  source.failures.end = new Error("Connection lost");
  source.open("end");
  await rejects(async () => await next, { name: "ShapeGoneError" });
  equal(shape.isGone, true);
});

Deno.test("Catalog gives up, and lets the stream go on, when a snapshot is not taken in time", async () => {
  const original = globalThis.setTimeout;
  const timers: (() => void)[] = [];
  const { catalog, source, ingest } = await start();
  source.isDeaf = true;
  source.close("visible");
  Reflect.set(globalThis, "setTimeout", (run: () => void) => timers.push(run));
  try {
    const shape = await catalog.findOrCreate(request());
    await source.reached("visible");
    const waiting = ingest.accept(transaction(100));
    ok(waiting);
    for (const run of timers) run();
    await waiting;
    await rejects(shape.started(), {
      name: "UnavailableError",
      message: "Snapshot query took too long to start reading from the database",
    });
    source.open("visible");
  } finally {
    globalThis.setTimeout = original;
  }
});

Deno.test("Catalog.drop() ends a shape at every stage of its filling, and leaves nothing behind", async () => {
  for (const stage of ["prepare", "reserve", "visible", "rows", "end"] as const) {
    for (const isDeaf of [false, true]) {
      const { catalog, source, store, ingest } = await start();
      source.isDeaf = isDeaf;
      source.close(stage);
      const shape = await catalog.findOrCreate(request());
      await source.reached(stage);
      catalog.drop(shape.handle);
      equal(shape.isGone, true);
      source.open(stage);
      await rejects(async () => {
        await shape.started();
        shape.page({ kind: "before" });
      }, ShapeGoneError);
      await store.flushed();
      await ingest.accept(transaction(100, items.announced, items.insert("9", null, null)));
      equal(store.calls.includes(`appendLog ${shape.handle}`), false, `${stage} ${isDeaf}`);
      deepEqual((await store.crash().load()).shapes, []);
      const again = await made(catalog);
      notEqual(again.handle, shape.handle);
    }
  }
});

Deno.test("Catalog.drop() frees the definition and wakes those who wait", async () => {
  const { catalog } = await start();
  const shape = await made(catalog);
  let isWoken = false;
  shape.watch(() => isWoken = true);
  catalog.drop(shape.handle);
  catalog.drop("unknown");
  deepEqual([isWoken, shape.isGone, catalog.counts.total], [true, true, 0]);
  equal(await catalog.find(request()), undefined);
  notEqual((await made(catalog)).handle, shape.handle);
});
