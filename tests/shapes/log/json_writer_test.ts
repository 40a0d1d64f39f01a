import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
import fc from "fast-check";
import { JsonWriter } from "../../../shapes/log/json_writer.ts";
import { check, postgresText } from "../../support/arbitrary.ts";

const encoder = new TextEncoder(), decoder = new TextDecoder("utf-8", { ignoreBOM: true });

function escape(text: string): string {
  const writer = new JsonWriter();
  const source = encoder.encode(`<<${text}>>`);
  writer.escaped(source, 2, source.length - 2);
  return decoder.decode(writer.take());
}

Deno.test("JsonWriter.escaped() writes what JSON.parse reads back", () => {
  check(
    fc.property(postgresText, (text) => {
      equal(JSON.parse(`"${escape(text)}"`), text);
    }),
    500,
  );
});

Deno.test("JsonWriter.escaped() spells every character as JSON.stringify does", () => {
  for (let code = 1; code < 0x100; code++) {
    const text = `a${String.fromCharCode(code)}b`;
    equal(`"${escape(text)}"`, JSON.stringify(text));
  }
});

Deno.test("JsonWriter.escaped() grows when every byte needs six", () => {
  const text = "\x01".repeat(300_000);
  equal(JSON.parse(`"${escape(text)}"`), text);
});

Deno.test("JsonWriter.integer() writes whole numbers up to 2^53", () => {
  const numbers = [0, 1, 9, 10, 11, 99, 100, 101, 12345, 999999, 1000000, 2 ** 31, 2 ** 32 - 1];
  numbers.push(999_999_999_999_999, 1e15, Number.MAX_SAFE_INTEGER);
  const writer = new JsonWriter();
  for (const number of numbers) {
    writer.integer(number);
    equal(decoder.decode(writer.take()), `${number}`);
  }
  check(fc.property(fc.maxSafeNat(), (number) => {
    writer.integer(number);
    equal(decoder.decode(writer.take()), `${number}`);
  }));
});

Deno.test("JsonWriter.take() gives bytes that later writing leaves alone", () => {
  const writer = new JsonWriter();
  const taken: { bytes: Uint8Array; text: string }[] = [];
  for (let i = 0; i < 400; i++) {
    const text = `${i}:`.padEnd(1 + i * 37 % 5000, "x");
    writer.text(text);
    taken.push({ bytes: writer.take(), text });
  }
  for (const { bytes, text } of taken) equal(decoder.decode(bytes), text);
});

Deno.test("JsonWriter keeps what is half written when its slab is full", () => {
  const writer = new JsonWriter();
  writer.raw(encoder.encode("a".repeat(262_000)));
  writer.take();
  writer.text("begin ");
  writer.copy(encoder.encode("--" + "b".repeat(1000) + "--"), 2, 1002);
  writer.byte(0x21);
  equal(writer.length, 1007);
  equal(decoder.decode(writer.take()), `begin ${"b".repeat(1000)}!`);
  equal(writer.length, 0);
});

Deno.test("JsonWriter.copy() copies short and long parts alike", () => {
  const writer = new JsonWriter();
  const source = crypto.getRandomValues(new Uint8Array(200));
  for (const length of [0, 1, 63, 64, 65, 150]) {
    writer.copy(source, 20, 20 + length);
    deepEqual(writer.take(), source.slice(20, 20 + length));
  }
});

Deno.test("JsonWriter.truncate() goes back within the part that is being written", () => {
  const writer = new JsonWriter();
  writer.text("kept");
  const { length } = writer;
  writer.text("dropped");
  writer.truncate(length);
  writer.text("!");
  equal(decoder.decode(writer.take()), "kept!");
});
