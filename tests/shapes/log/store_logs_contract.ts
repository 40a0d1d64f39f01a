/** How every `ShapeStore` must keep and read logs. */

import assert from "node:assert/strict";
import { compareOffsets, type Offset, SNAPSHOT_END } from "../../../shapes/offset.ts";
import {
  addShape,
  assertSameBytes,
  at,
  END,
  patternBytes,
  readText,
  textEntry,
  type World,
} from "./store_world.ts";

type Test = (what: string, body: (world: World) => Promise<void>) => void;

export function testLogs(test: Test): void {
  testAppended(test);
  testInside(test);
  testLargeAndFollowed(test);
}

/** Since, until and what is read of the log below. */
const BOUNDS: readonly [Offset, Offset, string][] = [
  [SNAPSHOT_END, END, ",a,b,c,d"],
  [at(0n, 3), END, ",a,b,c,d"],
  [SNAPSHOT_END, at(9n, Infinity), ""],
  [at(10n, 1), END, ",a,b,c,d"],
  [at(10n, 4), END, ",b,c,d"],
  [at(10n, Infinity), END, ",b,c,d"],
  [at(10n, 5), at(20n, 0), ",b"],
  [at(20n, 0), at(20n, 3), ",c"],
  [at(20n, 0), at(20n, 2), ""],
  [at(20n, 2), END, ",c,d"],
  [at(20n, 3), at(2n ** 63n, 0), ",d"],
  [at(2n ** 63n, 0), END, ""],
  [END, END, ""],
];

function testAppended(test: Test): void {
  test("reads a log beyond since and up to until", async (world) => {
    addShape(world.store, "a");
    addShape(world.store, "aa");
    world.store.appendLog("aa", textEntry(at(15n, 0), at(15n, 9), ",x"));
    world.store.appendLog("a", textEntry(at(10n, 0), at(10n, 4), ",a"));
    world.store.appendLog("a", textEntry(at(20n, 0), at(20n, 0), ",b"));
    world.store.appendLog("a", textEntry(at(20n, 1), at(20n, 3), ",c"));
    world.store.appendLog("a", textEntry(at(2n ** 63n, 0), at(2n ** 63n, 0), ",d"));
    world.store.setAppliedLsn(2n ** 63n);
    const check = async () => {
      for (const [since, until, text] of BOUNDS) {
        assert.equal(await readText(world.store, "a", since, until), text);
      }
    };
    await check();
    await world.restart();
    await check();
  });

  test("answers what is appended with bytes that stay", async ({ store }) => {
    addShape(store, "a");
    const sizes = [[1n, 10], [2n, 20_000], [3n, 200_000]] as const;
    const kept = sizes.map(([lsn, size]) =>
      store.appendLog("a", { first: at(lsn, 0), last: at(lsn, 4), bytes: patternBytes(size, 7) })
    );
    await store.flushed();
    for (const [i, [lsn, size]] of sizes.entries()) {
      assert.deepEqual([kept[i].first, kept[i].last], [at(lsn, 0), at(lsn, 4)]);
      assertSameBytes(kept[i].bytes, patternBytes(size, 7));
    }
  });

  test("sorts LSNs as numbers up to the highest", async (world) => {
    addShape(world.store, "a");
    const lsns = [1n, 255n, 256n, 65_535n, 65_536n, 2n ** 32n, 2n ** 53n + 1n, 2n ** 64n - 1n];
    const size = 20_000;
    for (const lsn of lsns) {
      const entry = textEntry(at(lsn, 0), at(lsn, 0), `,${lsn}`.padEnd(size));
      world.store.appendLog("a", entry);
    }
    world.store.setAppliedLsn(2n ** 64n - 1n);
    const expected = lsns.map((lsn) => `,${lsn}`.padEnd(size));
    const [shape] = (await world.restart()).shapes;
    assert.deepEqual(shape.head, at(2n ** 64n - 1n, 0));
    for (let i = 0; i < lsns.length; i++) {
      const text = await readText(world.store, "a", at(lsns[i], 0));
      assert.equal(text, expected.slice(i + 1).join(""));
    }
  });
}

