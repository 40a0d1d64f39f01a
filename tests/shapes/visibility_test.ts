import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
import fc from "fast-check";
import type { Visibility } from "../../shapes/ports.ts";
import { isInSnapshot, shows } from "../../shapes/visibility.ts";
import { check } from "../support/arbitrary.ts";

const EARLY = 50n;
const seen = (visibility: Partial<Visibility>, xid: number, commitLsn = EARLY) =>
  isInSnapshot(
    { xmin: 100n, xmax: 110n, inProgress: [102n, 105n], walPosition: 1000n, ...visibility },
    { xid, commitLsn },
  );

Deno.test("isInSnapshot() sees what had ended, not what was running or began later", () => {
  equal(seen({}, 99), true);
  equal(seen({}, 100), true);
  equal(seen({}, 102), false);
  equal(seen({}, 104), true);
  equal(seen({}, 105), false);
  equal(seen({}, 109), true);
  equal(seen({}, 110), false);
  equal(seen({}, 111), false);
});

Deno.test("isInSnapshot() compares on the circle of 32-bit ids", () => {
  const wrap = 2n ** 32n;
  const around = { xmin: 3n * wrap - 2n, xmax: 3n * wrap + 6n, inProgress: [3n * wrap + 4n] };
  equal(seen(around, 2 ** 32 - 3), true);
  equal(seen(around, 2 ** 32 - 1), true);
  equal(seen(around, 3), true);
  equal(seen(around, 4), false);
  equal(seen(around, 5), true);
  equal(seen(around, 6), false);
});

Deno.test("isInSnapshot() never sees a commit at or beyond the WAL position of the snapshot", () => {
  equal(seen({}, 99, 999n), true);
  equal(seen({}, 99, 1000n), false);
  // Two billion transactions later the id looks like one of long ago.
  equal(seen({}, 99 + 2 ** 31, 5000n), false);
  equal(seen({}, (100 + 2 ** 31 + 5) % 2 ** 32, 5000n), false);
});

Deno.test("isInSnapshot() agrees with Postgres' rule on 64-bit ids", () => {
  const near = fc.integer({ min: -40, max: 40 });
  const snapshot = fc.record({
    xmin: fc.bigInt({ min: 1n << 20n, max: 1n << 40n }),
    span: fc.nat(30),
    running: fc.array(fc.nat(29), { maxLength: 5 }),
  });
  check(
    fc.property(snapshot, near, ({ xmin, span, running }, distance) => {
      const xmax = xmin + BigInt(span);
      const inProgress = running.map((i) => xmin + BigInt(i)).filter((xid) => xid < xmax);
      const xid = xmin + BigInt(distance);
      const expected = xid < xmin || xid < xmax && !inProgress.includes(xid);
      equal(seen({ xmin, xmax, inProgress }, Number(xid % 2n ** 32n)), expected);
    }),
    500,
  );
});

Deno.test("shows() is what a snapshot shows of transactions that are over, by 32-bit ids", () => {
  const wrap = 2n ** 32n;
  const visibility = { xmin: wrap + 1n, xmax: wrap + 6n, inProgress: [wrap + 4n], walPosition: 1n };
  const xids = [2 ** 32 - 1, 0, 3, 4, 5, 6, 2 ** 31];
  deepEqual(
    xids.map((xid) => shows(visibility, xid)),
    [true, true, true, false, true, false, false],
  );
});
