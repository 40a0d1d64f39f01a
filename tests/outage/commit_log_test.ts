import assert from "node:assert/strict";
import fc from "fast-check";
import { check } from "../support/arbitrary.ts";
import { CommitLog } from "./commit_log.ts";

function logOf(...commits: readonly (readonly [marker: number, clockMs: number])[]): CommitLog {
  const log = new CommitLog();
  for (const [marker, clockMs] of commits) log.add(marker, clockMs);
  return log;
}

Deno.test("CommitLog.age() is that of the oldest commit not seen", () => {
  const log = logOf([1, 100], [3, 150], [4, 200]);
  assert.deepEqual([-1, 0, 1, 2, 3, 4, 9].map((seen) => log.age(seen, 250)), [
    ...[150, 150, 100, 100, 50, 0, 0],
  ]);
  // Seen before the commit was acknowledged.
  assert.equal(log.age(3, 190), 0);
  assert.equal(new CommitLog().age(0, 100), 0);
});

Deno.test("CommitLog.undoAfter() takes out what a failover undid", () => {
  const log = logOf([1, 100], [3, 150], [4, 200]);
  assert.equal(log.undoAfter(2), 2);
  assert.deepEqual([log.last, log.count, log.age(1, 300)], [1, 1, 0]);
  log.add(7, 300);
  // A client that had seen what was undone has yet to see this one.
  assert.equal(log.age(4, 350), 50);
});

Deno.test("CommitLog refuses a marker that doesn't grow", () => {
  assert.throws(() => logOf([2, 0], [2, 1]), RangeError);
});

Deno.test("CommitLog.age() agrees with a look at every commit", () => {
  const steps = fc.array(fc.tuple(fc.integer({ min: 1, max: 5 }), fc.nat(100)), { maxLength: 30 });
  check(fc.property(steps, fc.nat(200), (steps, seen) => {
    let marker = 0, clockMs = 0;
    const commits = steps.map(([more, later]) => [marker += more, clockMs += later] as const);
    const oldest = commits.find(([marker]) => marker > seen);
    assert.equal(logOf(...commits).age(seen, 5_000), oldest ? 5_000 - oldest[1] : 0);
  }));
});
