import { strictEqual as equal } from "node:assert/strict";
import fc from "fast-check";
import { NULL_LENGTH, Row, rowOfTexts, UNCHANGED_LENGTH } from "../../shapes/row.ts";
import { cell, check } from "../support/arbitrary.ts";

Deno.test("Row.text() gives back every text, short and long, ASCII and not", () => {
  check(fc.property(fc.array(cell, { maxLength: 6 }), (texts) => {
    const row = rowOfTexts(texts);
    texts.forEach((text, i) => equal(row.text(i), text));
  }));
});

Deno.test("Row.text() reads in place, whatever lies around it", () => {
  const bytes = new TextEncoder().encode("xx🚀yyabc");
  const row = new Row(bytes, [2, 8, 0], [4, 3, 2]);
  equal(row.text(0), "🚀");
  equal(row.text(1), "abc");
  equal(row.text(2), "xx");
});

Deno.test("Row.isNull() tells NULL from an empty text and from an unchanged value", () => {
  const row = new Row(new Uint8Array(0), [0, 0, 0], [NULL_LENGTH, UNCHANGED_LENGTH, 0]);
  equal(row.isNull(0), true);
  equal(row.isNull(1), false);
  equal(row.isNull(2), false);
  equal(row.text(0), null);
  equal(row.text(1), null);
  equal(row.text(2), "");
});

Deno.test("Row.text() keeps a byte order mark: it is a character like any other", () => {
  const text = "\ufeffname";
  equal(rowOfTexts([text]).text(0), text);
  equal(rowOfTexts([text.repeat(10)]).text(0), text.repeat(10));
});
