import { deepStrictEqual as deepEqual, ok, strictEqual as equal } from "node:assert/strict";
import { InvalidRequestError, UnavailableError } from "../../../shapes/errors.ts";
import { TableChangedError } from "../../../shapes/ports.ts";
import { Changes, logItems, transaction } from "../../support/ingest_world.ts";
import { waitUntil } from "../../support/recording_sink.ts";
import { INTERVAL_MS, RefresherWorld } from "../../support/refresher_world.ts";
import { table } from "../../support/shape_fixture.ts";

const unavailable = () => new UnavailableError("Not now", { retryAfterSeconds: 1 });
const row = (id: string) => ({ id, n: null, v: null, xmin: "5" });

Deno.test("Refresher appends what it finds for a shape that somebody asks for in fallback", async () => {
  await using world = new RefresherWorld();
  world.source.rows.set(5000, [row("1")]);
  equal(await world.refresh(), true);
  equal(logItems(world.shapes[0]).length, 1);
  deepEqual([world.refresher.counters.queries, world.refresher.counters.appendedRows], [1, 1]);
});

Deno.test("Refresher.refresh() has nothing to do for whom the stream keeps fresh, or nobody can", async () => {
  await using world = new RefresherWorld({ mode: "live" });
  equal(await world.refresh(), false);
  world.mode = "starting";
  equal(await world.refresh(), false);
  world.mode = "fallback";
  const only = world.ingest.shape(table(), { log: "changes_only" });
  equal(await world.refresh(only), false);
  world.shapes[0].end();
  equal(await world.refresh(), false);
  deepEqual(world.queried, []);
});

Deno.test("Refresher.refresh() asks once an interval, and once for all who ask at the same time", async () => {
  await using world = new RefresherWorld();
  world.source.close("visible");
  const first = world.refresher.refresh(world.shapes[0]);
  equal(world.refresher.refresh(world.shapes[0]), first);
  world.source.open("visible");
  await first;
  world.nowMs += INTERVAL_MS - 1;
  equal(await world.refresh(), false);
  world.nowMs += 1;
  equal(await world.refresh(), true);
  equal(world.queried.length, 2);
});

Deno.test("Refresher brings turns forward by up to a tenth of the interval", async () => {
  let random = 0;
  await using world = new RefresherWorld({ random: () => random });
  await world.refresh();
  random = 0.99;
  world.nowMs += INTERVAL_MS * 0.9;
  equal(await world.refresh(), false);
  world.nowMs += 2;
  equal(await world.refresh(), true);
});

Deno.test("Refresher leaves the database alone four times as long as a query took", async () => {
  await using world = new RefresherWorld();
  world.source.close("visible");
  const slow = world.refresher.refresh(world.shapes[0]);
  await world.source.reached("visible");
  world.nowMs += 3_000;
  world.source.open("visible");
  await slow;
  world.nowMs += 11_999;
  equal(await world.refresh(), false);
  world.nowMs += 1;
  equal(await world.refresh(), true);
});

Deno.test("Refresher runs no more at a time than it may", async () => {
  await using world = new RefresherWorld({ shapes: 3, concurrency: 2 });
  world.source.close("visible");
  const [a, b, c] = world.shapes.map((shape) => world.refresher.refresh(shape));
  ok(a && b);
  equal(c, undefined);
  equal(world.refresher.running, 2);
  world.source.open("visible");
  await Promise.all([a, b]);
});

Deno.test("Refresher looks in fallback after shapes that are watched, or were used lately", async () => {
  await using world = new RefresherWorld({ shapes: 3 });
  world.shapes[1].watch(() => {});
  world.use(world.shapes[2]);
  await world.looked();
  deepEqual(world.queried.toSorted(), ["t1", "t2"]);
  world.nowMs += INTERVAL_MS * 2;
  world.sees(20n);
  await world.looked();
  deepEqual(world.queried.slice(2), ["t1"]);
});

Deno.test("Refresher waits for the readers of a shape that was restored a moment ago", async () => {
  await using world = new RefresherWorld({ shapes: 2 });
  const [restored, used] = world.shapes;
  restored.touch(world.nowMs - 1);
  world.use(used);
  await world.looked();
  deepEqual(world.queried, ["t1"]);
  restored.watch(() => {});
  await world.looked();
  deepEqual(world.queried, ["t1", "t0"]);
});

Deno.test("Refresher begins with the shapes that are watched, then with those used last", async () => {
  await using world = new RefresherWorld({ shapes: 4, concurrency: 1, mode: "starting" });
  world.shapes.forEach((shape, i) => shape.touch(world.nowMs + i));
  world.shapes[1].watch(() => {});
  world.mode = "fallback";
  await waitUntil("all had their turn", () => world.queried.length === 4);
  deepEqual(world.queried, ["t1", "t3", "t2", "t0"]);
});

Deno.test("Refresher does not query again while nothing is written", async () => {
  await using world = new RefresherWorld();
  world.shapes[0].watch(() => {});
  await world.looked();
  equal(world.queried.length, 1);
  for (let i = 0; i < 3; i++) {
    world.nowMs += INTERVAL_MS;
    await world.looked(1);
  }
  equal(world.queried.length, 1);
  world.sees(20n);
  world.nowMs += INTERVAL_MS;
  await world.looked();
  equal(world.queried.length, 2);
});