function testInside(test: Test): void {
  test("hands an entry that since lies in out alone", async ({ store }) => {
    addShape(store, "a");
    store.appendLog("a", textEntry(at(10n, 0), at(10n, 4), ",a"));
    store.appendLog("a", textEntry(at(20n, 0), at(20n, 4), ",b"));
    for await (const piece of store.readLog("a", at(10n, 2), END)) {
      assert.equal(new TextDecoder().decode(piece.bytes), ",a");
      assert.deepEqual([piece.first, piece.last, piece.isLast], [at(10n, 0), at(10n, 4), true]);
      break;
    }
  });

  test("goes on behind an entry that since lies in, whatever lies there", async (world) => {
    addShape(world.store, "a");
    const text = (lsn: bigint) => `,${lsn}`.padEnd(9_000);
    const lsns = Array.from({ length: 40 }, (_, i) => BigInt(i + 1));
    for (const lsn of lsns) {
      world.store.appendLog("a", textEntry(at(lsn, 0), at(lsn, 4), text(lsn)));
    }
    world.store.setAppliedLsn(40n);
    const check = async () => {
      for (const since of lsns) {
        const expected = lsns.filter((lsn) => lsn >= since).map(text).join("");
        assert(await readText(world.store, "a", at(since, 2)) === expected, `since ${since}`);
      }
    };
    await check();
    await world.restart();
    await check();
  });
}

function testLargeAndFollowed(test: Test): void {
  test("stores an entry larger than any limit in pieces", async (world) => {
    addShape(world.store, "a");
    const bytes = patternBytes(3_000_000, 4);
    world.store.appendLog("a", textEntry(at(4n, 0), at(4n, 0), ",before"));
    world.store.appendLog("a", { first: at(5n, 0), last: at(5n, 9), bytes });
    world.store.appendLog("a", textEntry(at(6n, 0), at(6n, 0), ",after"));
    world.store.setAppliedLsn(6n);
    const check = async () => {
      const pieces = [];
      for await (const piece of world.store.readLog("a", at(4n, 0), at(5n, 9))) {
        assert.deepEqual(piece.last, at(5n, 9));
        pieces.push(piece);
      }
      const all = await new Blob(pieces.map((piece) => piece.bytes.slice())).arrayBuffer();
      assertSameBytes(new Uint8Array(all), bytes);
      assert.equal(pieces.filter(({ isLast }) => isLast).length, 1);
      assert.equal(pieces.at(-1)?.isLast, true);
      assert.equal(await readText(world.store, "a", at(5n, 9)), ",after");
    };
    await check();
    assert.equal((await world.restart()).shapes[0].openChunkBytes, 3_000_013);
    await check();
  });

  test("lets readers go on while it is written to", async ({ store }) => {
    addShape(store, "a");
    const total = 3_000n;
    const text = (lsn: bigint) => `,${lsn}`.padEnd(40);
    const follow = async () => {
      let since = SNAPSHOT_END;
      let seen = "";
      while (since.lsn < total) {
        for await (const piece of store.readLog("a", since, END)) {
          seen += new TextDecoder().decode(piece.bytes);
          assert(compareOffsets(piece.last, since) > 0);
          since = piece.last;
        }
        await store.flushed();
        await new Promise((resolve) => setTimeout(resolve));
      }
      return seen;
    };
    const readers = [follow(), follow(), follow()];
    let expected = "";
    for (let lsn = 1n; lsn <= total; lsn++) {
      store.appendLog("a", textEntry(at(lsn, 0), at(lsn, 0), text(lsn)));
      store.setAppliedLsn(lsn);
      expected += text(lsn);
      if (lsn % 50n === 0n) await new Promise((resolve) => setTimeout(resolve));
    }
    for (const seen of await Promise.all(readers)) assert.equal(seen, expected);
  });
}
