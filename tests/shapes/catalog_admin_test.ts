import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
import { CatalogAdmin } from "../../shapes/catalog_admin.ts";
import { END_KINDS } from "../../shapes/counters.ts";
import type { Mode } from "../../shapes/mode.ts";
import type { Shape } from "../../shapes/shape.ts";
import { loadParser } from "../../shapes/where/parse.ts";
import { made, start } from "../support/catalog_world.ts";
import { request } from "../support/shape_fixture.ts";

await loadParser();

const LIVE: Mode = { kind: "live", reason: undefined, detail: "", sinceMs: 0 };
const FALLEN: Mode = { kind: "fallback", reason: "no_slot", detail: "", sinceMs: 0 };

async function open(chunkBytes = 120) {
  const world = await start(undefined, chunkBytes);
  const { catalog } = world;
  catalog.setMode(LIVE);
  const reconciling = new Set<Shape>(), slow = new Set<Shape>();
  const admin = new CatalogAdmin({
    shapes: () => catalog.shapes,
    byHandle: (handle) => catalog.byHandle(handle),
    mode: () => catalog.mode,
    isReconciling: (shape) => reconciling.has(shape),
    isSlow: (shape) => slow.has(shape),
    chunkBytes,
  });
  return { ...world, admin, reconciling, slow };
}

Deno.test("CatalogAdmin tells what each shape is and what it has", async () => {
  const { catalog, admin, clock } = await open();
  clock.nowMs = 5000;
  const shape = await made(catalog, request({ where: "n > $1", params: new Map([["1", "5"]]) }));
  const [summary] = admin.list();
  equal(summary.shape, shape);
  equal(summary.table.name, shape.definition.table.name);
  equal(summary.where, shape.definition.where?.sql);
  equal(summary.columns, undefined);
  equal(summary.state, "live");
  equal(summary.lastUsedMs, 5000);
  equal(summary.snapshotBytes, shape.snapshotChunks.reduce((sum, bytes) => sum + bytes));
  equal(summary.logBytes, 0);
  const detail = admin.describe(shape.handle);
  deepEqual(detail?.key, ["id"]);
  deepEqual(detail?.snapshotChunks, shape.snapshotChunks);
  equal(admin.describe("nobody"), undefined);
});

Deno.test("CatalogAdmin counts what is appended, and the log from its chunks", async () => {
  const { catalog, admin } = await open(100);
  const shape = await made(catalog);
  const bytes = new TextEncoder().encode(`,{"n":"${"x".repeat(80)}"}`);
  for (const lsn of [10n, 20n, 30n]) {
    const isChunkEnd = shape.countItem(bytes.length);
    shape.append({ first: { lsn, op: 0 }, last: { lsn, op: 0 }, bytes }, isChunkEnd);
  }
  shape.publish();
  const detail = admin.describe(shape.handle);
  equal(detail?.appendedChanges, 3);
  equal(detail?.appendedBytes, 3 * bytes.length);
  deepEqual(detail?.logChunkEnds, [{ lsn: 20n, op: 0 }]);
  equal(detail?.openChunkBytes, bytes.length);
  equal(detail?.logBytes, 100 + bytes.length);
});

Deno.test("CatalogAdmin names what a shape is doing", async () => {
  const { catalog, admin, reconciling, slow, source } = await open();
  const shape = await made(catalog);
  const stateOf = () => admin.describe(shape.handle)?.state;
  equal(stateOf(), "live");
  catalog.setMode(FALLEN);
  equal(stateOf(), "behind");
  equal(admin.describe(shape.handle)?.isSlow, false);
  slow.add(shape);
  equal(admin.describe(shape.handle)?.isSlow, true);
  reconciling.add(shape);
  equal(stateOf(), "reconciling");
  reconciling.clear();
  catalog.setMode(LIVE);
  shape.lose();
  equal(stateOf(), "behind");
  const held = Promise.withResolvers<void>();
  source.prepare = () => held.promise;
  const filling = await catalog.findOrCreate(request({ where: "n > 3" }));
  equal(admin.describe(filling.handle)?.state, "snapshotting");
  held.resolve();
});

Deno.test("the catalog counts snapshots, modes, and shapes that end by why", async () => {
  const { catalog } = await open();
  const ended = () =>
    Object.fromEntries(
      END_KINDS.flatMap((kind) => catalog.ends.of(kind) ? [[kind, catalog.ends.of(kind)]] : []),
    );
  const [first, second] = [await made(catalog), await made(catalog, request({ where: "n > 3" }))];
  equal(catalog.snapshots.rows, 4);
  equal(catalog.snapshots.seconds.counts.reduce((sum, count) => sum + count), 2);
  deepEqual(ended(), {});
  catalog.drop(first.handle);
  catalog.rotate(second, "The table was truncated", "truncated");
  catalog.rotate(second, "Again", "truncated");
  deepEqual(ended(), { deleted: 1, truncated: 1 });
  await made(catalog, request({ log: "changes_only" }));
  catalog.loseAll("The slot is gone");
  await made(catalog);
  catalog.evictBeyond(0);
  deepEqual(ended(), { deleted: 1, evicted: 1, truncated: 1, changes_missed: 1 });
  catalog.setMode(FALLEN);
  catalog.setMode({ ...FALLEN, reason: "slot_lost" });
  catalog.setMode(LIVE);
  deepEqual(catalog.modes, { live: 2, fallback: 1, starting: 0 });
});
