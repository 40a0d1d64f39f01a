import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
import fc from "fast-check";
import { Tail, TailBudget } from "../../../shapes/log/tail.ts";
import type { LogEntry } from "../../../shapes/log/store.ts";
import { compareOffsets, SNAPSHOT_END } from "../../../shapes/offset.ts";
import { check } from "../../support/arbitrary.ts";

const at = (lsn: number, op = 0) => ({ lsn: BigInt(lsn), op });

function entry(lsn: number, size = 10): LogEntry {
  return { first: at(lsn), last: at(lsn, 4), bytes: new Uint8Array(size) };
}

const lsns = (entries: readonly LogEntry[] | undefined) =>
  entries?.map(({ first }) => Number(first.lsn));

Deno.test("Tail.read() gives the entries that reach beyond since, up to until", () => {
  const tail = new Tail(SNAPSHOT_END);
  for (const lsn of [1, 2, 3, 4]) tail.push(entry(lsn));
  deepEqual(lsns(tail.read(SNAPSHOT_END, at(4, 4))), [1, 2, 3, 4]);
  deepEqual(lsns(tail.read(at(2, 4), at(3, 4))), [3]);
  deepEqual(lsns(tail.read(at(2, 2), at(3, 4))), [2, 3]);
  deepEqual(lsns(tail.read(at(4, 4), at(4, 4))), []);
  deepEqual(lsns(tail.read(at(9), at(9))), []);
});

Deno.test("Tail.read() does not know what it was not given or has let go of", () => {
  const tail = new Tail(at(5, 4)), budget = new TailBudget(2 * 260);
  equal(tail.read(at(5, 2), at(9)), undefined);
  budget.push(tail, entry(6));
  budget.push(tail, entry(7));
  equal(tail.read(at(5, 2), at(9)), undefined);
  deepEqual(lsns(tail.read(at(5, 4), at(9))), [6, 7]);
  budget.push(new Tail(SNAPSHOT_END), entry(1));
  equal(tail.read(at(5, 4), at(9)), undefined);
  equal(tail.read(at(6, 2), at(9)), undefined);
  deepEqual(lsns(tail.read(at(6, 4), at(9))), [7]);
});

Deno.test("TailBudget lets go of the oldest entries, whosever they are", () => {
  const a = new Tail(SNAPSHOT_END), b = new Tail(SNAPSHOT_END);
  const budget = new TailBudget(3 * 1250);
  budget.push(a, entry(1, 1000));
  budget.push(b, entry(2, 1000));
  budget.push(a, entry(3, 1000));
  deepEqual(lsns(a.read(SNAPSHOT_END, at(9))), [1, 3]);
  budget.push(b, entry(4, 1000));
  equal(a.read(SNAPSHOT_END, at(9)), undefined);
  deepEqual(lsns(a.read(at(1, 4), at(9))), [3]);
  deepEqual(lsns(b.read(SNAPSHOT_END, at(9))), [2, 4]);
});

Deno.test("TailBudget keeps nothing of an entry that is larger than all of it", () => {
  const tail = new Tail(SNAPSHOT_END);
  const budget = new TailBudget(1000);
  budget.push(tail, entry(1, 5000));
  equal(tail.read(SNAPSHOT_END, at(1, 4)), undefined);
  deepEqual(lsns(tail.read(at(1, 4), at(1, 4))), []);
});

Deno.test("TailBudget: tails hold a suffix of what was pushed, and no more than fits", () => {
  const pushes = fc.array(fc.record({ tail: fc.nat(3), size: fc.nat(900) }), { maxLength: 200 });
  check(fc.property(pushes, (pushes) => {
    const tails = Array.from({ length: 4 }, () => new Tail(SNAPSHOT_END));
    const pushed = tails.map((): LogEntry[] => []);
    const budget = new TailBudget(5000);
    pushes.forEach(({ tail, size }, i) => {
      const each = entry(i + 1, size);
      pushed[tail].push(each);
      budget.push(tails[tail], each);
    });
    let bytes = 0;
    tails.forEach((tail, i) => {
      const all = pushed[i];
      const starts = [SNAPSHOT_END, ...all.map(({ last }) => last)];
      const known = starts.findIndex((since) => tail.read(since, at(999)) !== undefined);
      deepEqual(tail.read(starts[known], at(999)), all.slice(known));
      for (const since of starts.slice(known)) {
        const beyond = all.filter(({ last }) => compareOffsets(last, since) > 0);
        deepEqual(tail.read(since, at(999)), beyond);
      }
      bytes += all.slice(known).reduce((sum, each) => sum + each.bytes.length, 0);
    });
    equal(bytes <= 5000, true);
  }));
});

Deno.test("TailBudget stays right through many thousands of entries", () => {
  const tail = new Tail(SNAPSHOT_END);
  const budget = new TailBudget(100 * 260);
  for (let lsn = 1; lsn <= 20_000; lsn++) budget.push(tail, entry(lsn));
  equal(tail.read(at(19_900, 4), at(20_000, 4))?.length, 100);
  equal(tail.read(at(19_000, 4), at(20_000, 4)), undefined);
});
