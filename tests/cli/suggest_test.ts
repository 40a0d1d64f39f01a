import assert from "node:assert/strict";
import { editDistance, formatSuggestion, suggest } from "../../cli/suggest.ts";

Deno.test("editDistance() counts edits, a swap as one", () => {
  const cases: readonly (readonly [string, string, number])[] = [
    ["", "", 0],
    ["", "abc", 3],
    ["serve", "serve", 0],
    ["serv", "serve", 1],
    ["sevre", "serve", 1],
    ["kitten", "sitting", 3],
  ];
  for (const [a, b, distance] of cases) {
    assert.equal(editDistance(a, b), distance);
    assert.equal(editDistance(b, a), distance);
  }
});

Deno.test("suggest() finds the nearest word, if it is near", () => {
  const words = ["serve", "demo", "help", "version"];
  assert.equal(suggest("serev", words), "serve");
  assert.equal(suggest("HELP", words), "help");
  assert.equal(suggest("frobnicate", words), undefined);
  assert.equal(suggest("x", []), undefined);
});

Deno.test("formatSuggestion() asks, or says nothing", () => {
  assert.equal(formatSuggestion("serve"), ', did you mean "serve"?');
  assert.equal(formatSuggestion(undefined), "");
});
