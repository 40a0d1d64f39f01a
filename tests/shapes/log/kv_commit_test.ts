import assert from "node:assert/strict";
import { type Kv, type KvKey, openKv } from "@deno/kv";
import fc from "fast-check";
import { type Commit, openCommit } from "../../../shapes/log/kv_commit.ts";
import { AtomicWriteEncoder, type Mutation } from "../../../shapes/log/kv_wire.ts";

async function withKv(
  implementation: "sqlite" | "in-memory",
  body: (kv: Kv, commit: Commit) => Promise<void>,
): Promise<void> {
  const directory = await Deno.makeTempDir();
  try {
    using kv = await openKv(`${directory}/kv.sqlite`, { implementation });
    await body(kv, openCommit(kv));
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

/** All that a KV holds, in its order. */
async function readAll(kv: Kv): Promise<{ key: KvKey; value: Uint8Array }[]> {
  const found: { key: KvKey; value: Uint8Array }[] = [];
  for await (const { key, value } of kv.list<Uint8Array>({ start: [], end: [true] })) {
    found.push({ key, value: new Uint8Array(value) });
  }
  return found;
}

const KEY_PART = fc.oneof(
  fc.string({ unit: "binary", maxLength: 40 }),
  fc.constantFrom("", "\0", "a\0b", "\0\0", "é", "\u{1f600}", "~", "h", "s", "l"),
  fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
  fc.constantFrom(0n, 1n, 255n, 256n, 65_535n, 65_536n, 2n ** 63n, 2n ** 64n - 1n),
  fc.double({ noNaN: true, noDefaultInfinity: true }).map((value) => value === 0 ? 0 : value),
  fc.integer(),
);
const MUTATION: fc.Arbitrary<Mutation> = fc.record({
  key: fc.array(KEY_PART, { minLength: 1, maxLength: 5 }),
  value: fc.option(fc.uint8Array({ maxLength: 300 }), { nil: undefined }),
});

Deno.test("openCommit() writes to a file just what KV's client writes", () =>
  withKv("sqlite", (kv, commit) =>
    withKv("sqlite", async (other) => {
      await fc.assert(
        fc.asyncProperty(fc.array(MUTATION, { minLength: 1, maxLength: 30 }), async (mutations) => {
          await commit([{ mutations }]);
          const atomic = other.atomic();
          for (const { key, value } of mutations) {
            if (value === undefined) atomic.delete(key);
            else atomic.set(key, value);
          }
          await atomic.commit();
          assert.deepEqual(await readAll(kv), await readAll(other));
        }),
        { numRuns: 40 },
      );
    })));

for (const implementation of ["sqlite", "in-memory"] as const) {
  Deno.test(`openCommit() commits all writes or none (${implementation})`, () =>
    withKv(implementation, async (kv, commit) => {
      const value = new Uint8Array(65_536).fill(7);
      await commit([
        { mutations: [{ key: ["a", 1], value }, { key: ["b"], value: new Uint8Array(0) }] },
        { mutations: [{ key: ["b"] }, { key: ["c", 2n, 0.5], value: value.subarray(0, 200) }] },
      ]);
      const expected = [
        { key: ["a", 1], value },
        { key: ["c", 2n, 0.5], value: value.subarray(0, 200) },
      ];
      assert.deepEqual(await readAll(kv), expected);
      const tooLarge = { mutations: [{ key: ["d"], value: new Uint8Array(65_537) }] };
      // In memory there are no limits.
      if (implementation === "sqlite") {
        await assert.rejects(() => commit([{ mutations: [{ key: ["a", 1] }] }, tooLarge]));
        assert.deepEqual(await readAll(kv), expected);
      }
      await commit([{ mutations: [{ key: ["a", 1] }] }]);
      assert.deepEqual(await readAll(kv), expected.slice(1));
    }));

  Deno.test(`openCommit() rejects once the KV is closed (${implementation})`, () =>
    withKv(implementation, async (kv, commit) => {
      kv.close();
      await assert.rejects(() => commit([{ mutations: [{ key: ["a"] }] }]));
      // It is closed once more on the way out.
      kv.close = () => {};
    }));
}

Deno.test("openCommit() goes around the client of a KV on a file, and only of that", async () => {
  for (const [implementation, expected] of [["sqlite", 0], ["in-memory", 1]] as const) {
    await withKv(implementation, async (kv, commit) => {
      let calls = 0;
      const atomic = kv.atomic.bind(kv);
      kv.atomic = () => {
        calls++;
        return atomic();
      };
      await commit([{ mutations: [{ key: ["a"], value: new Uint8Array(1) }] }]);
      assert.equal(calls, expected);
      assert.equal((await readAll(kv)).length, 1);
    });
  }
});

Deno.test("AtomicWriteEncoder refuses keys that it can't pack", () => {
  const encode = (key: KvKey) => new AtomicWriteEncoder().encode([{ mutations: [{ key }] }]);
  assert.throws(() => encode([-1n]), RangeError);
  assert.throws(() => encode([2n ** 64n]), RangeError);
  assert.throws(() => encode(["x".repeat(100_000)]), RangeError);
  assert.throws(() => encode([true]), TypeError);
});
