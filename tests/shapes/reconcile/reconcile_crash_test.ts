import { deepStrictEqual as deepEqual, ok, strictEqual as equal } from "node:assert/strict";
import type { StreamEvent } from "../../../shapes/change.ts";
import { compareOffsets, type Offset, SNAPSHOT_END } from "../../../shapes/offset.ts";
import { reconcileShape } from "../../../shapes/reconcile/reconcile.ts";
import type { Shape } from "../../../shapes/shape.ts";
import { loadParser } from "../../../shapes/where/parse.ts";
import { DrivenStore } from "../../support/driven_store.ts";
import { begin, commit, IngestWorld, storedItems } from "../../support/ingest_world.ts";
import { type Item, LogReplayer } from "../../support/log_replayer.ts";
import { IDENTITY, ReconcileWorld } from "../../support/reconcile_world.ts";
import { ScriptedSource, type Texts } from "../../support/scripted_source.ts";
import { table } from "../../support/shape_fixture.ts";

await loadParser();

const row = (id: number, n: string, xmin = "700"): Texts => ({ id: `${id}`, n, v: null, xmin });

/** A client that reads what is shown, and nothing twice. */
class Client {
  readonly replayer = new LogReplayer().apply([{ headers: { control: "snapshot-end" } }]);
  offset: Offset = SNAPSHOT_END;

  async read(store: DrivenStore, shape: Shape): Promise<void> {
    const { head } = shape;
    const isNew = ({ headers }: Item) => {
      const at = { lsn: BigInt(`${headers.lsn}`), op: headers.op_position ?? 0 };
      return compareOffsets(at, this.offset) > 0 && compareOffsets(at, head) <= 0;
    };
    this.replayer.apply((await storedItems(store, shape.handle)).filter(isNew));
    if (compareOffsets(head, this.offset) > 0) this.offset = head;
  }

  get rows(): string[] {
    return this.replayer.values().map(({ id, n }) => `${id}:${n}`);
  }
}

/** The stream brings it while the rows are read, which don't show it yet. */
const LATE = (world: ReconcileWorld): StreamEvent[] => [
  begin(2000, 800),
  world.changes.announced,
  world.changes.update(["2", "21", null], ["2", "22", null]),
  world.changes.insert("6", "60", null),
  commit(2008),
];
const SEEN = [row(1, "10"), row(2, "21"), row(3, "30", "750"), row(5, "50", "750")];
const FINAL = ["1:10", "2:22", "3:30", "5:50", "6:60"];

/** Rows 1, 2 and 4 are stored and read; then comes a reconcile. */
async function begun(isStreamed: boolean) {
  const store = new DrivenStore();
  const world = new ReconcileWorld(table(), {}, store);
  store.completeSnapshot(world.shape.handle, "");
  const { changes } = world;
  world.brings(...["1", "2", "4"].map((id) => changes.insert(id, `${id}0`, null)));
  const client = new Client();
  await client.read(store, world.shape);
  if (isStreamed) world.shape.lose();
  store.commit();
  world.sees(780);
  world.rows(...SEEN);
  world.source.close("end");
  const reconciling = world.reconcile({ isStreamed });
  await world.source.reached("end");
  world.world.accept(...LATE(world));
  world.source.open("end");
  let isOver = false;
  reconciling.then(() => isOver = true);
  return { world, store, client, isOver: () => isOver };
}

/** The server starts again: the stream brings what was not confirmed, and the shape is looked after. */
async function goOn(before: ReconcileWorld, client: Client): Promise<Shape> {
  const store = before.store.crash();
  const state = await store.load();
  equal(state.shapes.length, 1);
  const world = new IngestWorld({ store, appliedLsn: state.appliedLsn });
  const shape = world.restore(state.shapes[0], before.table);
  await client.read(store, shape);
  await world.accept(...LATE(before));
  const source = new ScriptedSource();
  source.visibility = { xmin: 801n, xmax: 801n, inProgress: [], walPosition: 3000n };
  source.rows.set(5000, [row(1, "10"), row(2, "22"), row(3, "30"), row(5, "50"), row(6, "60")]);
  let isOver = false;
  reconcileShape(shape, {
    source,
    ingest: world.ingest,
    store,
    identity: () => IDENTITY,
    seed: 1,
    fold: undefined,
    isStreamed: true,
    nowMs: () => 0,
    signal: new AbortController().signal,
  }).then(() => isOver = true);
  while (!isOver) {
    store.commit();
    await turn();
    await client.read(store, shape);
  }
  return shape;
}

for (const isStreamed of [false, true]) {
  const what = isStreamed ? "that lacked changes" : "in fallback";
  Deno.test(`I7: a crash at any write of a reconcile ${what} costs no row, and no client starts again`, async () => {
    let writes = 0;
    for (let isOver = false; !isOver; writes++) {
      const { world, store, client, ...reconcile } = await begun(isStreamed);
      for (let written = 0; written < writes && !isOver; written++) {
        await turn();
        await client.read(store, world.shape);
        if (store.pending > 0) store.commit(1);
        else isOver = reconcile.isOver();
      }
      await turn();
      await client.read(store, world.shape);
      const shape = await goOn(world, client);
      deepEqual(client.rows, FINAL, `after ${writes} writes`);
      deepEqual([shape.isFollowed, shape.isFrozen], [true, false]);
    }
    ok(writes > 5, `${writes} writes`);
  });
}

function turn(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 0));
}
