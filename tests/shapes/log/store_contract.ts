/** What every `ShapeStore` must do: one suite, run over each of them. */

import assert from "node:assert/strict";
import { ShapeGoneError } from "../../../shapes/errors.ts";
import { SNAPSHOT_END } from "../../../shapes/offset.ts";
import { runModel } from "./store_model.ts";
import {
  addShape,
  assertSameBytes,
  at,
  END,
  patternBytes,
  readChunk,
  readText,
  type TestStorage,
  textEntry,
  World,
} from "./store_world.ts";
import { testLogs } from "./store_logs_contract.ts";
import { testWrites } from "./store_writes_contract.ts";

export function testStoreContract(name: string, openStorage: () => Promise<TestStorage>): void {
  const test = (what: string, body: (world: World) => Promise<void>) =>
    Deno.test(`${name} ${what}`, async () => {
      await using storage = await openStorage();
      await using world = await World.start(storage);
      await body(world);
    });
  testStates(test);
  testRecords(test);
  testStandings(test);
  testDropsAndMistakes(test);
  testSnapshots(test);
  testLogs(test);
  testRestarts(test);
  testWrites(test);
  test("agrees with a model under random writes, reads and restarts", async (world) => {
    const seed = crypto.getRandomValues(new Uint32Array(1))[0];
    console.log(`      seed ${seed}`);
    await runModel(world, seed, 400);
  });
}

type Test = (what: string, body: (world: World) => Promise<void>) => void;

function testStates(test: Test): void {
  test("is empty at first", ({ state }) => {
    assert.deepEqual(state, {
      identity: undefined,
      appliedLsn: 0n,
      shapes: [],
      partitions: new Map(),
    });
    return Promise.resolve();
  });

  test("keeps identity, applied LSN and shapes over restarts", async (world) => {
    const identity = {
      systemId: "7301",
      timeline: 3,
      database: "döner",
      shift: 2n ** 63n,
      beganAt: 9n,
      timelineBeganAt: 8n,
    };
    world.store.setIdentity(identity);
    addShape(world.store, "a");
    world.store.setAppliedLsn(7n);
    world.store.setAppliedLsn(2n ** 64n - 1n);
    for (let i = 0; i < 2; i++) {
      const state = await world.restart();
      assert.deepEqual(state.identity, identity);
      assert.equal(state.appliedLsn, 2n ** 64n - 1n);
      assert.deepEqual(state.shapes, [{
        handle: "a",
        meta: "meta of a",
        snapshot: "snapshot of a",
        standing: undefined,
        head: undefined,
        openChunkBytes: 0,
        chunkEnds: [],
      }]);
    }
  });
}

function testRecords(test: Test): void {
  test("keeps the partitions of tables, as they were given last", async (world) => {
    const many = Array.from({ length: 3_000 }, (_, i) => 20_000 + i);
    world.store.setPartitions(1, [4, 5]);
    world.store.setPartitions(2, many);
    world.store.setPartitions(3, [9]);
    world.store.setPartitions(1, [5, 6, 10]);
    world.store.setPartitions(3, []);
    let { partitions } = await world.restart();
    assert.deepEqual(partitions, new Map([[1, [5, 6, 10]], [2, many]]));
    world.store.setPartitions(2, many.slice(0, 1));
    world.store.setPartitions(1, []);
    ({ partitions } = await world.restart());
    assert.deepEqual(partitions, new Map([[2, [20_000]]]));
  });

  test("keeps texts longer than a value", async (world) => {
    const meta = "mété ".repeat(30_000), snapshot = "snäp ".repeat(30_000);
    world.store.createShape("a", meta);
    world.store.completeSnapshot("a", snapshot);
    const [shape] = (await world.restart()).shapes;
    assert.equal(shape.meta, meta);
    assert.equal(shape.snapshot, snapshot);
    world.store.dropShape("a");
    assert.deepEqual((await world.restart()).shapes, []);
  });

  test("tells what is durable, and all of it once flushed", async ({ store }) => {
    const seen: bigint[] = [];
    store.onDurable((lsn) => seen.push(lsn));
    addShape(store, "a");
    for (let lsn = 1n; lsn <= 50n; lsn++) {
      store.appendLog("a", textEntry({ lsn, op: 0 }, { lsn, op: 0 }, ",{}"));
      store.setAppliedLsn(lsn);
      if (lsn % 20n === 0n) await store.flushed();
    }
    await store.flushed();
    assert.equal(seen.at(-1), 50n);
    assert.deepEqual(seen, seen.toSorted((a, b) => Number(a - b)));
    assert.equal(store.queuedBytes, 0);
  });
}

