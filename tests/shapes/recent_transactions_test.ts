import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
import { RecentTransactions } from "../../shapes/recent_transactions.ts";

function filled(count: number): RecentTransactions {
  const recent = new RecentTransactions();
  for (let i = 0; i < count; i++) recent.add({ xid: 4_294_967_000 + i, commitLsn: BigInt(8 * i) });
  return recent;
}

Deno.test("RecentTransactions knows the last thousand", () => {
  const recent = filled(3_000);
  const has = (xid: number) => recent.some((each) => each.xid === 4_294_967_000 + xid);
  deepEqual([2_999, 1_976, 1_975, 0].map(has), [true, true, false, false]);
  deepEqual(recent.last, { xid: 4_294_969_999, commitLsn: 23_992n });
});

Deno.test("RecentTransactions.earliest() finds the first of those that pass, if it can be told", () => {
  const recent = filled(10);
  equal(recent.earliest(({ commitLsn }) => commitLsn > 30n), 32n);
  equal(recent.earliest(() => false), undefined);
  equal(recent.earliest(() => true), 0n);
  equal(filled(3_000).earliest(() => true), -1n);
  equal(filled(3_000).earliest(({ commitLsn }) => commitLsn > 23_000n), 23_008n);
});

Deno.test("RecentTransactions.clear() forgets them", () => {
  const recent = filled(10);
  recent.clear();
  equal(recent.some(() => true), false);
  equal(recent.last, undefined);
  equal(recent.earliest(() => true), undefined);
});
