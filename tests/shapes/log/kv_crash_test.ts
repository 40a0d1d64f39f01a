import assert from "node:assert/strict";
import { type Kv, openKv } from "@deno/kv";
import { KvStore } from "../../../shapes/log/kv_store.ts";
import type { Mutation } from "../../../shapes/log/kv_wire.ts";
import type { ShapeStore, StoredState } from "../../../shapes/log/store.ts";
import { createShapes, HANDLES, logText, readAll, writeTransaction } from "./crash_scenario.ts";

async function checkTransactionBoundary(store: ShapeStore, state: StoredState): Promise<void> {
  for (const shape of state.shapes) {
    const index = HANDLES.indexOf(shape.handle);
    const text = logText(index, state.appliedLsn);
    assert.equal(await readAll(store, shape.handle), text, `${shape.handle}@${state.appliedLsn}`);
    assert(shape.chunkEnds.every(({ lsn }) => lsn <= state.appliedLsn));
    const end = shape.chunkEnds.at(-1)?.lsn ?? 0n;
    assert.equal(shape.openChunkBytes, text.length - logText(index, end).length);
    assert.equal(shape.head === undefined, text === "");
  }
}

/** Notes what each commit writes. */
function recordCommits(kv: Kv): Mutation[][] {
  const commits: Mutation[][] = [];
  const atomic = kv.atomic.bind(kv);
  kv.atomic = () => {
    const operation = atomic();
    const mutations: Mutation[] = [];
    const [set, remove] = [operation.set.bind(operation), operation.delete.bind(operation)];
    const commit = operation.commit.bind(operation);
    operation.set = (key, value) => {
      assert(value instanceof Uint8Array);
      mutations.push({ key, value: value.slice() });
      return set(key, value);
    };
    operation.delete = (key) => {
      mutations.push({ key });
      return remove(key);
    };
    operation.commit = () => {
      commits.push(mutations);
      return commit();
    };
    return operation;
  };
  return commits;
}

async function inMemoryKv(commits: readonly (readonly Mutation[])[] = []): Promise<Kv> {
  const kv = await openKv("", { implementation: "in-memory" });
  for (const mutations of commits) {
    const atomic = kv.atomic();
    for (const { key, value } of mutations) {
      if (value === undefined) atomic.delete(key);
      else atomic.set(key, value);
    }
    await atomic.commit();
  }
  return kv;
}

const SMALL_COMMITS = {
  journalBytes: 4_000,
  journalValues: 6,
  limits: { mutations: 3, bytes: 100_000, keyBytes: 80_000 },
};

Deno.test("KvStore is at a transaction's end whichever commit was the last", async () => {
  const source = await inMemoryKv();
  const commits = recordCommits(source);
  {
    await using store = new KvStore(source, SMALL_COMMITS);
    await store.load();
    createShapes(store);
    for (let lsn = 1n; lsn <= 24n; lsn++) {
      writeTransaction(store, lsn);
      if (lsn % 3n === 0n) await store.flushed();
    }
  }
  assert(commits.length > 60, `Only ${commits.length} commits`);
  const seen = new Set<bigint>();
  for (let count = 0; count <= commits.length; count++) {
    seen.add(await checkPrefix(commits.slice(0, count)));
  }
  assert(seen.has(0n) && seen.has(24n) && seen.size > 10, `Saw ${[...seen]}`);
});

/** Loads what these commits leave, checks it, goes on writing and checks again; answers the LSN. */
async function checkPrefix(commits: readonly (readonly Mutation[])[]): Promise<bigint> {
  const kv = await inMemoryKv(commits);
  const later = recordCommits(kv);
  await using store = new KvStore(kv, SMALL_COMMITS);
  const state = await store.load();
  await checkTransactionBoundary(store, state);
  await checkInterruptedLoads(commits, later.slice(), state);
  if (state.shapes.length < HANDLES.length) {
    assert.equal(state.appliedLsn, 0n);
    return 0n;
  }
  const next = state.appliedLsn + 3n;
  for (let lsn = state.appliedLsn + 1n; lsn <= next; lsn++) writeTransaction(store, lsn);
  await store.flushed();
  await using restarted = new KvStore(await inMemoryKv([...commits, ...later]), SMALL_COMMITS);
  const again = await restarted.load();
  assert.equal(again.appliedLsn, next);
  await checkTransactionBoundary(restarted, again);
  return state.appliedLsn;
}

/** Whichever of its repairs a load got to, the next one answers the same. */
async function checkInterruptedLoads(
  commits: readonly (readonly Mutation[])[],
  repairs: readonly (readonly Mutation[])[],
  state: StoredState,
): Promise<void> {
  for (let count = 1; count < repairs.length; count++) {
    const kv = await inMemoryKv([...commits, ...repairs.slice(0, count)]);
    await using store = new KvStore(kv, SMALL_COMMITS);
    assert.deepEqual(await store.load(), state);
    await checkTransactionBoundary(store, state);
  }
}

Deno.test("KvStore survives that its process is killed while it writes", async () => {
  const directory = await Deno.makeTempDir();
  const path = `${directory}/shapes.sqlite`;
  for (let round = 1; round <= 3; round++) {
    const durable = await writeUntilKilled(path, BigInt(round * 60));
    await using store = new KvStore(await openKv(path));
    const state = await store.load();
    assert(state.appliedLsn >= durable, `${state.appliedLsn} is before ${durable}`);
    assert.equal(state.shapes.length, HANDLES.length);
    await checkTransactionBoundary(store, state);
  }
  await Deno.remove(directory, { recursive: true });
});

/** Answers the last LSN that the process said was durable. */
async function writeUntilKilled(path: string, until: bigint): Promise<bigint> {
  const script = new URL("./kv_crash_writer.ts", import.meta.url).pathname;
  const process = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-check", script, path],
    stdout: "piped",
  }).spawn();
  let text = "";
  const lastDurable = () => BigInt(text.split("\n").at(-2) ?? "0");
  for await (const bytes of process.stdout.pipeThrough(new TextDecoderStream())) {
    text += bytes;
    if (lastDurable() >= until) process.kill("SIGKILL");
  }
  assert.equal((await process.status).signal, "SIGKILL");
  return lastDurable();
}
