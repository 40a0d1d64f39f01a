import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
import fc from "fast-check";
import { forEachItem, itemsBeyond } from "../../../shapes/log/items.ts";
import { check, postgresText } from "../../support/arbitrary.ts";

const encoder = new TextEncoder(), decoder = new TextDecoder();

/** An item like those of the log, with a text that tries to look like one. */
function itemText(text: string, op: number, isLast: boolean): string {
  const headers = { operation: "insert", lsn: "12", op_position: op, ...isLast && { last: true } };
  return JSON.stringify({ key: text, value: { v: text, "}{": null }, headers });
}

const texts = fc.array(
  fc.oneof(postgresText, fc.constantFrom('"op_position":99}}', "},{", '\\"}}', '{"key":"')),
  { maxLength: 8 },
);

Deno.test("forEachItem() finds where each item begins and ends", () => {
  check(
    fc.property(texts, (texts) => {
      const items = texts.map((text, i) => itemText(text, i * 2, i === texts.length - 1));
      const bytes = encoder.encode(items.map((item) => `,${item}`).join(""));
      const found: string[] = [];
      forEachItem(bytes, (start, end) => found.push(decoder.decode(bytes.subarray(start, end))));
      deepEqual(found, items);
    }),
    300,
  );
});

Deno.test("itemsBeyond() leaves what lies beyond the operation, commas and all", () => {
  check(
    fc.property(texts, fc.integer({ min: -1, max: 20 }), (texts, op) => {
      const items = texts.map((text, i) => itemText(text, i * 2, i === texts.length - 1));
      const bytes = encoder.encode(items.map((item) => `,${item}`).join(""));
      const beyond = items.filter((_, i) => i * 2 > op).map((item) => `,${item}`).join("");
      equal(decoder.decode(itemsBeyond(bytes, op)), beyond);
    }),
    300,
  );
});

Deno.test("itemsBeyond() reads positions of any size and odd ones", () => {
  const items = [0, 1, 1_000_000, 9_007_199_254_740_990].map((op) => `,${itemText("", op, true)}`);
  const bytes = encoder.encode(items.join(""));
  equal(decoder.decode(itemsBeyond(bytes, 0)), items.slice(1).join(""));
  equal(decoder.decode(itemsBeyond(bytes, 1)), items.slice(2).join(""));
  equal(decoder.decode(itemsBeyond(bytes, 1_000_000)), items[3]);
  equal(itemsBeyond(bytes, 9_007_199_254_740_990).length, 0);
  equal(itemsBeyond(bytes, Infinity).length, 0);
});
