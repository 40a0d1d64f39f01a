import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
import { Fold } from "../../../shapes/reconcile/fold.ts";
import { FoldCache } from "../../../shapes/reconcile/fold_cache.ts";
import { IngestWorld } from "../../support/ingest_world.ts";
import { definition, table } from "../../support/shape_fixture.ts";
import { TestLog } from "../../support/stored_log.ts";

/** A fold of about `rows` rows. */
function fold(rows: number): Fold {
  const made = new Fold(new TestLog(definition()), { seed: 1 });
  for (let i = 0; i < rows; i++) made.table.enter(i * 2_654_435_761 | 0, i);
  return made;
}

Deno.test("FoldCache gives a fold back once", () => {
  const cache = new FoldCache(), shape = new IngestWorld().shape(table());
  const kept = fold(1);
  cache.keep(shape, kept);
  equal(cache.take(shape), kept);
  equal(cache.take(shape), undefined);
});

Deno.test("FoldCache keeps the latest folds within its bytes", () => {
  const cache = new FoldCache(), world = new IngestWorld();
  const shapes = [1, 2, 3].map(() => world.shape(table()));
  // 22 MB each.
  for (const shape of shapes) cache.keep(shape, fold(600_000));
  deepEqual(shapes.map((shape) => cache.take(shape) !== undefined), [false, true, true]);
  cache.keep(shapes[0], fold(2_800_000));
  equal(cache.take(shapes[0]), undefined, "too large alone");
});

Deno.test("FoldCache forgets shapes that are gone", () => {
  const cache = new FoldCache(), world = new IngestWorld();
  const [gone, other] = [world.shape(table()), world.shape(table())];
  cache.keep(gone, fold(1));
  gone.end();
  cache.keep(gone, fold(1));
  cache.keep(other, fold(1));
  equal(cache.take(gone), undefined);
  equal(cache.take(other) !== undefined, true);
});
