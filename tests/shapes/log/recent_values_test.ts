import assert from "node:assert/strict";
import { MemoryBudget, RecentValues } from "../../../shapes/log/recent_values.ts";

const bytes = (length: number) => new Uint8Array(length);

function openStream(limitBytes: number) {
  const budget = new MemoryBudget(limitBytes);
  let timesEmpty = 0;
  const values = new RecentValues(budget, 0, (a, b) => a - b, () => void timesEmpty++);
  return { budget, values, timesEmpty: () => timesEmpty };
}

Deno.test("RecentValues finds the first value beyond a position", () => {
  const { values } = openStream(1e6);
  for (const [i, end] of [10, 20, 30].entries()) values.append(end, bytes(10), i + 1);
  const found = [0, 9, 10, 15, 29, 30].map((position) => values.after(position)?.end);
  assert.deepEqual(found, [10, 10, 20, 20, 30, undefined]);
  assert.equal(values.end, 30);
});

Deno.test("MemoryBudget lets the oldest go, but only what is durable", () => {
  const { budget, values } = openStream(2_500);
  for (let i = 1; i <= 5; i++) values.append(i * 1_000, bytes(1_000), i);
  assert(values.covers(0));
  budget.setDurable(1);
  assert.deepEqual([values.covers(0), values.covers(1_000)], [false, true]);
  budget.setDurable(5);
  assert.deepEqual([values.covers(2_999), values.covers(3_000)], [false, true]);
  assert(budget.bytes <= 2_500);
});

Deno.test("RecentValues says when its last value went", () => {
  const { budget, values, timesEmpty } = openStream(0);
  values.append(5, bytes(5), 1);
  values.append(9, bytes(4), 2);
  budget.setDurable(1);
  assert.equal(timesEmpty(), 0);
  budget.setDurable(2);
  assert.equal(timesEmpty(), 1);
  assert(values.isEmpty && values.covers(9) && !values.covers(8));
});

Deno.test("RecentValues gives its bytes back to the budget when it is cleared", () => {
  const { budget, values } = openStream(1e6);
  values.append(5, bytes(5), 9);
  assert(budget.bytes > 5);
  values.clear();
  assert.equal(budget.bytes, 0);
});
