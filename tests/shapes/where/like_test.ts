import assert from "node:assert/strict";
import fc from "fast-check";
import { check } from "../../support/arbitrary.ts";
import { compileCaselessPattern, compilePattern, lowerCase } from "../../../shapes/where/like.ts";
import { PATTERNS } from "../../../shapes/where/operators/pattern.ts";

const encoder = new TextEncoder();

function like(text: string, pattern: string): boolean {
  const matches = compilePattern(pattern);
  assert(matches);
  // Neighbours in the row must not be looked at.
  const bytes = encoder.encode(`%${text}%`);
  return matches(bytes, 1, bytes.length - 1);
}

function ilike(text: string, pattern: string): boolean {
  const matches = compileCaselessPattern(pattern);
  assert(matches);
  const bytes = encoder.encode(text);
  return matches(bytes, 0, bytes.length);
}

Deno.test("compilePattern() knows %, _ and the backslash", () => {
  const yes: [string, string][] = [
    ["", ""],
    ["", "%"],
    ["abc", "a%"],
    ["abc", "%c"],
    ["abc", "_b_"],
    ["abc", "%_%_%"],
    ["aé", "a_"],
    ["😀", "_"],
    ["50%", "%\\%"],
    ["a\nb", "a_b"],
    ["back\\slash", "%\\\\s%"],
    ["abab", "%ab"],
    ["aab", "%a_"],
  ];
  for (const [text, pattern] of yes) assert(like(text, pattern), `${text} like ${pattern}`);
  const no: [string, string][] = [
    ["a", ""],
    ["", "_"],
    ["abc", "b%"],
    ["abc", "%b"],
    ["ab", "ab_"],
    ["ab", "%ab%b"],
    ["é", "__"],
    ["500", "%\\%"],
    ["A", "a"],
  ];
  for (const [text, pattern] of no) assert(!like(text, pattern), `${text} like ${pattern}`);
});

Deno.test("compilePattern() refuses an escape without a character", () => {
  assert.equal(compilePattern("abc\\"), undefined);
  assert.notEqual(compilePattern("abc\\\\"), undefined);
});

Deno.test("compilePattern() agrees with a regular expression", () => {
  const piece = fc.constantFrom("a", "b", "é", "😀", "%", "_", "\\%", "\\_", "\\a");
  const text = fc.string({ unit: fc.constantFrom("a", "b", "é", "😀", "%", "_"), maxLength: 8 });
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 6 }), text, (pieces, text) => {
      const source = pieces.map((piece) =>
        piece === "%"
          ? ".*"
          : piece === "_"
          ? "."
          : piece[piece.length - 1] === piece
          ? piece
          : piece.replace(/^\\/, "")
      ).join("");
      const expected = new RegExp(`^${source}$`, "su").test(text);
      assert.equal(like(text, pieces.join("")), expected);
    }),
    { numRuns: 2000 },
  );
});

Deno.test("compilePattern() takes time in proportion to the text for each %", () => {
  const started = performance.now();
  assert(!like("a".repeat(20_000), `${"%a".repeat(20)}%b`));
  assert(performance.now() - started < 2_000);
});

Deno.test("compileCaselessPattern() folds ASCII in place and other letters one by one", () => {
  assert(ilike("APPLE pie", "app%"));
  assert(ilike("naïve É", "%é"));
  assert(ilike("K", "k"), "the Kelvin sign");
  assert(!ilike("ß", "ss"));
  assert(!ilike("a", "b"));
  assert.equal(lowerCase("ΑΣ"), "ας".replace("ς", "σ"));
  assert.equal(lowerCase("İ"), "i");
});

Deno.test("LIKE beside an expression matches texts as it does those of a column", () => {
  const piece = fc.constantFrom("a", "B", "é", "😀", "%", "_", "\\%");
  const pattern = fc.array(piece, { maxLength: 5 }).map((pieces) => pieces.join(""));
  const unit = fc.constantFrom("a", "b", "A", "é", "😀", "%");
  const text = fc.oneof(fc.string({ unit, maxLength: 8 }), fc.constant("aB".repeat(600)));
  check(fc.property(text, pattern, (text, pattern) => {
    for (const operator of PATTERNS) {
      const isCaseless = operator.name.endsWith("*"), isNot = operator.name.startsWith("!");
      const expected = (isCaseless ? ilike(text, pattern) : like(text, pattern)) !== isNot;
      assert.equal(operator.apply(text, pattern), expected, operator.name);
      assert.equal(operator.bindRight?.(pattern).apply(text), expected, operator.name);
    }
  }));
});

Deno.test("LIKE with a pattern that ends within an escape is an error, bound or not", () => {
  for (const operator of PATTERNS) {
    assert.equal(operator.apply("a", "a\\"), undefined);
    assert.equal(operator.bindRight?.("a\\").apply("a"), undefined);
  }
});
