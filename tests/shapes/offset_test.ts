import { deepStrictEqual as deepEqual, ok, strictEqual as equal } from "node:assert/strict";
import fc from "fast-check";
import {
  compareOffsets,
  formatOffset,
  formatRequestedOffset,
  type Offset,
  parseRequestedOffset,
  SNAPSHOT_END,
} from "../../shapes/offset.ts";
import { check } from "../support/arbitrary.ts";

const at = (lsn: bigint, op: number) => ({ kind: "at", offset: { lsn, op } });

const ACCEPTED: readonly (readonly [text: string, meaning: unknown])[] = [
  ["-1", { kind: "before" }],
  ["-1_0", { kind: "before" }],
  ["now", { kind: "now" }],
  ["0_0", at(0n, 0)],
  ["0_inf", at(0n, Infinity)],
  ["12_inf", at(12n, Infinity)],
  ["26877408_2", at(26877408n, 2)],
  ["+1_2", at(1n, 2)],
  ["1_+2", at(1n, 2)],
  ["01_02", at(1n, 2)],
  ["18446744073709551615_1", at(18446744073709551615n, 1)],
];

Deno.test("parseRequestedOffset() reads every form of the grammar", () => {
  for (const [text, meaning] of ACCEPTED) deepEqual(parseRequestedOffset(text), meaning, text);
});

Deno.test("parseRequestedOffset() refuses what is outside the grammar", () => {
  const refused = ["", "10", "-2", "1_2_3", "1_2 ", " 1_2", "1_2\n", "0_-1", "10_3.1", "-1_1"];
  refused.push(
    "-1_inf",
    "-2_0",
    "1_",
    "_1",
    "inf_1",
    "1_INF",
    "NOW",
    "0x1_0",
    "١_٢",
    "+_1",
    "1_-inf",
  );
  for (const text of refused) equal(parseRequestedOffset(text), undefined, text);
});

Deno.test("formatRequestedOffset() prints canonically, as etags show it", () => {
  const printed = [["+1_02", "1_2"], ["-1", "-1"], ["-1_0", "-1"], ["now", "now"]];
  printed.push(["0_inf", "0_inf"], ["-0_-0", "0_0"]);
  for (const [text, canonical] of printed) {
    const parsed = parseRequestedOffset(text);
    equal(parsed && formatRequestedOffset(parsed), canonical, text);
  }
});

const offset: fc.Arbitrary<Offset> = fc.record({
  lsn: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
  op: fc.oneof(fc.nat(), fc.constant(Infinity)),
}, { noNullPrototype: true });

Deno.test("parseRequestedOffset() reads what formatOffset() prints", () => {
  check(fc.property(offset, (given) => {
    deepEqual(parseRequestedOffset(formatOffset(given)), { kind: "at", offset: given });
  }));
});

Deno.test("compareOffsets() orders by transaction, then by operation, inf last", () => {
  const sorted: Offset[] = [
    { lsn: 0n, op: 0 },
    { lsn: 0n, op: 1 },
    SNAPSHOT_END,
    { lsn: 1n, op: 0 },
    { lsn: 1n, op: Infinity },
    { lsn: 2n ** 63n, op: 0 },
  ];
  sorted.forEach((a, i) => {
    sorted.forEach((b, j) => equal(Math.sign(compareOffsets(a, b)), Math.sign(i - j)));
  });
});

Deno.test("compareOffsets() is an order", () => {
  check(fc.property(offset, offset, offset, (a, b, c) => {
    equal(Math.sign(compareOffsets(a, b)) + Math.sign(compareOffsets(b, a)), 0);
    const [x, y, z] = [a, b, c].sort(compareOffsets);
    ok(compareOffsets(x, y) <= 0 && compareOffsets(y, z) <= 0 && compareOffsets(x, z) <= 0);
  }));
});
