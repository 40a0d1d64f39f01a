import assert from "node:assert/strict";
import fc from "fast-check";
import { startOfPattern } from "../../../shapes/routing/plan/pattern_start.ts";
import { compilePattern } from "../../../shapes/where/like.ts";
import { check } from "../../support/arbitrary.ts";

Deno.test("startOfPattern() stops at the first wildcard and takes escapes off", () => {
  const table: readonly [pattern: string, prefix: string, rest: string][] = [
    ["", "", "nothing"],
    ["abc", "abc", "nothing"],
    ["abc%", "abc", "anything"],
    ["abc%%", "abc", "anything"],
    ["abc_", "abc", "other"],
    ["abc%d", "abc", "other"],
    ["%", "", "anything"],
    ["%a", "", "other"],
    [String.raw`a\%b%`, "a%b", "anything"],
    [String.raw`a\\%`, String.raw`a\ `.trim(), "anything"],
    [String.raw`\a\_`, "a_", "nothing"],
    ["é🚀%", "é🚀", "anything"],
    ["a\nb%", "a\nb", "anything"],
  ];
  for (const [pattern, prefix, rest] of table) {
    assert.deepEqual(startOfPattern(pattern), { prefix, rest }, pattern);
  }
});

Deno.test("a text that matches a pattern begins as it does, and any other one does not match", () => {
  const encoder = new TextEncoder();
  const unit = fc.constantFrom("a", "b", "é", "%", "_", "\\");
  check(
    fc.property(fc.string({ unit, maxLength: 5 }), fc.string({ unit, maxLength: 5 }), (p, text) => {
      const matches = compilePattern(p), bytes = encoder.encode(text);
      fc.pre(matches !== undefined);
      const isMatch = matches(bytes, 0, bytes.length), { prefix, rest } = startOfPattern(p);
      if (isMatch) assert(text.startsWith(prefix));
      if (rest === "nothing") assert.equal(isMatch, text === prefix);
      if (rest === "anything") assert.equal(isMatch, text.startsWith(prefix));
    }),
    2_000,
  );
});
