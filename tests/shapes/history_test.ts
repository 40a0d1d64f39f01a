import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
import fc from "fast-check";
import { beginHistory, isSameHistory, reconciledLsn } from "../../shapes/history.ts";
import { check } from "../support/arbitrary.ts";

const NAME = { systemId: "7", timeline: 2, database: "app" };
const stored = (shift: bigint) => ({ ...NAME, shift, beganAt: 0n, timelineBeganAt: 0n });

Deno.test("isSameHistory() goes by system, timeline and database", () => {
  equal(isSameHistory(undefined, NAME), false);
  equal(isSameHistory(stored(8n), NAME), true);
  equal(isSameHistory(stored(0n), { ...NAME, systemId: "8" }), false);
  equal(isSameHistory(stored(0n), { ...NAME, timeline: 3 }), false);
  equal(isSameHistory(stored(0n), { ...NAME, database: "other" }), false);
});

/** Shift before, position, last position named; shift and beginning after. */
const BEGINNINGS: readonly (readonly [bigint | undefined, bigint, bigint, bigint, bigint])[] = [
  [undefined, 800n, 0n, 0n, 800n],
  [0n, 800n, 400n, 0n, 800n],
  [0n, 800n, 800n, 8n, 808n],
  [0n, 800n, 801n, 16n, 816n],
  [0n, 80n, 8_000n, 7_928n, 8_008n],
  [64n, 800n, 850n, 64n, 864n],
  [64n, 800n, 864n, 72n, 872n],
];

Deno.test("beginHistory() shifts positions no further than they must be", () => {
  for (const [before, position, reached, shift, beganAt] of BEGINNINGS) {
    const identity = before === undefined ? undefined : stored(before);
    const found = beginHistory(NAME, identity, position, reached);
    const timelineBeganAt = identity ? 0n : beganAt;
    const wanted = { ...NAME, shift, beganAt, timelineBeganAt };
    deepEqual(found, wanted, `${before} ${position} ${reached}`);
  }
});

Deno.test("beginHistory() tells a slot made anew from another timeline", () => {
  const name = { ...NAME, timeline: NAME.timeline + 1 };
  const first = beginHistory(name, stored(0n), 800n, 400n);
  deepEqual([first.beganAt, first.timelineBeganAt], [800n, 800n]);
  const second = beginHistory(name, first, 960n, 900n);
  deepEqual([second.beganAt, second.timelineBeganAt], [960n, 800n]);
});

Deno.test("I3: beginHistory() begins beyond all that was named, with positions that stay aligned", () => {
  const lsn = fc.bigInt({ min: 0n, max: 2n ** 62n });
  check(fc.property(lsn, lsn, lsn, (before, position, reached) => {
    const identity = stored(before / 8n * 8n), start = position / 8n * 8n;
    const { shift, beganAt } = beginHistory(NAME, identity, start, reached);
    equal(beganAt > reached, true);
    equal(shift % 8n, 0n);
    equal(beganAt, start + shift);
  }));
});

Deno.test("reconciledLsn() lies beyond what is there and before what may follow", () => {
  equal(reconciledLsn(800n, 0n), 801n);
  equal(reconciledLsn(800n, 801n), 801n);
  equal(reconciledLsn(800n, 808n), 809n);
  equal(reconciledLsn(807n, 0n), 807n);
});