function testStandings(test: Test): void {
  test("keeps a shape's standing, as it was given last, behind what was appended before", async (world) => {
    addShape(world.store, "a");
    world.store.setStanding("a", "first");
    world.store.appendLog("a", textEntry({ lsn: 1n, op: 0 }, { lsn: 1n, op: 0 }, ",1"));
    world.store.setAppliedLsn(1n);
    world.store.setStanding("a", "sécond");
    world.store.setStanding("unknown", "nothing");
    let [shape] = (await world.restart()).shapes;
    assert.equal(shape.standing, "sécond");
    assert.deepEqual(shape.head, { lsn: 1n, op: 0 });
    world.store.setStanding("a", "third");
    [shape] = (await world.restart()).shapes;
    assert.equal(shape.standing, "third");
    world.store.dropShape("a");
    assert.deepEqual((await world.restart()).shapes, []);
  });
}

function testDropsAndMistakes(test: Test): void {
  test("forgets a dropped shape at once and for good", async (world) => {
    addShape(world.store, "a");
    addShape(world.store, "b");
    const entry = textEntry({ lsn: 1n, op: 0 }, { lsn: 1n, op: 0 }, ",1");
    for (const handle of ["a", "b"]) world.store.appendLog(handle, entry);
    world.store.setAppliedLsn(1n);
    const reader = world.store.readLog("a", SNAPSHOT_END, END)[Symbol.asyncIterator]();
    world.store.dropShape("a");
    world.store.dropShape("a");
    world.store.appendLog("a", textEntry({ lsn: 2n, op: 0 }, { lsn: 2n, op: 0 }, ",2"));
    await assert.rejects(() => readText(world.store, "a"), ShapeGoneError);
    await assert.rejects(() => readChunk(world.store, "a", 0), ShapeGoneError);
    await assert.rejects(() => reader.next(), ShapeGoneError);
    const { shapes } = await world.restart();
    assert.deepEqual(shapes.map(({ handle }) => handle), ["b"]);
    await assert.rejects(() => readText(world.store, "a"), ShapeGoneError);
    assert.equal(await readText(world.store, "b"), ",1");
  });

  test("refuses what its caller must not do", ({ store }) => {
    addShape(store, "a");
    assert.throws(() => store.createShape("a", ""), TypeError);
    assert.throws(() => store.completeSnapshot("a", ""), TypeError);
    assert.throws(() => store.appendSnapshot("a", 0, new Uint8Array(1)), TypeError);
    const at = (op: number) => textEntry({ lsn: 5n, op }, { lsn: 5n, op: op + 1 }, ",1");
    store.appendLog("a", at(4));
    assert.throws(() => store.appendLog("a", at(5)), RangeError);
    assert.throws(() => store.appendLog("a", at(1)), RangeError);
    assert.throws(() => store.endChunk("a", { lsn: 5n, op: 4 }), RangeError);
    return Promise.resolve();
  });
}

