import assert from "node:assert/strict";
import { type Kv, openKv } from "@deno/kv";
import fc from "fast-check";
import {
  CommitQueue,
  type CommitQueueOptions,
  KV_COMMIT_LIMITS,
  planCommit,
  queuedWrite,
} from "../../../shapes/log/commit_queue.ts";
import type { Mutation } from "../../../shapes/log/kv_wire.ts";

const write = (mutations: number, bytes: number, keyBytes: number) => ({
  mutations: Array.from({ length: mutations }, () => ({ key: ["k"] })),
  bytes,
  keyBytes,
});

const LIMITS = { mutations: 10, bytes: 1_000, keyBytes: 100 };

Deno.test("planCommit() takes nothing from an empty queue", () => {
  assert.equal(planCommit([], LIMITS), 0);
});

Deno.test("planCommit() takes a prefix up to each of the limits", () => {
  const cases: [ReturnType<typeof write>, number][] = [
    [write(1, 10, 1), 10],
    [write(3, 10, 1), 3],
    [write(1, 250, 1), 4],
    [write(1, 10, 34), 2],
    [write(1, 1_000, 1), 1],
  ];
  for (const [each, count] of cases) {
    assert.equal(planCommit(Array.from({ length: 20 }, () => each), LIMITS), count);
  }
});

Deno.test("planCommit() takes the first write even if it is beyond the limits", () => {
  assert.equal(planCommit([write(11, 10, 1), write(1, 1, 1)], LIMITS), 1);
});

Deno.test("planCommit() fills a commit as far as its limits allow, and no further", () => {
  const arbitrary = fc.tuple(fc.nat(4), fc.nat(400), fc.nat(40));
  fc.assert(fc.property(fc.array(arbitrary), (sizes) => {
    const queue = sizes.map(([mutations, bytes, keyBytes]) => write(mutations, bytes, keyBytes));
    const count = planCommit(queue, LIMITS);
    const fits = (taken: typeof queue) =>
      taken.reduce((sum, each) => sum + each.mutations.length, 0) <= LIMITS.mutations &&
      taken.reduce((sum, each) => sum + each.bytes, 0) <= LIMITS.bytes &&
      taken.reduce((sum, each) => sum + each.keyBytes, 0) <= LIMITS.keyBytes;
    assert(fits(queue.slice(0, count)));
    assert(count === queue.length || !fits(queue.slice(0, count + 1)));
  }));
});

async function openQueue(
  options: Partial<CommitQueueOptions> = {},
): Promise<{ queue: CommitQueue; kv: Kv; commits: number[]; failures: Error[] }> {
  const kv = await openKv("", { implementation: "in-memory" });
  const commits: number[] = [];
  const failures: Error[] = [];
  const queue = new CommitQueue(kv, {
    collect: () => {},
    onCommit: (durable) => void commits.push(durable),
    onFailure: (error) => void failures.push(error),
    wait: () => Promise.resolve(),
    ...options,
  });
  return { queue, kv, commits, failures };
}

const set = (i: number): Mutation[] => [{ key: ["k", i], value: new Uint8Array(100) }];

Deno.test("CommitQueue commits what was queued in one turn together", async () => {
  const { queue, commits } = await openQueue();
  for (let i = 1; i <= 50; i++) assert.equal(queue.push(set(i)), i);
  assert(queue.queuedBytes >= 5_000);
  await queue.durable(50);
  assert.deepEqual(commits, [50]);
  assert.equal(queue.queuedBytes, 0);
});

/** How many of two writes, the second a little later than the first, the first commit has. */
async function countTogether(first: Mutation[], isAwaited: boolean): Promise<number> {
  const committed = Promise.withResolvers<number>();
  const { queue } = await openQueue({ onCommit: committed.resolve });
  const number = queue.push(first);
  const waiting = isAwaited ? queue.durable(number) : undefined;
  for (let turn = 0; turn < 10; turn++) await Promise.resolve();
  queue.push(set(2));
  const count = await committed.promise;
  await waiting;
  await queue.durable(2);
  return count;
}

Deno.test("CommitQueue waits a little for more, unless somebody waits or there is much", async () => {
  assert.equal(await countTogether(set(1), false), 2);
  assert.equal(await countTogether(set(1), true), 1);
  const much = Array.from({ length: 3 }, (_, i) => ({ key: ["k", i], value: new Uint8Array(6e4) }));
  assert.equal(await countTogether(much, false), 1);
});

Deno.test("CommitQueue commits in order, within the limits of KV", async () => {
  const { queue, kv, commits } = await openQueue();
  const value = new Uint8Array(65_536);
  for (let i = 0; i < 40; i++) queue.push([{ key: ["big", i], value }]);
  for (let i = 0; i < 2_500; i++) queue.push(set(i));
  await queue.durable(13);
  assert.equal(commits[0], 12);
  await queue.durable(queue.queued);
  assert(commits.length >= 6 && commits.at(-1) === 2_540, `${commits}`);
  assert.equal((await kv.get(["k", 2_499])).versionstamp === null, false);
});

Deno.test("CommitQueue collects again before each commit", async () => {
  let left = 3;
  const { queue, commits } = await openQueue({
    collect: () => left-- > 0 && queue.push(set(left)),
  });
  queue.wake();
  await queue.durable(3);
  assert.deepEqual(commits, [1, 2, 3]);
});

Deno.test("CommitQueue deletes keys in the order of the queue", async () => {
  const { queue, kv } = await openQueue();
  queue.push(set(1));
  queue.push([{ key: ["k", 1] }]);
  queue.push([{ key: ["k", 2] }]);
  await queue.durable(queue.push(set(2)));
  assert.equal((await kv.get(["k", 1])).value, null);
  assert.notEqual((await kv.get(["k", 2])).value, null);
});

Deno.test("CommitQueue rejects who waits, and who comes later, when a commit fails for good", async () => {
  const pauses: number[] = [];
  const wait = (ms: number) => Promise.resolve(void pauses.push(ms));
  const { queue, kv, commits, failures } = await openQueue({ wait, retryDelaysMs: [5, 7] });
  kv.close();
  const waiting = queue.durable(queue.push(set(1)));
  await assert.rejects(waiting, /Storage cannot be written/);
  await assert.rejects(queue.durable(queue.push(set(2))), /Storage cannot be written/);
  assert.deepEqual(pauses, [5, 7]);
  assert.deepEqual(commits, []);
  assert.equal(failures.length, 1);
});

Deno.test("the limits of a commit are those of KV on a file", async () => {
  const directory = await Deno.makeTempDir();
  {
    using kv = await openKv(`${directory}/kv.sqlite`, { implementation: "sqlite" });
    const value = new Uint8Array(65_536);
    const full = Array.from({ length: 13 }, (_, i) => ({ key: ["a", i], value }));
    const small = Array.from({ length: 1_000 }, (_, i) => ({ key: ["x".repeat(20), i] }));
    for (const mutations of [full, small]) {
      const queue = mutations.map((mutation) => queuedWrite([mutation]));
      const count = planCommit(queue, KV_COMMIT_LIMITS);
      const atomic = kv.atomic();
      for (const { key } of mutations.slice(0, count)) {
        atomic.set(key, mutations === full ? value : new Uint8Array(700));
      }
      assert((await atomic.commit()).ok);
    }
  }
  await Deno.remove(directory, { recursive: true });
});
