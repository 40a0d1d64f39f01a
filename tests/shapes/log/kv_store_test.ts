import assert from "node:assert/strict";
import { type Kv, openKv } from "@deno/kv";
import { KvStore, type KvStoreOptions } from "../../../shapes/log/kv_store.ts";
import { SNAPSHOT_END } from "../../../shapes/offset.ts";
import { testStoreContract } from "./store_contract.ts";
import {
  addShape,
  assertSameBytes,
  END,
  patternBytes,
  readChunk,
  readText,
  type TestStorage,
  textEntry,
} from "./store_world.ts";

async function openFile(options: KvStoreOptions): Promise<TestStorage> {
  const directory = await Deno.makeTempDir();
  return {
    open: async () => new KvStore(await openKv(`${directory}/shapes.sqlite`), options),
    [Symbol.asyncDispose]: () => Deno.remove(directory, { recursive: true }),
  };
}

testStoreContract("KvStore", () => openFile({}));

/** Next to nothing stays in memory, and a commit holds a few writes only. */
const TINY: KvStoreOptions = {
  cacheBytes: 0,
  journalBytes: 4_000,
  journalValues: 8,
  limits: { mutations: 8, bytes: 150_000, keyBytes: 80_000 },
};

testStoreContract("KvStore with little memory", () => openFile(TINY));

