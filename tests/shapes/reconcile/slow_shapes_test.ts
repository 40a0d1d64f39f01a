import { deepStrictEqual as deepEqual, ok, strictEqual as equal } from "node:assert/strict";
import { TooSlowError } from "../../../shapes/errors.ts";
import { SlowShapes } from "../../../shapes/reconcile/slow_shapes.ts";
import { IngestWorld, logItems } from "../../support/ingest_world.ts";
import { waitUntil } from "../../support/recording_sink.ts";
import { INTERVAL_MS, RefresherWorld } from "../../support/refresher_world.ts";
import { table } from "../../support/shape_fixture.ts";

const tooSlow = () => new TooSlowError("Took too long", { retryAfterSeconds: 10 });
const row = (id: string) => ({ id, n: null, v: null, xmin: "5" });

/** The shape's turn comes, and takes too long. */
async function timeOut(world: RefresherWorld, shape = world.shapes[0]): Promise<void> {
  world.source.failures.end = tooSlow();
  world.nowMs += INTERVAL_MS;
  equal(await world.refresh(shape), true);
}

Deno.test("SlowShapes counts how many times in a row a shape was too slow", () => {
  const slow = new SlowShapes(), world = new IngestWorld();
  const [a, b] = [world.shape(table()), world.shape(table())];
  deepEqual([slow.note(a), slow.note(a), slow.note(b)], [1, 2, 1]);
  equal(slow.count(() => true), 2);
  slow.forget(a);
  equal(slow.has(a), false);
  equal(slow.note(a), 1);
});

Deno.test("SlowShapes keeps none that is gone", () => {
  const slow = new SlowShapes(), world = new IngestWorld();
  const [gone, other] = [world.shape(table()), world.shape(table())];
  slow.note(gone);
  gone.end();
  slow.note(other);
  equal(slow.has(gone), false);
});

Deno.test("Refresher tells of a shape that is too slow, ever louder, and goes on trying", async () => {
  await using world = new RefresherWorld();
  for (let times = 1; times <= 4; times++) {
    await timeOut(world);
    equal(world.refresher.slow, 1);
  }
  deepEqual(world.rotated, [], "reading it from the start would take as long");
  deepEqual(world.logger.messages.filter((each) => each.includes("hape")), [
    "Could not reconcile a shape",
    "Could not reconcile a shape",
    "A shape is not kept fresh",
    "A shape is not kept fresh",
  ]);
  deepEqual([world.refresher.counters.failures, world.refresher.counters.timeouts], [4, 4]);
  world.source.rows.set(5000, [row("1")]);
  world.nowMs += INTERVAL_MS;
  await world.refresh();
  equal(world.refresher.slow, 0);
  equal(logItems(world.shapes[0]).length, 1);
});

Deno.test("Refresher leaves the database alone four times as long as a query took that was too slow", async () => {
  await using world = new RefresherWorld();
  world.source.failures.end = tooSlow();
  world.source.close("visible");
  const slow = world.refresher.refresh(world.shapes[0]);
  world.nowMs += 300_000;
  world.source.open("visible");
  await slow;
  world.nowMs += 1_199_999;
  equal(await world.refresh(), false);
  world.nowMs += 1;
  equal(await world.refresh(), true);
});

Deno.test("Refresher keeps a place for shapes that were not too slow", async () => {
  await using world = new RefresherWorld({ shapes: 3, concurrency: 2 });
  const [first, second, fast] = world.shapes;
  for (const shape of [first, second]) await timeOut(world, shape);
  world.nowMs += INTERVAL_MS;
  world.source.close("visible");
  ok(world.refresher.refresh(first));
  equal(world.refresher.refresh(second), undefined);
  const refreshing = world.refresher.refresh(fast);
  ok(refreshing);
  world.source.open("visible");
  await refreshing;
});

Deno.test("Refresher takes shapes that were too slow last, whoever waits for them", async () => {
  await using world = new RefresherWorld({ shapes: 2, concurrency: 1 });
  const [slow, fast] = world.shapes;
  await timeOut(world, slow);
  const before = world.queried.length;
  slow.watch(() => {});
  world.nowMs += INTERVAL_MS;
  world.use(fast);
  await waitUntil("both had their turn", () => world.queried.length === before + 2);
  deepEqual(world.queried.slice(before), ["t1", "t0"]);
});

Deno.test("Refresher.slow counts none that the stream keeps fresh again", async () => {
  await using world = new RefresherWorld();
  await timeOut(world);
  world.mode = "live";
  equal(world.refresher.slow, 0);
  equal(world.refresher.isSlow(world.shapes[0]), false);
  world.mode = "fallback";
  equal(world.refresher.isSlow(world.shapes[0]), true);
});
