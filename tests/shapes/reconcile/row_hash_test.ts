import { ok, strictEqual as equal } from "node:assert/strict";
import fc from "fast-check";
import { type HashKind, RangeHash } from "../../../shapes/reconcile/row_hash.ts";
import { check, postgresText } from "../../support/arbitrary.ts";

const encoder = new TextEncoder();

/** Hash of a value as text, with some bytes around it that must not matter. */
function hashOf(kind: HashKind, text: string, salt = 0, seed = 1, around = ""): string {
  const hash = new RangeHash(seed);
  const before = encoder.encode(around), value = encoder.encode(text);
  const bytes = encoder.encode(around + text + around);
  hash.value(kind, bytes, before.length, before.length + value.length, salt);
  return `${hash.lo} ${hash.hi}`;
}

function hashOfNull(salt = 0, seed = 1): string {
  const hash = new RangeHash(seed);
  hash.null(salt);
  return `${hash.lo} ${hash.hi}`;
}

const SAME: readonly (readonly [HashKind, string, string])[] = [
  ["bool", "t", "true"],
  ["bool", "f", "false"],
  ["inet", "10.0.0.1", "10.0.0.1/32"],
  ["inet", "::1", "::1/128"],
  ["inet", "::ffff:1.2.3.4", "::ffff:1.2.3.4/128"],
  ["inet", "10.0.0.0/8", "10.0.0.0/8"],
];

const DIFFERENT: readonly (readonly [HashKind, string, string])[] = [
  ["bool", "true", "false"],
  ["inet", "10.0.0.1", "10.0.0.1/24"],
  ["inet", "::1", "::1/32"],
  ["inet", "::1/32", "::1/128"],
  ["inet", "10.0.0.1/3", "10.0.0.1/32"],
  ["plain", "t", "true"],
  ["plain", "10.0.0.1", "10.0.0.1/32"],
  ["plain", "", " "],
  ["plain", "a", "b"],
  ["plain", "abcd", "abdc"],
  ["plain", "\0\0\0\0", "\0\0\0"],
  ["plain", "1234", "12345"],
];

for (const around of ["", "/32\0x"]) {
  Deno.test(`RangeHash.value() takes both spellings for the same, "${around}" around`, () => {
    for (const [kind, a, b] of SAME) {
      equal(hashOf(kind, a, 0, 1, around), hashOf(kind, b, 0, 1, around), `${kind} ${a} ${b}`);
    }
  });

  Deno.test(`RangeHash.value() tells other values apart, "${around}" around`, () => {
    for (const [kind, a, b] of DIFFERENT) {
      ok(hashOf(kind, a, 0, 1, around) !== hashOf(kind, b, 0, 1, around), `${kind} ${a} ${b}`);
    }
  });
}

Deno.test("RangeHash tells columns, seeds, NULL and the empty text apart", () => {
  ok(hashOf("plain", "a", 0) !== hashOf("plain", "a", 1));
  ok(hashOf("plain", "a", 0, 1) !== hashOf("plain", "a", 0, 2));
  ok(hashOf("plain", "", 0) !== hashOfNull(0));
  ok(hashOfNull(0) !== hashOfNull(1));
});

Deno.test("RangeHash hashes equal texts alike and different ones not", () => {
  check(fc.property(postgresText, postgresText, fc.nat(9), fc.nat(), (a, b, salt, seed) => {
    equal(hashOf("plain", a, salt, seed) === hashOf("plain", b, salt, seed), a === b);
    equal(hashOf("plain", a, salt, seed), hashOf("plain", a, salt, seed, "around"));
  }));
});

Deno.test("RangeHash has no collisions among a million neighbours, in all and hardly any in a lane", () => {
  const hash = new RangeHash(12345);
  const count = 1_000_000;
  const seen = new Set<bigint>(), lanes = new Set<number>();
  for (let i = 0; i < count; i++) {
    const bytes = encoder.encode(`"public"."items"/"${i}"`);
    hash.hash(bytes, 0, bytes.length, -2);
    seen.add(BigInt.asUintN(32, BigInt(hash.lo)) << 32n | BigInt.asUintN(32, BigInt(hash.hi)));
    lanes.add(hash.lo);
  }
  equal(seen.size, count);
  // Of 10^6 values of 32 bits 116 are expected to meet another.
  ok(count - lanes.size < 250, `${count - lanes.size} meet`);
});
