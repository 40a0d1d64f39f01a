import { deepStrictEqual as deepEqual, ok, strictEqual as equal } from "node:assert/strict";
import { Continuity } from "../../shapes/continuity.ts";
import type { StoredIdentity } from "../../shapes/log/store.ts";
import { DrivenStore } from "../support/driven_store.ts";
import { begin, Changes, commit, IngestWorld } from "../support/ingest_world.ts";
import { table } from "../support/shape_fixture.ts";

const NAME = { systemId: "7", timeline: 2, database: "app" };
const IDENTITY: StoredIdentity = { ...NAME, shift: 0n, beganAt: 0n, timelineBeganAt: 0n };

function open(stored: StoredIdentity | undefined, store = new DrivenStore({ isPrompt: true })) {
  const world = new IngestWorld({ store, appliedLsn: 800n });
  const shape = world.shape(table());
  const done: string[] = [];
  const catalog = {
    loseAll: (reason: string) => {
      done.push(`lose: ${reason}`);
      shape.lose();
    },
    endAll: (reason: string) => done.push(`end: ${reason}`),
  };
  const continuity = new Continuity({ store, catalog, ingest: world.ingest, stored });
  const start = (changed: Partial<Parameters<Continuity["begin"]>[0]> = {}) =>
    continuity.begin({
      ...NAME,
      isSlotNew: false,
      confirmedLsn: 1600n,
      serverLsn: 1600n,
      ...changed,
    });
  return { world, shape, continuity, done, start, store };
}

Deno.test("Continuity.begin() goes on where the stream ended", async () => {
  const { start, done, continuity, world } = open(IDENTITY);
  await start();
  deepEqual(done, []);
  deepEqual(continuity.identity, IDENTITY);
  equal(world.ingest.lastSeenLsn, 1600n);
});

Deno.test("Continuity.begin() notes the first history, and loses nothing by it", async () => {
  const { start, done, continuity, store } = open(undefined);
  await start({ isSlotNew: true });
  deepEqual(done, []);
  deepEqual(continuity.identity, {
    ...NAME,
    shift: 0n,
    beganAt: 1600n,
    timelineBeganAt: 1600n,
  });
  deepEqual((await store.load()).identity, continuity.identity);
});

const BREAKS = [
  [{ isSlotNew: true }, "lose: The replication slot is new"],
  [{ timeline: 3 }, "lose: The database has another history"],
  [{ systemId: "8" }, "lose: The database has another history"],
  [{ database: "other" }, "end: The database is another one"],
] as const;

for (const [changed, expected] of BREAKS) {
  Deno.test(`Continuity.begin() tells of a break: ${expected}, ${Object.keys(changed)}`, async () => {
    const { start, done, continuity, world } = open(IDENTITY);
    await start(changed);
    deepEqual(done, [expected]);
    const { isSlotNew: _, ...name } = { isSlotNew: false, ...changed };
    const isSame = "isSlotNew" in changed;
    const began = { beganAt: 1600n, timelineBeganAt: isSame ? 0n : 1600n };
    deepEqual(continuity.identity, { ...NAME, ...name, shift: 0n, ...began });
    equal(world.ingest.positions.committedLsn, 1599n);
  });
}

Deno.test("I3: a history whose positions are lower goes on beyond what was named", async () => {
  const { start, continuity, world, shape } = open(IDENTITY);
  shape.revise({ xmin: 1n, xmax: 1n, inProgress: [], walPosition: 5_000n });
  await start({ timeline: 3, confirmedLsn: 80n, serverLsn: 80n });
  ok(continuity.identity && continuity.identity.beganAt > 5_000n);
  const items = new Changes();
  const fresh = world.shape(table());
  await world.accept(items.announced, begin(80), items.insert("1", null, null), commit(88));
  ok(fresh.head.lsn > 5_000n);
  equal(world.confirmed.at(-1), 88n, "the slot's positions are its own");
});

Deno.test("Continuity.lose() is over when that is durable", async () => {
  const { continuity, done, store } = open(IDENTITY, new DrivenStore());
  store.commit();
  let isOver = false;
  const losing = continuity.lose("The slot is gone").then(() => isOver = true);
  await Promise.resolve();
  equal(isOver, false);
  ok(store.pending > 0);
  store.commit();
  await losing;
  deepEqual(done, ["lose: The slot is gone"]);
});

Deno.test("Continuity.meet() begins another history that a query met, but not for a replica", async () => {
  const { continuity, done } = open(IDENTITY);
  await continuity.meet({ ...NAME, timeline: 0, isReplica: true }, 1600n);
  await continuity.meet({ ...NAME, timeline: 2, isReplica: false }, 1600n);
  deepEqual(done, []);
  await continuity.meet({ ...NAME, timeline: 3, isReplica: false }, 1600n);
  deepEqual(done, ["lose: The database has another history"]);
  equal(continuity.identity?.timeline, 3);
});