/** A store on a file, and the file's KV to look into. */
async function withStore(
  options: KvStoreOptions,
  body: (store: KvStore, kv: Kv) => Promise<void>,
  implementation: "sqlite" | "in-memory" = "sqlite",
): Promise<void> {
  const directory = await Deno.makeTempDir();
  try {
    const kv = await openKv(`${directory}/shapes.sqlite`, { implementation });
    await using store = new KvStore(kv, options);
    await store.load();
    await body(store, kv);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

async function keysOf(kv: Kv): Promise<string[]> {
  const keys: string[] = [];
  for await (const { key } of kv.list({ start: [""], end: ["~"] })) keys.push(key.join("/"));
  return keys;
}

Deno.test("KvStore stores a row of 50 MB and reads it back", () =>
  withStore({}, async (store) => {
    addShape(store, "a");
    const bytes = patternBytes(50_000_000, 9);
    store.appendLog("a", { first: { lsn: 1n, op: 0 }, last: { lsn: 1n, op: 0 }, bytes });
    assert(store.queuedBytes > 50_000_000);
    store.setAppliedLsn(1n);
    await store.flushed();
    let at = 0;
    for await (const piece of store.readLog("a", SNAPSHOT_END, END)) {
      assertSameBytes(piece.bytes, bytes.subarray(at, at + piece.bytes.length));
      at += piece.bytes.length;
    }
    assert.equal(at, bytes.length);
  }));

Deno.test("KvStore deletes all bytes of a dropped shape", () =>
  withStore({}, async (store, kv) => {
    fillShape(store, "gone");
    addShape(store, "kept");
    store.appendLog("kept", textEntry({ lsn: 2n, op: 0 }, { lsn: 2n, op: 0 }, ",kept"));
    await store.flushed();
    store.dropShape("gone");
    await store.trashEmptied();
    const keys = await keysOf(kv);
    assert.deepEqual(keys.filter((key) => key.includes("gone")), []);
    assert.equal(await readText(store, "kept"), ",kept");
  }));

Deno.test("KvStore goes on deleting a dropped shape after a restart", async () => {
  const directory = await Deno.makeTempDir();
  const path = `${directory}/shapes.sqlite`;
  {
    await using store = new KvStore(await openKv(path));
    await store.load();
    fillShape(store, "gone");
    store.createShape("incomplete", "");
    store.appendSnapshot("incomplete", 0, patternBytes(100_000, 0));
    await store.flushed();
    store.dropShape("gone");
  }
  const kv = await openKv(path);
  const before = await keysOf(kv);
  assert(before.some((key) => key.startsWith("s/gone/")), "Nothing was left to delete");
  await using store = new KvStore(kv);
  assert.deepEqual((await store.load()).shapes, []);
  await store.trashEmptied();
  const left = (await keysOf(kv)).filter((key) => /gone|incomplete/.test(key));
  assert.deepEqual(left, []);
  await Deno.remove(directory, { recursive: true });
});

/** Bytes of every sort, 4 MB of them. */
function fillShape(store: KvStore, handle: string): void {
  store.createShape(handle, "");
  store.appendSnapshot(handle, 0, patternBytes(4_000_000, 1));
  store.completeSnapshot(handle, "");
  const first = { lsn: 1n, op: 0 }, last = { lsn: 1n, op: 1 };
  store.appendLog(handle, { first, last, bytes: patternBytes(100_000, 2) });
  store.endChunk(handle, last);
  store.appendLog(handle, textEntry({ lsn: 1n, op: 2 }, { lsn: 1n, op: 2 }, ",small"));
  store.setAppliedLsn(1n);
}

Deno.test("KvStore shares bytes between the readers of one place", () =>
  withStore({ cacheBytes: 1_000_000 }, async (store) => {
    store.createShape("a", "");
    const bytes = patternBytes(2_000_000, 3);
    store.appendSnapshot("a", 0, bytes);
    store.completeSnapshot("a", "");
    store.appendLog("a", { first: { lsn: 1n, op: 0 }, last: { lsn: 1n, op: 0 }, bytes });
    await store.flushed();
    const chunks = [0, 1].map(() => store.readSnapshot("a", 0, 0)[Symbol.asyncIterator]());
    const logs = [0, 1].map(() => store.readLog("a", SNAPSHOT_END, END)[Symbol.asyncIterator]());
    for (let i = 0; i < 12; i++) {
      const [a, b] = await Promise.all(chunks.map((reader) => reader.next()));
      assert.equal(a.value.buffer, b.value.buffer);
      const [c, d] = await Promise.all(logs.map((reader) => reader.next()));
      assert.equal(c.value.bytes.buffer, d.value.bytes.buffer);
    }
  }));

Deno.test("KvStore reads no more than 400 KB ahead for a reader that stalls", () =>
  withStore({ cacheBytes: 0 }, async (store, kv) => {
    store.createShape("a", "");
    store.appendSnapshot("a", 0, patternBytes(5_000_000, 4));
    store.completeSnapshot("a", "");
    await store.flushed();
    const limits: number[] = [];
    const list = kv.list.bind(kv);
    kv.list = (selector, options) => {
      limits.push(options?.limit ?? Infinity);
      return list(selector, options);
    };
    assert.equal((await readChunk(store, "a", 0)).length, 5_000_000);
    assert(limits.length > 5 && Math.max(...limits) * 65_536 <= 400_000, `${limits}`);
  }, "in-memory"));

Deno.test("KvStore does not keep the slab that an entry was cut from", () =>
  withStore({}, async (store) => {
    addShape(store, "a");
    const slab = patternBytes(1_000_000, 5);
    const at = (lsn: bigint) => ({ lsn, op: 0 });
    store.appendLog("a", { first: at(1n), last: at(1n), bytes: slab.subarray(0, 100) });
    store.appendLog("a", { first: at(2n), last: at(2n), bytes: slab.subarray(0, 30_000) });
    for await (const { bytes } of store.readLog("a", SNAPSHOT_END, END)) {
      assert.notEqual(bytes.buffer, slab.buffer);
    }
  }));

Deno.test("KvStore closes its KV only when all that was queued is durable", async () => {
  const directory = await Deno.makeTempDir();
  const kv = await openKv(`${directory}/shapes.sqlite`);
  const failures: Error[] = [];
  const store = new KvStore(kv, { ...TINY, onFailure: (error) => void failures.push(error) });
  await store.load();
  let queuedAtClose = -1;
  const close = kv.close.bind(kv);
  kv.close = () => {
    queuedAtClose = store.queuedBytes;
    close();
  };
  addShape(store, "a");
  for (let lsn = 1n; lsn <= 300n; lsn++) {
    store.appendLog("a", textEntry({ lsn, op: 0 }, { lsn, op: 0 }, ",".padEnd(300)));
    store.setAppliedLsn(lsn);
  }
  await store[Symbol.asyncDispose]();
  assert.equal(queuedAtClose, 0);
  assert.deepEqual(failures, []);
  await Deno.remove(directory, { recursive: true });
});

Deno.test("KvStore tries a failed commit again", () =>
  withStore({ wait: () => Promise.resolve() }, async (store, kv) => {
    const commits = failCommits(kv, 3);
    addShape(store, "a");
    store.setAppliedLsn(4n);
    await store.flushed();
    assert.equal(commits.failed, 3);
  }, "in-memory"));

Deno.test("KvStore says once that storage failed, and makes nothing durable any more", async () => {
  const failures: Error[] = [];
  const options = {
    retryDelaysMs: [1, 1],
    wait: () => Promise.resolve(),
    onFailure: (error: Error) => void failures.push(error),
  };
  await withStore(options, async (store, kv) => {
    failCommits(kv, Infinity);
    addShape(store, "a");
    await assert.rejects(() => store.flushed(), /Storage cannot be written/);
    store.setAppliedLsn(1n);
    await assert.rejects(() => store.flushed(), /Storage cannot be written/);
    assert.equal(failures.length, 1);
    assert.match(String(failures[0].cause), /disk is full/);
  }, "in-memory");
});

/** Makes the next commits fail. */
function failCommits(kv: Kv, count: number): { failed: number } {
  const state = { failed: 0 };
  const atomic = kv.atomic.bind(kv);
  kv.atomic = () => {
    const operation = atomic();
    const commit = operation.commit.bind(operation);
    operation.commit = () => {
      if (state.failed >= count) return commit();
      state.failed++;
      return Promise.reject(new Error("disk is full"));
    };
    return operation;
  };
  return state;
}
