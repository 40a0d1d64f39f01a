import { deepStrictEqual as deepEqual, ok, strictEqual as equal } from "node:assert/strict";
import { loadParser } from "../../shapes/where/parse.ts";
import { DrivenStore } from "../support/driven_store.ts";
import { Changes, IngestWorld, transaction } from "../support/ingest_world.ts";
import { filled, type ReconcileWorld, row } from "../support/reconcile_world.ts";
import { table } from "../support/shape_fixture.ts";

await loadParser();

const items = new Changes();

/** What a process that is started after a crash makes of the shape. */
async function restarted(store: DrivenStore) {
  const crashed = store.crash();
  const { appliedLsn, shapes: [stored] } = await crashed.load();
  if (!stored) return undefined;
  const world = new IngestWorld({ store: crashed, appliedLsn });
  return { world, shape: world.restore(stored, table()) };
}

/** A shape that is durable, with its snapshot. */
function durable() {
  const world = new IngestWorld({ store: new DrivenStore() });
  const shape = world.shape(table());
  world.store.completeSnapshot(shape.handle, "");
  world.store.commit();
  return { world, shape };
}

Deno.test("I1: Ingest acknowledges nothing that a shape leaves out before it is durable that it lacks changes", async () => {
  const { world, shape } = durable();
  shape.lose();
  await world.accept(...transaction(100, items.announced, items.insert("1", null, null)));
  deepEqual(world.confirmed, [], "a crash now would bring back a shape that follows the stream");
  equal((await restarted(world.store))?.shape.isFollowed, true);
  await world.accept(...transaction(200), { kind: "progress", walEnd: 300n });
  deepEqual(world.confirmed, []);
  while (world.confirmed.length === 0) {
    ok(world.store.pending > 0);
    world.store.commit(1);
  }
  equal((await restarted(world.store))?.shape.isFollowed, false);
  deepEqual(world.confirmed, [300n]);
  await world.accept(...transaction(400, items.insert("2", null, null)));
  deepEqual(world.confirmed, [300n, 410n], "nothing has to be waited for");
});

Deno.test("I1: Ingest acknowledges nothing that concerned a shape before it is durable that it has ended", async () => {
  const { world, shape } = durable();
  // As an operator, the limit of shapes and a look at the table do.
  world.ingest.remove(shape);
  world.store.dropShape(shape.handle);
  shape.end();
  await world.accept(...transaction(100, items.announced, items.insert("1", null, null)));
  deepEqual(world.confirmed, []);
  world.store.commit();
  deepEqual(world.confirmed, [110n]);
  equal(await restarted(world.store), undefined);
});

/** A durable shape with rows 1 to 4 that follows the stream; snapshots see more than it has brought. */
function reconcilable(): ReconcileWorld {
  const world = filled(table(), {}, new DrivenStore());
  world.source.visibility = { ...world.source.visibility, walPosition: 5000n };
  world.store.completeSnapshot(world.shape.handle, "");
  world.store.commit();
  return world;
}

/** Commits write by write until all is acknowledged up to there, and looks what a crash would leave. */
async function commitUntil(world: ReconcileWorld, position: bigint) {
  for (;;) {
    const isConfirmed = (world.world.confirmed.at(-1) ?? 0n) >= position;
    const again = await restarted(world.store);
    ok(again);
    if (isConfirmed) return again;
    ok(world.store.pending > 0, "it is never acknowledged");
    world.store.commit(1);
  }
}

Deno.test("I7: what a reconcile's snapshot has seen is not acknowledged before a restart knows of the reconcile", async () => {
  const world = reconcilable();
  world.rows(row(1), row(2), row(3));
  world.source.close("end");
  const reconciling = world.reconcile();
  await world.source.reached("end");
  // The snapshot has seen it: the log leaves it out, and its reconcile has appended nothing yet.
  world.brings(world.changes.delete("4", "40", "x"));
  const position = world.world.ingest.positions.committedLsn + 8n;
  ok((world.world.confirmed.at(-1) ?? 0n) < position, "a crash now would lose the deletion");
  const { shape } = await commitUntil(world, position);
  deepEqual([shape.isFollowed, shape.isFrozen], [false, true]);
  world.source.open("end");
  let isOver = false;
  reconciling.then(() => isOver = true);
  while (!isOver) {
    world.store.commit();
    await new Promise((resolve) => setTimeout(resolve, 0));
  }
  equal((await world.replayed()).rows.size, 3);
});

Deno.test("I7: what the snapshot of a reconcile that found nothing has seen is left out after a restart, too", async () => {
  const world = reconcilable();
  world.rows(row(1), row(2), row(3), row(4));
  await world.reconcile();
  equal(world.store.pending, 0, "there was nothing to tell the store");
  // Both are seen already; the first of them alone is acknowledged.
  const changes = [world.changes.delete("4", "40", "x"), world.changes.insert("4", "40", "x")];
  world.brings(changes[0]);
  const position = world.world.ingest.positions.committedLsn + 8n;
  const again = await commitUntil(world, position);
  await again.world.accept(
    ...transaction(Number(position) + 8, world.changes.announced, changes[1]),
  );
  equal(again.shape.isFollowed, true);
  equal(again.shape.appended.lsn, world.shape.appended.lsn, "a row would be inserted twice");
});
