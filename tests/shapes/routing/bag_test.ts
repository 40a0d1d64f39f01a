import assert from "node:assert/strict";
import fc from "fast-check";
import { Bag } from "../../../shapes/routing/bag.ts";
import {
  countOf,
  type Few,
  forEach,
  hasItem,
  withItem,
  withoutItem,
} from "../../../shapes/routing/indexes/few.ts";
import { check } from "../../support/arbitrary.ts";

const commands = fc.array(fc.tuple(fc.boolean(), fc.nat(4)));

Deno.test("a bag holds what a set would", () => {
  check(fc.property(commands, (commands) => {
    const bag = new Bag<number>(), set = new Set<number>();
    for (const [isAdded, item] of commands) {
      if (isAdded) bag.add(item);
      else bag.remove(item);
      if (isAdded) set.add(item);
      else set.delete(item);
      const held = bag.first === undefined ? [] : [bag.first, ...bag.rest ?? []];
      assert.deepEqual(held.toSorted(), [...set].toSorted());
      assert.equal(bag.size, set.size);
    }
  }));
});

Deno.test("a few numbers, 0 among them, are what a set of them would be", () => {
  check(fc.property(commands, (commands) => {
    const set = new Set<number>();
    let few: Few | undefined;
    for (const [isAdded, item] of commands) {
      few = isAdded ? withItem(few, item) : withoutItem(few, item);
      if (isAdded) set.add(item);
      else set.delete(item);
      const held: number[] = [];
      forEach(few, (item) => held.push(item));
      assert.deepEqual(held.toSorted(), [...set].toSorted());
      assert.equal(countOf(few), set.size);
      for (let item = 0; item < 5; item++) assert.equal(hasItem(few, item), set.has(item));
      assert.equal(few instanceof Set, set.size > 1);
    }
  }));
});
