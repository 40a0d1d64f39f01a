import {
  deepStrictEqual as deepEqual,
  notStrictEqual as notEqual,
  ok,
  rejects,
  strictEqual as equal,
} from "node:assert/strict";
import { Catalog } from "../../shapes/catalog.ts";
import { ShapeGoneError, UnavailableError } from "../../shapes/errors.ts";
import { Ingest } from "../../shapes/ingest.ts";
import { PageCache } from "../../shapes/log/page_cache.ts";
import { TailBudget } from "../../shapes/log/tail.ts";
import type { Offset } from "../../shapes/offset.ts";
import { TableChangedError } from "../../shapes/ports.ts";
import type { Shape } from "../../shapes/shape.ts";
import { loadParser } from "../../shapes/where/parse.ts";
import { DrivenStore } from "../support/driven_store.ts";
import { Changes, RULES, summary, transaction } from "../support/ingest_world.ts";
import { parseMessages } from "../support/log_replayer.ts";
import { ScriptedSource, SilentLogger } from "../support/scripted_source.ts";
import { request, table } from "../support/shape_fixture.ts";

await loadParser();

/** What a process has; `store` is that of an earlier one. */
async function start(store = new DrivenStore({ isPrompt: true }), chunkBytes = 120) {
  const source = new ScriptedSource();
  source.tables.push(table());
  source.rows.set(5000, [{ id: "1", n: "10", v: "one" }, { id: "2", n: "20", v: null }]);
  const clock = { nowMs: 1000 };
  const resources = { store, tails: new TailBudget(), pages: new PageCache(), chunkBytes };
  const nowMs = () => clock.nowMs;
  const catalog = new Catalog({ source, resources, logger: new SilentLogger(), nowMs });
  const state = await store.load();
  const ingest = new Ingest({
    store,
    appliedLsn: state.appliedLsn,
    confirm: () => {},
    ancestors: (oid) => source.ancestors(oid),
    rotate: (shape, reason) => catalog.rotate(shape, reason),
    unprepared: () => {},
    external: {
      evaluate: (request, signal) => source.evaluate(request, signal),
      logger: new SilentLogger(),
      nowMs,
    },
  });
  catalog.restore(state, ingest);
  catalog.setRules(RULES);
  return { source, store, catalog, ingest, clock };
}

/** Resolves when the shape has its whole snapshot. */
async function complete(shape: Shape): Promise<Shape> {
  while (!shape.isComplete && !shape.isGone) {
    await new Promise<void>((resolve) => shape.watch(resolve));
  }
  equal(shape.isGone, false);
  return shape;
}

async function made(catalog: Catalog, wish = request()): Promise<Shape> {
  return await complete(await catalog.findOrCreate(wish));
}

async function everything(shape: Shape): Promise<unknown[]> {
  const pages: unknown[] = [];
  let page = shape.page({ kind: "before" });
  while (page) {
    const pieces: number[] = [];
    if (page.body.kind === "bytes") pieces.push(...page.body.bytes);
    else {
      const body = page.body.open();
      for (let next = await body.next(); !next.done; next = await body.next()) {
        pieces.push(...next.value);
      }
    }
    pages.push([page.until, parseMessages(new Uint8Array(pieces))]);
    if (page.isUpToDate) return pages;
    const offset: Offset = page.until;
    page = shape.page({ kind: "at", offset });
  }
  throw new TypeError("Not complete");
}

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
  equal(catalog.shapeCount, 2);
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
  deepEqual([catalog.shapeCount, source.calls], [0, ["describe public.items"]]);
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
  equal(catalog.shapeCount, 0);
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
  deepEqual([isWoken, shape.isGone, catalog.shapeCount], [true, true, 0]);
  equal(await catalog.find(request()), undefined);
  notEqual((await made(catalog)).handle, shape.handle);
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
  equal(second.catalog.shapeCount, 2);
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
  deepEqual((await start(first.store.crash())).catalog.shapeCount, 0);
  equal(shape.isGone, false);
  await store.flushed();
  const { catalog } = await start(store);
  equal(catalog.shapeCount, 0);
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
  equal(catalog.shapeCount, 3);
  catalog.evictBeyond(2);
  deepEqual(shapes.map(({ isGone }) => isGone), [false, true, false]);
  catalog.evictBeyond(0);
  equal(catalog.shapeCount, 0);
});

Deno.test("Catalog.tableChanged() ends what no longer fits and keeps the rest", async () => {
  const { catalog } = await start();
  const [all, own] = [await made(catalog), await made(catalog, request({ columns: "id,v" }))];
  const columns = [...table().columns, { name: "added", isNotNull: true }];
  const now = table({ columns });
  catalog.tableChanged(5000, now);
  deepEqual([all.isGone, own.isGone], [true, false]);
  equal(own.definition.table, now);
  deepEqual(catalog.tables, [now]);
  catalog.tableChanged(5000, undefined);
  equal(own.isGone, true);
  deepEqual(catalog.tables, []);
});

Deno.test("Catalog.tableChanged() brings changes of new partitions, and ends shapes that lost one", async () => {
  const { catalog, source, ingest } = await start();
  const parent = (...partitions: number[]) => table({ kind: "partitioned", partitions });
  source.tables.push(parent(1));
  const shape = await made(catalog);
  const child = new Changes(table({ oid: 2, name: "child" }));
  await ingest.accept(transaction(100, child.announced, child.insert("8", null, null)));
  catalog.tableChanged(5000, parent(1, 2));
  await ingest.accept(transaction(200, child.insert("9", null, null)));
  deepEqual(summary(shape), ['insert "9" @200_0']);
  catalog.tableChanged(5000, parent(2));
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
  equal(catalog.shapeCount, 0);
});

Deno.test("Catalog.whenActive() resolves when active, late, or when nobody waits any more", async () => {
  const { catalog } = await start();
  equal(catalog.state, "starting");
  const signal = new AbortController();
  const active = catalog.whenActive(60_000, new AbortController().signal);
  const left = catalog.whenActive(60_000, signal.signal);
  signal.abort();
  await left;
  await catalog.whenActive(0, new AbortController().signal);
  catalog.setState("waiting", "Another instance holds the lock");
  deepEqual([catalog.state, catalog.stateReason], ["waiting", "Another instance holds the lock"]);
  catalog.setState("active", "");
  await active;
  await catalog.whenActive(60_000, new AbortController().signal);
  catalog.setState("starting", "Lost");
  await catalog.whenActive(0, new AbortController().signal);
  equal(catalog.state, "starting");
});

Deno.test("Catalog.lastSeenLsn is the ingest's", async () => {
  const { catalog, ingest } = await start();
  await ingest.accept(transaction(100));
  equal(catalog.lastSeenLsn, 100n);
});
