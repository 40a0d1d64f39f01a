import {
  deepStrictEqual as deepEqual,
  ok,
  rejects,
  strictEqual as equal,
} from "node:assert/strict";
import { pathToFileURL } from "node:url";
import { openKv } from "@deno/kv";
import { KvFollower } from "../../../shapes/log/kv_follower.ts";
import { KvStore } from "../../../shapes/log/kv_store.ts";
import type { StoredBytes, StoredState } from "../../../shapes/log/store.ts";
import { compareOffsets, SNAPSHOT_END } from "../../../shapes/offset.ts";
import { Random } from "../../support/random.ts";
import { withDirectory } from "../../support/temp_directory.ts";
import { addShape, assertSameBytes, patternBytes, readChunk } from "./store_world.ts";

/** Small, so that entries move from the journal to their shapes all the time. */
const JOURNAL = { journalBytes: 256 * 1024, journalValues: 12 };

interface World {
  readonly store: KvStore;
  readonly follower: KvFollower;
}

/** A store on a file, and one that reads it as another process would. */
function withFollower(work: (world: World) => Promise<void>): Promise<void> {
  return withDirectory(async (directory) => {
    const path = `${directory}/shapes.sqlite`;
    await using store = new KvStore(await openKv(path), JOURNAL);
    await store.load();
    await store.flushed();
    const follower = new KvFollower(await openKv(`${pathToFileURL(path)}?mode=ro`));
    try {
      await work({ store, follower });
    } finally {
      follower.close();
    }
  });
}

/** Sizes of small entries, of large ones, and of some that are cut in parts. */
const SIZES = [40, 400, 400, 3_000, 3_000, 20_000, 80_000];

/** What was appended to one shape, entry by entry. */
interface Written {
  readonly handle: string;
  readonly entries: { readonly lsn: bigint; readonly bytes: Uint8Array }[];
}

async function readAll(bytes: StoredBytes, { handle }: Written, state: StoredState) {
  const head = state.shapes.find((shape) => shape.handle === handle)?.head ?? SNAPSHOT_END;
  const pieces: Uint8Array<ArrayBuffer>[] = [];
  for await (const piece of bytes.readLog(handle, SNAPSHOT_END, head)) {
    pieces.push(piece.bytes.slice());
  }
  return new Uint8Array(await new Blob(pieces).arrayBuffer());
}

/** All that was appended up to a transaction. */
async function expected({ entries }: Written, appliedLsn: bigint) {
  const bytes = entries.filter(({ lsn }) => lsn <= appliedLsn).map((entry) => entry.bytes.slice());
  return new Uint8Array(await new Blob(bytes).arrayBuffer());
}

Deno.test("KvFollower sees whole transactions, and no less than was durable, while they are written", async () => {
  await withFollower(async ({ store, follower }) => {
    const random = new Random(7);
    const shapes: Written[] = Array.from(
      { length: 12 },
      (_, i) => ({ handle: `h${i}`, entries: [] }),
    );
    for (const { handle } of shapes) addShape(store, handle);
    await store.flushed();
    let isWriting = true, durable = 0n;
    store.onDurable((appliedLsn) => durable = appliedLsn);
    const writing = (async () => {
      for (let lsn = 1n; lsn <= 400n; lsn++) {
        for (let op = 0; op < 3; op++) {
          const shape = random.pick(shapes);
          const bytes = patternBytes(random.pick(SIZES), Number(lsn) + op);
          shape.entries.push({ lsn, bytes });
          store.appendLog(shape.handle, { first: { lsn, op }, last: { lsn, op }, bytes });
          if (random.chance(0.05)) store.endChunk(shape.handle, { lsn, op });
        }
        store.setAppliedLsn(lsn);
        if (lsn % 5n === 0n) await store.flushed();
      }
      isWriting = false;
    })();
    let before = 0n, looks = 0, moved = 0;
    while (isWriting || looks < 3) {
      const atLeast = durable;
      const state = await follower.look();
      ok(state.appliedLsn >= atLeast && state.appliedLsn >= before);
      if (state.appliedLsn > before) moved++;
      before = state.appliedLsn;
      looks++;
      for (const shape of shapes) {
        const head = state.shapes.find(({ handle }) => handle === shape.handle)?.head;
        ok(!head || head.lsn <= state.appliedLsn);
        const found = await readAll(follower, shape, state);
        assertSameBytes(found, await expected(shape, state.appliedLsn));
      }
    }
    await writing;
    await store.flushed();
    equal((await follower.look()).appliedLsn, 400n);
    ok(moved >= 2, `${moved} of ${looks} looks found something new`);
  });
});

Deno.test("KvFollower gives the same shape again while nothing has come of it", async () => {
  await withFollower(async ({ store, follower }) => {
    for (const handle of ["a", "b"]) addShape(store, handle);
    store.setAppliedLsn(1n);
    await store.flushed();
    const first = await follower.look();
    const at = { lsn: 2n, op: 0 };
    store.appendLog("a", { first: at, last: at, bytes: patternBytes(10, 1) });
    store.setAppliedLsn(2n);
    await store.flushed();
    const second = await follower.look();
    equal(second.shapes.length, 2);
    equal(
      second.shapes.find(({ handle }) => handle === "b"),
      first.shapes.find(({ handle }) => handle === "b"),
    );
    const moved = second.shapes.find(({ handle }) => handle === "a");
    ok(moved?.head && compareOffsets(moved.head, at) === 0);
  });
});

Deno.test("KvFollower knows only shapes whose snapshot is complete, and none that was dropped", async () => {
  await withFollower(async ({ store, follower }) => {
    addShape(store, "whole");
    store.createShape("begun", "meta");
    store.appendSnapshot("begun", 0, patternBytes(10, 1));
    await store.flushed();
    deepEqual((await follower.look()).shapes.map(({ handle }) => handle), ["whole"]);
    store.completeSnapshot("begun", "snapshot");
    store.dropShape("whole");
    await store.flushed();
    deepEqual((await follower.look()).shapes.map(({ handle }) => handle), ["begun"]);
    equal((await readChunk(follower, "begun", 0)).length, 10);
    await rejects(() => readChunk(follower, "whole", 0));
  });
});
