import assert from "node:assert/strict";
import fc from "fast-check";
import { rowOfTexts } from "../../../shapes/row.ts";
import { Bag } from "../../../shapes/routing/bag.ts";
import { TextIndex } from "../../../shapes/routing/text_index.ts";

function listOf(bag: Bag<string> | undefined): string[] {
  return bag?.first === undefined ? [] : [bag.first, ...bag.rest ?? []].toSorted();
}

Deno.test("a bag holds what a set would", () => {
  const command = fc.tuple(fc.boolean(), fc.constantFrom("a", "b", "c", "d"));
  fc.assert(fc.property(fc.array(command), (commands) => {
    const bag = new Bag<string>(), set = new Set<string>();
    for (const [isAdded, item] of commands) {
      if (isAdded) bag.add(item);
      else bag.remove(item);
      if (isAdded) set.add(item);
      else set.delete(item);
      assert.deepEqual(listOf(bag), [...set].toSorted());
      assert.equal(bag.size, set.size);
    }
  }));
});

Deno.test("a text index keeps keys apart that have the same hash", () => {
  const index = new TextIndex<string>(0), keys = collidingKeys();
  for (const key of keys) index.add(key, key);
  for (const key of keys) assert.deepEqual(listOf(index.find(rowOfTexts([key]))), [key]);
  for (const [i, key] of keys.entries()) {
    index.remove(key, key);
    assert.equal(index.find(rowOfTexts([key])), undefined);
    for (const rest of keys.slice(i + 1)) assert.equal(index.count(rest), 1);
  }
  assert(index.isEmpty);
});

/** Three texts of which at least two have the same 30 bits of FNV-1a. */
function collidingKeys(): string[] {
  const seen = new Map<number, string>();
  for (let i = 0;; i++) {
    const text = `k${i}`;
    let hash = 0x811c9dc5;
    for (const byte of new TextEncoder().encode(text)) hash = Math.imul(hash ^ byte, 0x01000193);
    const other = seen.get(hash & 0x3fffffff);
    if (other !== undefined) return [other, text, "k"];
    seen.set(hash & 0x3fffffff, text);
  }
}

Deno.test("a text index finds nothing for NULL and for texts that only begin alike", () => {
  const index = new TextIndex<string>(1);
  index.add("", "empty");
  index.add("abc", "abc");
  assert.equal(index.find(rowOfTexts(["abc", null])), undefined);
  assert.equal(index.find(rowOfTexts(["abc", "ab"])), undefined);
  assert.equal(index.find(rowOfTexts(["abc", "abcd"])), undefined);
  assert.deepEqual(listOf(index.find(rowOfTexts(["abc", ""]))), ["empty"]);
  index.remove("abc", "other");
  assert.deepEqual(listOf(index.find(rowOfTexts([null, "abc"]))), ["abc"]);
});