Deno.test("Refresher brings shapes that lack changes back to the stream, the latest used first", async () => {
  await using world = new RefresherWorld({ shapes: 3, mode: "live", concurrency: 1 });
  world.shapes.forEach((shape, i) => shape.touch(world.nowMs + i));
  for (const shape of world.shapes) shape.lose();
  await waitUntil("all follow the stream", () => world.shapes.every(({ isBehind }) => !isBehind));
  deepEqual(world.queried, ["t2", "t1", "t0"]);
  deepEqual(world.source.calls.filter((call) => call.startsWith("prepare")), [
    "prepare t2",
    "prepare t1",
    "prepare t0",
  ]);
});

Deno.test("Refresher queries a table that the stream does not bring, and says so once", async () => {
  await using world = new RefresherWorld({ mode: "live" });
  const [shape] = world.shapes;
  shape.lose();
  world.source.rows.set(5000, [row("1")]);
  const fail = () => world.source.failures.prepare = unavailable();
  for (let i = 1; i <= 3; i++) {
    fail();
    world.nowMs += INTERVAL_MS;
    equal(await world.refresh(), true);
    equal(shape.isBehind, true);
    equal(world.queried.length >= i, true);
  }
  equal(logItems(shape).length, 1);
  equal(world.logger.messages.filter((each) => each.includes("it is queried")).length, 1);
  world.nowMs += INTERVAL_MS;
  await world.refresh();
  equal(shape.isBehind, false, "it is prepared");
});

Deno.test("Refresher rotates a shape that has failed three times for its own sake", async () => {
  await using world = new RefresherWorld();
  for (let i = 0; i < 3; i++) {
    deepEqual(world.rotated, []);
    world.source.failures.end = new RangeError("Broken");
    world.nowMs += 60_000;
    await world.refresh();
  }
  deepEqual(world.rotated, ["t0: It can't be reconciled"]);
});

Deno.test("Refresher rotates a shape that Postgres can't evaluate at once", async () => {
  await using world = new RefresherWorld();
  world.source.failures.visible = new InvalidRequestError({ where: ["no"] });
  await world.refresh();
  deepEqual(world.rotated, ["t0: It can't be reconciled"]);
});

Deno.test("Refresher tries again for as long as it takes when the shape is not at fault", async () => {
  await using world = new RefresherWorld();
  for (let i = 0; i < 5; i++) {
    world.source.failures.visible = i % 2 ? unavailable() : new TableChangedError("x");
    world.nowMs += INTERVAL_MS;
    equal(await world.refresh(), true);
  }
  deepEqual(world.rotated, []);
  world.source.rows.set(5000, [row("1")]);
  world.nowMs += INTERVAL_MS;
  await world.refresh();
  equal(logItems(world.shapes[0]).length, 1);
});

Deno.test("Refresher: the failure of one shape is none of the others' concern", async () => {
  await using world = new RefresherWorld({ shapes: 2 });
  for (const shape of world.shapes) shape.watch(() => {});
  world.source.onTake = ({ table: { name } }) => {
    if (name === "t0") throw new RangeError("Broken");
  };
  world.source.rows.set(5001, [row("1")]);
  await waitUntil("the other was reconciled", () => logItems(world.shapes[1]).length === 1);
  equal(world.shapes[1].isGone, false);
});

Deno.test("Refresher tells of another history, and does not count it against the shape", async () => {
  await using world = new RefresherWorld();
  world.source.origin = { systemId: "2", timeline: 1, database: "app", isReplica: false };
  for (let i = 0; i < 4; i++) {
    world.nowMs += INTERVAL_MS;
    await world.refresh();
  }
  deepEqual(world.foreign, [10n, 10n, 10n, 10n]);
  deepEqual(world.rotated, []);
});

Deno.test("Refresher goes on from what it knew of a log", async () => {
  await using world = new RefresherWorld();
  const [shape] = world.shapes;
  world.source.rows.set(5000, [row("1"), row("2")]);
  await world.refresh();
  world.source.rows.set(5000, [row("2"), row("3")]);
  world.sees(20n);
  world.nowMs += INTERVAL_MS;
  await world.refresh();
  deepEqual(logItems(shape).map(({ headers }) => headers.operation), [
    "insert",
    "insert",
    "insert",
    "delete",
  ]);
});

Deno.test("Refresher.run() ends what is under way", async () => {
  const world = new RefresherWorld();
  const items = new Changes(world.shapes[0].definition.table);
  await world.ingest.accept(...transaction(100, items.announced));
  world.source.close("end");
  const refreshing = world.refresher.refresh(world.shapes[0]);
  await world.source.reached("end");
  world.source.isDeaf = false;
  await world[Symbol.asyncDispose]();
  await refreshing;
  equal(world.refresher.running, 0);
  equal(await world.refresh(), false);
});

Deno.test("Refresher makes a stream that catches up wait for a round of reconciles, and then leaves it alone", async () => {
  await using world = new RefresherWorld();
  const changes = new Changes(world.shapes[0].definition.table);
  const bring = (lsn: number) =>
    world.ingest.accept(...transaction(lsn, changes.insert(`${lsn}`, null, null)));
  world.ingest.accept(changes.announced);
  equal(await world.refresh(), true);
  equal(bring(100), undefined);

  world.reason = "stream_late";
  world.nowMs += 10 * INTERVAL_MS;
  world.sees(110n);
  equal(await world.refresh(), true);
  const held = bring(200);
  ok(held);
  await held;
  equal(bring(300), undefined);
  world.nowMs += INTERVAL_MS;
  world.sees(310n);
  equal(await world.refresh(), true);
  equal(bring(400), undefined);
  world.nowMs += INTERVAL_MS;
  world.sees(410n);
  equal(await world.refresh(), true);
  const again = bring(500);
  ok(again);
  await again;
});
