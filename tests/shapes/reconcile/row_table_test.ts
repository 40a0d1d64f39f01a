import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
import { RowTable } from "../../../shapes/reconcile/row_table.ts";
import { Random } from "../../support/random.ts";

interface Kept {
  row: readonly [number, number] | undefined;
  item: number;
  isSeen: boolean;
  isLater: boolean;
  isPartial: boolean;
  isPending: boolean;
  detail: number | undefined;
}

/** Keys whose look-ups begin at few places, so that they meet. */
const laneOf = (key: number) => [key % 7 | 0, key * 2_654_435_761 | 0] as const;

class Model {
  readonly table = new RowTable();
  readonly kept = new Map<number, Kept>();

  enter(key: number): { at: number; kept: Kept } {
    const at = this.table.enter(...laneOf(key));
    const kept = this.kept.get(key) ?? {
      row: undefined,
      item: 0,
      isSeen: false,
      isLater: false,
      isPartial: false,
      isPending: false,
      detail: undefined,
    };
    this.kept.set(key, kept);
    return { at, kept };
  }

  step(random: Random, keys: number): void {
    const { table } = this;
    const { at, kept } = this.enter(random.below(keys));
    const hash = [random.below(2 ** 31), random.below(2 ** 31) * -1] as const;
    const setDetail = () => {
      const start = table.detail(at, 2);
      table.detailLanes[start + 3] = kept.detail = hash[0];
    };
    random.pick([
      () => (table.setRow(at, ...hash), kept.row = hash),
      () => (table.remove(at), kept.row = undefined),
      () => (table.setItem(at, hash[0]), kept.item = hash[0]),
      () => (table.markSeen(at), kept.isSeen = true),
      () => (table.markLater(at), kept.isLater = true),
      () => (table.markPartial(at), kept.isPartial = true),
      () => (table.markPending(at), kept.isPending = true),
      () => (table.clearPending(at), kept.isPending = false),
      () => setDetail(),
    ])();
  }

  check(): void {
    const { table, kept } = this;
    for (const [key, one] of kept) {
      const at = table.find(...laneOf(key));
      equal(table.isPresent(at), one.row !== undefined);
      if (one.row) equal(table.isRow(at, ...one.row), true);
      equal(table.isRow(at, 1, 2), false);
      equal(table.itemOf(at), one.item);
      equal(table.isSeen(at), one.isSeen);
      equal(table.isLater(at), one.isLater);
      equal(table.isPartial(at), one.isPartial);
      equal(table.isInLog(at), (one.row !== undefined) !== one.isPending);
    }
    equal(table.size, [...kept.values()].filter(({ row }) => row).length);
    const details = new Map<number, number>();
    table.eachDetail((at, start) => details.set(at, table.detailLanes[start + 3]));
    const expected = [...kept].filter(([, { detail }]) => detail !== undefined);
    equal(details.size, expected.length);
    for (const [key, { detail }] of expected) {
      equal(details.get(table.find(...laneOf(key))), detail);
    }
  }
}

for (const seed of [1, 2, 3]) {
  Deno.test(`RowTable keeps what a Map does while it grows, seed ${seed}`, () => {
    const random = new Random(seed), model = new Model();
    for (let i = 1; i <= 20_000; i++) {
      model.step(random, 3_000);
      if (i % 5_000 === 0) model.check();
    }
    equal(model.table.find(...laneOf(3_001)), -1);
  });
}

Deno.test("RowTable.doomUnseen() marks the rows that were neither seen nor told of later", () => {
  const random = new Random(7), model = new Model();
  for (let i = 0; i < 2_000; i++) model.step(random, 500);
  const doomed = [...model.kept].filter(([, { row, isSeen, isLater }]) =>
    row && !isSeen && !isLater
  )
    .map(([key]) => key);
  equal(model.table.doomUnseen(), doomed.length);
  const found = [...model.kept.keys()].filter((key) =>
    model.table.isDoomed(model.table.find(...laneOf(key)))
  );
  deepEqual(found, doomed);
  model.table.spare(model.table.find(...laneOf(doomed[0])));
  equal(model.table.isDoomed(model.table.find(...laneOf(doomed[0]))), false);
});

Deno.test("RowTable.settle() forgets all but the rows, and tells whether some key was later", () => {
  const random = new Random(8), model = new Model();
  for (let i = 0; i < 2_000; i++) model.step(random, 500);
  model.table.doomUnseen();
  equal(model.table.settle(), true);
  equal(model.table.settle(), false);
  model.table.forgetDetails();
  for (const kept of model.kept.values()) {
    Object.assign(kept, { isSeen: false, isLater: false, isPartial: false, isPending: false });
    kept.detail = undefined;
  }
  model.check();
  for (const key of model.kept.keys()) {
    equal(model.table.isDoomed(model.table.find(...laneOf(key))), false);
  }
});

Deno.test("RowTable.forgetLater() forgets that alone", () => {
  const random = new Random(9), model = new Model();
  for (let i = 0; i < 2_000; i++) model.step(random, 500);
  model.table.forgetLater();
  for (const kept of model.kept.values()) kept.isLater = false;
  model.check();
});

Deno.test("RowTable holds a million rows in 64 MB", () => {
  const table = new RowTable();
  for (let i = 0; i < 1_000_000; i++) table.setRow(table.enter(i * 2_654_435_761 | 0, i), i, i);
  equal(table.size, 1_000_000);
  equal(table.bytes < 64e6, true);
});
