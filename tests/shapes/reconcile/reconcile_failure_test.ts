import { deepStrictEqual as deepEqual, rejects, strictEqual as equal } from "node:assert/strict";
import { loadParser } from "../../../shapes/where/parse.ts";
import { begin, commit } from "../../support/ingest_world.ts";
import { filled, type ReconcileWorld, row } from "../../support/reconcile_world.ts";
import { table } from "../../support/shape_fixture.ts";

await loadParser();

Deno.test("reconcileShape() ends with the shape", async () => {
  for (const stage of ["reserve", "visible", "rows", "end"] as const) {
    const world = filled();
    world.rows(row(1));
    world.source.close(stage);
    const reconciling = world.reconcile();
    await world.source.reached(stage);
    world.shape.end();
    world.world.ingest.remove(world.shape);
    world.store.dropShape(world.shape.handle);
    world.source.open(stage);
    await rejects(reconciling, { name: "ShapeGoneError" });
  }
  const world = filled();
  world.shape.end();
  await rejects(world.reconcile(), { name: "ShapeGoneError" });
});

Deno.test("reconcileShape() that fails before anything came of it leaves the shape as it was", async () => {
  for (const stage of ["reserve", "visible", "rows", "batch", "end"] as const) {
    for (const way of ["failure", "abort"] as const) {
      const world = filled();
      const { visibility, head } = world.shape;
      world.rows(row(1), row(2), row(3), row(4));
      world.sees(704);
      const abort = new AbortController();
      if (way === "failure") world.source.failures[stage] = new RangeError("failed");
      else world.source.close(stage);
      const reconciling = world.reconcile({ signal: abort.signal });
      if (way === "abort") world.source.reached(stage).then(() => abort.abort());
      await rejects(reconciling, way === "failure" ? RangeError : { name: "AbortError" });
      deepEqual(world.shape.visibility, visibility);
      deepEqual([world.shape.isFollowed, world.shape.isFrozen], [true, false], stage);
      deepEqual(world.shape.head, head);
      world.brings(world.changes.insert("9", null, null));
      await turns();
      equal((await world.replayed()).rows.size, 5);
    }
  }
});

/** Fails after its snapshot has seen a delete that the log has left out since. */
async function failLate(world: ReconcileWorld): Promise<void> {
  world.rows(row(1), row(2), row(3), row(5));
  world.source.close("end");
  const reconciling = world.reconcile();
  await world.source.reached("end");
  world.brings(world.changes.delete("4", "40", "x"));
  world.source.failures.end = new RangeError("failed");
  world.source.open("end");
  await rejects(reconciling, RangeError);
}

Deno.test("reconcileShape() that fails after the stream went on leaves the shape to the next one", async () => {
  const world = filled();
  const { head } = world.shape;
  await failLate(world);
  deepEqual([world.shape.isFollowed, world.shape.isFrozen], [false, true]);
  deepEqual(world.shape.head, head);
  world.sees(720);
  await world.reconcile({ isStreamed: true });
  deepEqual([world.shape.isFollowed, world.shape.isFrozen], [true, false]);
  deepEqual((await world.replayed()).values().map(({ id }) => id), ["1", "2", "3", "5"]);
});

Deno.test("reconcileShape() does not measure a database by what it saw in vain before a crash", async () => {
  const world = filled();
  const kept = world.source.visibility;
  world.source.visibility = { ...kept, walPosition: kept.walPosition + 100n };
  await failLate(world);
  // It has lost what it had not written, and comes back with less WAL than it had.
  world.source.visibility = kept;
  world.rows(row(1), row(2));
  await world.reconcile();
  deepEqual((await world.replayed()).values().map(({ id }) => id), ["1", "2"]);
});

Deno.test("reconcileShape() whose shape loses changes meanwhile is of no use", async () => {
  const world = filled();
  world.rows(row(1));
  world.source.close("end");
  const reconciling = world.reconcile({ isStreamed: true });
  await world.source.reached("end");
  world.shape.lose();
  world.source.open("end");
  await rejects(reconciling, { name: "LostMeanwhileError" });
  deepEqual([world.shape.isFollowed, world.shape.isFrozen], [false, true]);
});

Deno.test("reconcileShape() whose stream breaks off in a transaction takes no part of it twice", async () => {
  const world = filled();
  world.rows(row(1), row(2), row(3), row(4));
  world.source.close("end");
  const reconciling = world.reconcile();
  await world.source.reached("end");
  const insert = world.changes.insert("9", null, null);
  world.world.accept(begin(5000, 900), insert);
  world.world.ingest.restart(4000n);
  world.world.accept(begin(5000, 900), world.changes.announced, insert, commit(5008));
  world.source.open("end");
  await rejects(reconciling, { name: "LostMeanwhileError" });
  deepEqual([world.shape.isFollowed, world.shape.isFrozen], [false, true]);
  world.source.visibility = { xmin: 901n, xmax: 901n, inProgress: [], walPosition: 6000n };
  world.rows(row(1), row(2), row(3), row(4), row(9, null, null));
  await world.reconcile({ isStreamed: true });
  equal((await world.replayed()).rows.size, 5);
});

Deno.test("reconcileShape() of a shape whose changes come blind loses it again", async () => {
  const world = filled(table(), { where: "n > 5" });
  world.rows(row(1));
  world.source.close("end");
  world.shape.lose();
  const reconciling = world.reconcile({ isStreamed: true });
  await world.source.reached("end");
  world.brings(world.changes.insert("6", "60", null));
  world.brings(world.changes.deleteBlind("1", null, null));
  world.source.open("end");
  await rejects(reconciling, { name: "LostMeanwhileError" });
});

/** Everything that can go on without us has. */

function turns(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 0));
}
