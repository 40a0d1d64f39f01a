import assert from "node:assert/strict";
import { formatLsn, parseLsn } from "../../replication/lsn.ts";

const CASES: readonly [string, bigint][] = [
  ["0/0", 0n],
  ["0/16B3748", 0x16b3748n],
  ["0/FFFFFFFF", 0xffffffffn],
  ["1/0", 1n << 32n],
  ["16/B374D848", 0x16b374d848n],
  ["7FFFFFFF/FFFFFFFF", (1n << 63n) - 1n],
  ["FFFFFFFF/FFFFFFFF", (1n << 64n) - 1n],
];

Deno.test("parseLsn() and formatLsn() are each other's inverse over the 64-bit space", () => {
  for (const [text, lsn] of CASES) {
    assert.equal(parseLsn(text), lsn);
    assert.equal(formatLsn(lsn), text);
  }
});

Deno.test("parseLsn() takes lower case and leading zeros", () => {
  assert.equal(parseLsn("0/16b3748"), 0x16b3748n);
  assert.equal(parseLsn("00000001/0000000A"), 0x10000000an);
});

Deno.test("parseLsn() rejects what is not an LSN", () => {
  for (
    const text of ["", "/", "0", "0/", "/0", "G/0", "0/123456789", "123456789/0", " 0/0", "0/0\n"]
  ) {
    assert.throws(() => parseLsn(text), SyntaxError, text);
  }
});

Deno.test("formatLsn() rejects what does not fit 64 bits", () => {
  assert.throws(() => formatLsn(-1n), RangeError);
  assert.throws(() => formatLsn(1n << 64n), RangeError);
});