function testSnapshots(test: Test): void {
  test("reads a snapshot from any byte on, queued or durable", async (world) => {
    const bytes = patternBytes(300_000, 1);
    world.store.createShape("a", "");
    world.store.appendSnapshot("a", 0, bytes.subarray(0, 60_000));
    world.store.appendSnapshot("a", 0, bytes.subarray(60_000, 230_000));
    world.store.appendSnapshot("a", 0, bytes.subarray(230_000));
    world.store.appendSnapshot("a", 1, bytes.subarray(0, 7));
    const check = async () => {
      for (const from of [0, 1, 59_999, 60_000, 60_001, 131_072, 299_999, 300_000, 300_001]) {
        assertSameBytes(await readChunk(world.store, "a", 0, from), bytes.slice(from));
      }
      assertSameBytes(await readChunk(world.store, "a", 1), bytes.slice(0, 7));
      assert.equal((await readChunk(world.store, "a", 2)).length, 0);
    };
    await check();
    await world.store.flushed();
    await check();
    world.store.completeSnapshot("a", "");
    await world.restart();
    await check();
    await check();
  });

  test("follows a snapshot that is being written", async ({ store }) => {
    const bytes = patternBytes(400_000, 2);
    store.createShape("a", "");
    let read = 0;
    for (let at = 0; at < bytes.length; at += 25_000) {
      store.appendSnapshot("a", 0, bytes.subarray(at, at + 25_000));
      if (at % 100_000 === 0) await store.flushed();
      const piece = await readChunk(store, "a", 0, read);
      assertSameBytes(piece, bytes.slice(read, at + 25_000));
      read += piece.length;
    }
    assert.equal(read, bytes.length);
  });

  test("forgets a snapshot that was not completed", async (world) => {
    world.store.createShape("a", "");
    world.store.appendSnapshot("a", 0, patternBytes(100_000, 3));
    addShape(world.store, "b");
    const { shapes } = await world.restart();
    assert.deepEqual(shapes.map(({ handle }) => handle), ["b"]);
    await assert.rejects(() => readChunk(world.store, "a", 0), ShapeGoneError);
  });
}
function testRestarts(test: Test): void {
  test("keeps chunk ends and what has been written since", async (world) => {
    addShape(world.store, "a");
    world.store.appendLog("a", textEntry(at(1n, 0), at(1n, 1), ",12345"));
    world.store.endChunk("a", at(1n, 1));
    world.store.setAppliedLsn(1n);
    let [shape] = (await world.restart()).shapes;
    assert.deepEqual(shape.chunkEnds, [at(1n, 1)]);
    assert.equal(shape.openChunkBytes, 0);
    world.store.appendLog("a", textEntry(at(2n, 0), at(2n, 0), ",123"));
    world.store.appendLog("a", textEntry(at(3n, 0), at(3n, 0), ",".padEnd(30_000)));
    world.store.appendLog("a", textEntry(at(4n, 0), at(4n, 0), ",1"));
    world.store.setAppliedLsn(4n);
    [shape] = (await world.restart()).shapes;
    assert.deepEqual(shape.chunkEnds, [at(1n, 1)]);
    assert.equal(shape.openChunkBytes, 30_006);
    assert.deepEqual(shape.head, at(4n, 0));
  });

  test("removes entries and chunk ends beyond the applied LSN for good", async (world) => {
    addShape(world.store, "a");
    const sizes = [10, 20_000, 10, 200_000, 10];
    const append = (lsn: bigint) =>
      sizes.forEach((size, op) => {
        const entry = textEntry(at(lsn, op), at(lsn, op), `,${lsn}_${op}`.padEnd(size));
        world.store.appendLog("a", entry);
        if (op === 3) world.store.endChunk("a", at(lsn, op));
      });
    append(1n);
    world.store.setAppliedLsn(1n);
    const expected = await readText(world.store, "a");
    append(2n);
    append(3n);
    for (let i = 0; i < 2; i++) {
      const [shape] = (await world.restart()).shapes;
      assert.deepEqual(shape.head, at(1n, 4));
      assert.deepEqual(shape.chunkEnds, [at(1n, 3)]);
      assert.equal(shape.openChunkBytes, 10);
      assert.equal(await readText(world.store, "a"), expected);
    }
    append(2n);
    world.store.setAppliedLsn(2n);
    const replayed = await readText(world.store, "a");
    assert.equal(replayed, expected + expected.replaceAll(",1_", ",2_"));
    await world.restart();
    assert.equal(await readText(world.store, "a"), replayed);
  });
}
