import assert from "node:assert/strict";
import { type Kv, type KvKey, openKv } from "@deno/kv";
import fc from "fast-check";
import { type Commit, openCommit, openReadRange } from "../../../shapes/log/kv_engine.ts";
import { decodeKey, KeyEncoder } from "../../../shapes/log/kv_key_codec.ts";
import { decodeReadOutput } from "../../../shapes/log/kv_read_wire.ts";
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

Deno.test("openReadRange() reads from a file just what KV's client lists", () =>
  withKv("sqlite", async (kv, commit) => {
    const read = openReadRange(kv);
    await fc.assert(
      fc.asyncProperty(
        fc.array(MUTATION, { minLength: 1, maxLength: 30 }),
        fc.tuple(fc.array(KEY_PART, { maxLength: 2 }), fc.array(KEY_PART, { maxLength: 2 })),
        fc.integer({ min: 1, max: 127 }),
        async (mutations, [one, other], limit) => {
          await commit([{ mutations }]);
          const bytes = (key: KvKey) => new KeyEncoder().encode(key).join();
          const [start, end] = await isBefore(kv, one, other) ? [one, other] : [other, one];
          if (bytes(start) === bytes(end)) return;
          const listed: { key: KvKey; value: Uint8Array }[] = [];
          for await (const { key, value } of kv.list<Uint8Array>({ start, end }, { limit })) {
            listed.push({ key, value: new Uint8Array(value) });
          }
          const found = await read({ start, end }, limit);
          assert.deepEqual(
            found.map(({ key, value }) => ({ key, value: new Uint8Array(value) })),
            listed,
          );
        },
      ),
      { numRuns: 100 },
    );
  }));

/** Whether KV's client takes them as the two ends of a range. */
async function isBefore(kv: Kv, start: KvKey, end: KvKey): Promise<boolean> {
  try {
    for await (const _ of kv.list({ start, end }, { limit: 1 }));
    return true;
  } catch {
    return false;
  }
}

for (const implementation of ["sqlite", "in-memory"] as const) {
  Deno.test(`openReadRange() reads full values and empty ones (${implementation})`, () =>
    withKv(implementation, async (kv, commit) => {
      const read = openReadRange(kv);
      const full = new Uint8Array(65_536).fill(9), empty = new Uint8Array(0);
      const mutations = [1, 2, 3, 4].map((i) => ({ key: ["s", i], value: i === 2 ? empty : full }));
      await commit([{ mutations }]);
      const found = await read({ start: ["s", 1], end: ["s", Infinity] }, 3);
      assert.deepEqual(found.map(({ key }) => key), [["s", 1], ["s", 2], ["s", 3]]);
      assert.deepEqual(found.map(({ value }) => value.length), [65_536, 0, 65_536]);
      assert.deepEqual(new Uint8Array(found[2].value), full);
      assert.deepEqual(await read({ start: ["t"], end: ["u"] }, 3), []);
    }));
}

Deno.test("decodeKey() reads what KeyEncoder has written, and nothing that was cut", () => {
  fc.assert(fc.property(fc.array(KEY_PART, { maxLength: 6 }), (key) => {
    const bytes = new KeyEncoder().encode(key).slice();
    assert.deepEqual(decodeKey(bytes), key);
    for (let cut = 0; cut < bytes.length; cut++) {
      try {
        assert.notDeepEqual(decodeKey(bytes.subarray(0, cut)), key);
      } catch (error) {
        assert(error instanceof RangeError, `${error}`);
      }
    }
  }));
});

Deno.test("decodeReadOutput() refuses an answer that was cut, and one that is none", () =>
  withKv("sqlite", async (kv, commit) => {
    await commit([{ mutations: [{ key: ["a", 1n], value: new Uint8Array(200) }] }]);
    const napi = Reflect.get(kv, "napi"), seen: Uint8Array[] = [];
    const snapshotRead = async (...args: unknown[]) => {
      const output = await napi.snapshotRead(...args);
      seen.push(output);
      return output;
    };
    Reflect.set(kv, "napi", { atomicWrite: napi.atomicWrite, snapshotRead });
    await openReadRange(kv)({ start: ["a"], end: ["b"] }, 1);
    Reflect.set(kv, "napi", napi);
    const whole = new Uint8Array(seen[0]);
    assert.equal(decodeReadOutput(whole).length, 1);
    for (let cut = 1; cut < whole.length; cut++) {
      try {
        const found = decodeReadOutput(whole.subarray(0, cut));
        assert.deepEqual(found, decodeReadOutput(whole), "only what tells nothing was cut off");
      } catch (error) {
        assert(error instanceof RangeError, `${error}`);
      }
    }
    assert.throws(() => decodeReadOutput(Uint8Array.of(0x0b)), RangeError);
    assert.throws(() => decodeReadOutput(Uint8Array.of(2 << 3, 1)), /can't be read/);
  }));

Deno.test("AtomicWriteEncoder refuses keys that it can't pack", () => {
  const encode = (key: KvKey) => new AtomicWriteEncoder().encode([{ mutations: [{ key }] }]);
  assert.throws(() => encode([-1n]), RangeError);
  assert.throws(() => encode([2n ** 64n]), RangeError);
  assert.throws(() => encode(["x".repeat(100_000)]), RangeError);
  assert.throws(() => encode([true]), TypeError);
});
