/** What every `ShapeStore` must count: the part of the contract that acknowledgements rest on. */

import assert from "node:assert/strict";
import { addShape, textEntry, type World } from "./store_world.ts";

export function testWrites(
  test: (what: string, body: (world: World) => Promise<void>) => void,
): void {
  test("counts the calls that change what a restart finds of complete shapes", ({ store }) => {
    const isCounted = (act: () => void) => {
      const before = store.writes;
      act();
      return store.writes > before;
    };
    const at = { lsn: 8n, op: 0 };
    const identity = {
      systemId: "1",
      timeline: 1,
      database: "d",
      shift: 0n,
      beganAt: 0n,
      timelineBeganAt: 0n,
    };
    assert.deepEqual([
      // A shape whose snapshot is not complete is forgotten.
      isCounted(() => addShape(store, "a")),
      isCounted(() => store.appendLog("a", textEntry(at, at, ",1"))),
      // Part of the entry before.
      isCounted(() => store.endChunk("a", at)),
      isCounted(() => store.setStanding("a", "frozen")),
      isCounted(() => store.setPartitions(1, [2])),
      isCounted(() => store.setIdentity(identity)),
      isCounted(() => store.setAppliedLsn(8n)),
      isCounted(() => store.dropShape("a")),
    ], [false, true, false, true, true, true, false, true]);
    return Promise.resolve();
  });
}
