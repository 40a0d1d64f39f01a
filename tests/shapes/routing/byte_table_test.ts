import assert from "node:assert/strict";
import fc from "fast-check";
import { ByteTable } from "../../../shapes/routing/indexes/byte_table.ts";
import { EMPTY_HASH, finish, hashOf, hashOn } from "../../../shapes/routing/indexes/hash.ts";
import { check } from "../../support/arbitrary.ts";

const encoder = new TextEncoder();

/** Few hashes, 0 and neighbours among them, so that most keys are not in their own slot. */
function crowdedHash(key: string): number {
  return key.length % 3 - 1;
}

Deno.test("a byte table holds what a map would, though hashes collide", () => {
  const key = fc.string({ unit: fc.constantFrom("a", "b", "é"), maxLength: 5 });
  const command = fc.record({ key, value: fc.option(fc.nat(9), { nil: undefined }) });
  check(
    fc.property(fc.array(command, { maxLength: 200 }), (commands) => {
      const table = new ByteTable(), map = new Map<string, number>();
      for (const { key, value } of commands) {
        table.set(crowdedHash(key), encoder.encode(key), value);
        if (value === undefined) map.delete(key);
        else map.set(key, value);
        assert.equal(table.size, map.size);
      }
      for (const { key } of commands) {
        const bytes = encoder.encode(`.${key}.`);
        const found = table.get(crowdedHash(key), bytes, 1, bytes.length - 2);
        assert.equal(found, map.get(key));
      }
    }),
    300,
  );
});

Deno.test("a byte table grows to thousands of keys and shrinks again", () => {
  const table = new ByteTable(), keys = Array.from({ length: 5_000 }, (_, i) => `key ${i}`);
  const lookUp = (key: string) => {
    const bytes = encoder.encode(key);
    return table.get(hashOf(bytes, 0, bytes.length), bytes, 0, bytes.length);
  };
  const set = (key: string, value: number | undefined) => {
    const bytes = encoder.encode(key);
    table.set(hashOf(bytes, 0, bytes.length), bytes, value);
  };
  for (const round of [1, 2]) {
    for (const [i, key] of keys.entries()) set(key, i * round);
    assert.equal(table.size, keys.length);
    for (const [i, key] of keys.entries()) assert.equal(lookUp(key), i * round);
    assert.equal(lookUp("key 5000"), undefined);
    for (const [i, key] of keys.entries()) {
      set(key, undefined);
      assert.equal(lookUp(key), undefined);
      assert.equal(lookUp(keys[i + 1] ?? "none"), keys[i + 1] && (i + 1) * round);
    }
    assert.equal(table.size, 0);
  }
});

Deno.test("hashOf() depends on each byte and not on where the bytes lie", () => {
  check(fc.property(fc.uint8Array({ minLength: 1, maxLength: 40 }), fc.nat(39), (bytes, at) => {
    const moved = Uint8Array.of(1, 2, 3, ...bytes, 4), hash = hashOf(bytes, 0, bytes.length);
    assert.equal(hashOf(moved, 3, bytes.length), hash);
    bytes[at % bytes.length] ^= 1;
    assert.notEqual(hashOf(bytes, 0, bytes.length), hash);
  }));
});

Deno.test("hashOf() spreads texts that differ in one place over the low bits", () => {
  for (const textOf of [String, (i: number) => `user-${String(i).padStart(12, "0")}-x`]) {
    const seen = new Set<number>();
    for (let i = 0; i < 4_096; i++) {
      const bytes = encoder.encode(textOf(i));
      seen.add(hashOf(bytes, 0, bytes.length) & 4_095);
    }
    // Of as many balls as boxes, 63 % of the boxes have one when they are thrown at random.
    assert(seen.size > 4_096 * 0.55, `Only ${seen.size} different`);
  }
});

Deno.test("hashOn() goes on where it stopped", () => {
  const bytes = encoder.encode("abcdef");
  const whole = hashOn(EMPTY_HASH, bytes, 0, 6);
  assert.equal(hashOn(hashOn(EMPTY_HASH, bytes, 0, 2), bytes, 2, 6), whole);
  assert.notEqual(finish(whole), finish(hashOn(EMPTY_HASH, bytes, 0, 5)));
});
