import { deepStrictEqual as deepEqual, ok } from "node:assert/strict";
import fc from "fast-check";
import { Acknowledger } from "../../shapes/acknowledger.ts";
import { check } from "../support/arbitrary.ts";

function acknowledger(applied = 0n) {
  const confirmed: bigint[] = [];
  return { confirmed, acks: new Acknowledger(applied, (position) => confirmed.push(position)) };
}

Deno.test("Acknowledger confirms at once what put nothing into the store", () => {
  const { acks, confirmed } = acknowledger();
  acks.committed(10n, 11n, false);
  acks.reached(20n);
  deepEqual(confirmed, [11n, 20n]);
});

Deno.test("Acknowledger waits until what was stored is durable", () => {
  const { acks, confirmed } = acknowledger();
  acks.committed(10n, 11n, true);
  deepEqual(confirmed, []);
  acks.durable(9n);
  deepEqual(confirmed, []);
  acks.durable(10n);
  deepEqual(confirmed, [11n]);
});

Deno.test("Acknowledger holds back positions behind one that is not durable", () => {
  const { acks, confirmed } = acknowledger();
  acks.committed(10n, 11n, true);
  acks.committed(20n, 21n, false);
  acks.committed(30n, 31n, true);
  acks.reached(40n);
  deepEqual(confirmed, []);
  acks.durable(10n);
  deepEqual(confirmed, [21n]);
  acks.durable(30n);
  deepEqual(confirmed, [21n, 40n]);
});

Deno.test("Acknowledger starts from what the store held", () => {
  const { acks, confirmed } = acknowledger(100n);
  acks.reached(150n);
  deepEqual(confirmed, [150n]);
});

interface Step {
  readonly kind: "stored" | "empty" | "progress" | "durable";
}

const step: fc.Arbitrary<Step> = fc.record({
  kind: fc.constantFrom("stored", "empty", "progress", "durable"),
});

Deno.test("I1: Acknowledger never confirms beyond what is durable, and all once it is", () => {
  check(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const { acks, confirmed } = acknowledger();
      const stored: bigint[] = [];
      let at = 0n, durable = 0;
      for (const { kind } of steps) {
        if (kind === "durable") {
          durable = Math.min(durable + 1, stored.length);
          acks.durable(stored[durable - 1] ?? 0n);
        } else {
          at += 10n;
          if (kind === "stored") stored.push(at);
          if (kind === "progress") acks.reached(at + 1n);
          else acks.committed(at, at + 1n, kind === "stored");
        }
        const firstLost = stored[durable];
        ok(firstLost === undefined || confirmed.every((position) => position <= firstLost));
      }
      acks.durable(stored.at(-1) ?? 0n);
      const last = at === 0n ? undefined : at + 1n;
      deepEqual(confirmed.at(-1), last);
      deepEqual(confirmed, confirmed.toSorted((a, b) => a < b ? -1 : a > b ? 1 : 0));
    }),
    300,
  );
});
