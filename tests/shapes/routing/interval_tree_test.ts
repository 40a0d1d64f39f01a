import assert from "node:assert/strict";
import fc from "fast-check";
import {
  type Bound,
  compareHighs,
  compareLows,
  intersect,
  type Interval,
  intervalsOf,
  isAboveLow,
  isBelowHigh,
} from "../../../shapes/routing/plan/interval.ts";
import { IntervalTree } from "../../../shapes/routing/indexes/interval_tree.ts";
import type { Comparison } from "../../../shapes/where/operators/operator.ts";
import { FLOAT8 } from "../../../shapes/where/types/float.ts";
import type { Value } from "../../../shapes/where/types/type.ts";
import { check } from "../../support/arbitrary.ts";

const compare = (a: Value, b: Value) => FLOAT8.compare(Number(a), Number(b));
const VALUES = [-Infinity, -1, 0, 1, 2, 3, 4, 5, Infinity, NaN];

const bound: fc.Arbitrary<Bound | undefined> = fc.option(
  fc.record({ value: fc.constantFrom(...VALUES), isOpen: fc.boolean() }),
  { nil: undefined },
);
const interval: fc.Arbitrary<Interval> = fc.record({ low: bound, high: bound });

function contains({ low, high }: Interval, value: number): boolean {
  return isAboveLow(value, low, compare) && isBelowHigh(value, high, compare);
}

Deno.test("intervalsOf() holds the values that compare so", () => {
  const table: Readonly<Record<Comparison, readonly number[]>> = {
    "=": [2],
    "<>": [-Infinity, -1, 0, 1, 3, 4, 5, Infinity, NaN],
    "<": [-Infinity, -1, 0, 1],
    "<=": [-Infinity, -1, 0, 1, 2],
    ">": [3, 4, 5, Infinity, NaN],
    ">=": [2, 3, 4, 5, Infinity, NaN],
  };
  for (const comparison of ["=", "<>", "<", "<=", ">", ">="] as const) {
    const intervals = intervalsOf(comparison, 2);
    const inside = VALUES.filter((value) => intervals.some((one) => contains(one, value)));
    assert.deepEqual(inside, table[comparison]);
  }
});

Deno.test("intersect() holds the values that are in both", () => {
  check(
    fc.property(interval, interval, (a, b) => {
      const both = intersect(a, b, compare);
      for (const value of VALUES) {
        const isInside = both !== undefined && contains(both, value);
        assert.equal(isInside, contains(a, value) && contains(b, value));
      }
    }),
    500,
  );
});

Deno.test("bounds are ordered by the values that they let in", () => {
  check(
    fc.property(bound, bound, (a, b) => {
      const isFirstLow = compareLows(a, b, compare) < 0,
        isFirstHigh = compareHighs(a, b, compare) < 0;
      for (const value of VALUES) {
        if (isFirstLow && isAboveLow(value, b, compare)) assert(isAboveLow(value, a, compare));
        if (isFirstHigh && isBelowHigh(value, a, compare)) assert(isBelowHigh(value, b, compare));
      }
    }),
    500,
  );
});

Deno.test("an interval tree finds what looking at every interval finds, while they come and go", () => {
  const command = fc.record({ interval, id: fc.nat(4), isAdded: fc.boolean() });
  check(
    fc.property(fc.array(command, { maxLength: 60 }), (commands) => {
      const tree = new IntervalTree(compare);
      const model = new Map<string, { interval: Interval; id: number }>();
      for (const { interval, id, isAdded } of commands) {
        const { low, high } = interval;
        // Spelled so that NaN and the infinities differ.
        const key = [low, high].map((b) => b && `${b.value} ${b.isOpen}`).concat(`${id}`).join();
        if (isAdded) tree.add(interval, id);
        else tree.remove(interval, id);
        if (isAdded) model.set(key, { interval, id });
        else model.delete(key);
        for (const value of VALUES) {
          const found: number[] = [];
          tree.visit(value, (id) => found.push(id));
          const expected = [...model.values()].filter(({ interval }) => contains(interval, value));
          assert.deepEqual(found.toSorted(), expected.map(({ id }) => id).toSorted());
        }
        assert.equal(tree.isEmpty, model.size === 0);
      }
    }),
    300,
  );
});

Deno.test("an interval tree looks at few of many intervals, in whatever order they came", () => {
  let comparisons = 0;
  const count = 10_000;
  for (
    const place of [(i: number) => i, (i: number) => count - 1 - i, (i: number) => i * 7919 % count]
  ) {
    const tree = new IntervalTree((a, b) => (comparisons++, compare(a, b)));
    for (let i = 0; i < count; i++) {
      const low = place(i) * 10, high = low + 15;
      tree.add({ low: { value: low, isOpen: false }, high: { value: high, isOpen: false } }, i);
    }
    comparisons = 0;
    let found = 0;
    for (let i = 0; i < 100; i++) tree.visit(i * 970 + 12, () => found++);
    assert.equal(found, 200);
    assert(comparisons / 100 < 200, `${comparisons / 100} comparisons a value`);
  }
});
