import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { arrayOf, readElements } from "../../../shapes/where/types/array.ts";
import { BOOL } from "../../../shapes/where/types/boolean.ts";
import {
  isPseudoType,
  multirangeOf,
  typeByName,
  typeOfColumn,
} from "../../../shapes/where/types/catalog.ts";
import { NUMERIC } from "../../../shapes/where/types/numeric.ts";
import { dateOf, daysOf, microsOf, splitMicros } from "../../../shapes/where/types/calendar.ts";
import { compareNumeric } from "../../../shapes/where/types/numeric.ts";
import { compareBytewise, TEXT, truncateName } from "../../../shapes/where/types/text.ts";
import type { PgType } from "../../../shapes/where/types/type.ts";
import { column } from "../../support/shape_fixture.ts";

function type(name: string): PgType {
  const found = typeByName(name);
  assert(found, name);
  return found;
}

/** What the type makes of an input text; undefined if it refuses it. */
function read(name: string, text: string): string | undefined {
  const value = type(name).parse(text);
  return value === undefined ? undefined : type(name).format(value);
}

function checkInputs(name: string, cases: Readonly<Record<string, string | undefined>>) {
  for (const [text, expected] of Object.entries(cases)) {
    assert.equal(read(name, text), expected, `${name}: "${text}"`);
  }
}

Deno.test("numbers are read to their last digit, or refused", () => {
  checkInputs("int2", { " -7\n": "-7", "32768": undefined, "-32768": "-32768", "": undefined });
  checkInputs("int8", {
    "9223372036854775807": "9223372036854775807",
    "9223372036854775808": undefined,
    "+0099": "99",
    "1.0": undefined,
    "1 2": undefined,
  });
  checkInputs("numeric", {
    "1.50": "1.50",
    "-0.0": "0.0",
    ".5": "0.5",
    "5.": "5",
    "1.5e3": "1500",
    "1e-3": "0.001",
    "12.345E1": "123.45",
    "0012": "12",
    "-inf": "-Infinity",
    nan: "NaN",
    "+nan": undefined,
    "1e300000": undefined,
    "1e-20000": undefined,
    ".": undefined,
    "1e": undefined,
  });
  checkInputs("float8", {
    "1e308": "1e+308",
    "1e309": undefined,
    "1e-400": undefined,
    "0e-400": "0",
    "-0": "-0",
    "Infinity": "Infinity",
    "0x10": undefined,
  });
  checkInputs("float4", { "0.5": "0.5", "4e38": undefined, "1e-46": undefined });
});

Deno.test("float4 rounds once, also between two of its values", () => {
  const middle = "1.000000059604644775390625", above = `${middle}0000000000000001`;
  assert.equal(type("float4").parse(middle), 1);
  assert.equal(type("float4").parse(above), 1 + 2 ** -23);
  assert.equal(type("float4").parse(`-${above}`), -1 - 2 ** -23);
});

Deno.test("compareNumeric() compares exactly, with NaN above infinity", () => {
  const ascending = [
    "-Infinity",
    "-100000000000000000000000.1",
    "-1.5",
    "-0.001",
    "0",
    "0.1000000000000000000001",
    "1",
    "1.01",
    "9",
    "10",
    "Infinity",
    "NaN",
  ];
  for (const [i, a] of ascending.entries()) {
    for (const [j, b] of ascending.entries()) {
      assert.equal(Math.sign(compareNumeric(a, b)), Math.sign(i - j), `${a} ${b}`);
    }
  }
  for (const [a, b] of [["1", "1.00"], ["-2.50", "-2.5"], ["0", "0.000"]]) {
    assert.equal(compareNumeric(a, b), 0);
    assert.equal(type("numeric").key(a), type("numeric").key(b));
  }
  assert.notEqual(type("numeric").key("100"), type("numeric").key("1"));
});

Deno.test("booleans are read from every word that Postgres knows", () => {
  for (const text of ["t", "tr", "TRUE", " yes", "y", "on", "1"]) {
    assert.equal(read("bool", text), "true", text);
  }
  for (const text of ["f", "false", "n", "No ", "of", "off", "0"]) {
    assert.equal(read("bool", text), "false", text);
  }
  for (const text of ["", "o", "maybe", "truee", "2"]) assert.equal(read("bool", text), undefined);
  assert.throws(() => type("bool").decode("yes"), RangeError);
});

Deno.test("uuids and bytes are read in every notation", () => {
  const uuid = "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11";
  checkInputs("uuid", {
    [uuid.toUpperCase()]: uuid,
    [`{${uuid}}`]: uuid,
    [uuid.replaceAll("-", "")]: uuid,
    [`${uuid}-`]: undefined,
    [` ${uuid}`]: undefined,
    "a0eebc99": undefined,
  });
  checkInputs("bytea", {
    "\\xDEad": "\\xdead",
    "\\xd": undefined,
    "a\\\\b\\001": "\\x615c6201",
    "\\9": undefined,
    "": "\\x",
  });
});

Deno.test("moments are read in ISO notation and printed in UTC", () => {
  checkInputs("date", {
    "2024-2-9": "2024-02-09",
    "20240209": "2024-02-09",
    "0044-03-15 BC": "0044-03-15 BC",
    "2024-02-09 10:00+05": "2024-02-09",
    "2023-02-29": undefined,
    "0000-01-01": undefined,
    "4714-11-23 BC": undefined,
    "5874898-01-01": undefined,
    "09/02/2024": undefined,
    today: undefined,
    INFINITY: "infinity",
  });
  checkInputs("time", { "1:05": "01:05:00", "24:00:01": undefined, "12:60": undefined });
  checkInputs("timestamp", {
    "2024-02-29T12:00:00.500": "2024-02-29 12:00:00.5",
    "2024-02-29 12:00+05": "2024-02-29 12:00:00",
    "2024-12-31 23:59:60": "2025-01-01 00:00:00",
    "294277-01-01": undefined,
  });
  checkInputs("timestamptz", {
    "2024-01-01 00:30+01": "2023-12-31 23:30:00+00",
    "2024-01-01": "2024-01-01 00:00:00+00",
    "0001-01-01 00:30+01": "0001-12-31 23:30:00+00 BC",
    "2024-01-01 00:00+16": undefined,
    "2024-01-01 00:00 Europe/Berlin": undefined,
  });
});

Deno.test("the calendar counts every day there is, forth and back", () => {
  for (let days = -2_440_588; days < 3_000_000; days += 97) {
    assert.equal(daysOf(dateOf(days)), days);
    const { days: again, timeMicros } = splitMicros(microsOf(days, 86_399_999_999));
    assert.deepEqual([again, timeMicros], [days, 86_399_999_999]);
  }
  assert.deepEqual(dateOf(19_782), { year: 2024, month: 2, day: 29 });
});

Deno.test("compareBytewise() orders as the UTF-8 bytes do", () => {
  const texts = ["", "a", "a\u0000", "b", "é", "\uD7FF", "\uE000", "\uFFFD", "😀", "😀a", "𐀀"];
  for (const a of texts) {
    for (const b of texts) {
      const bytes = Math.sign(Buffer.compare(Buffer.from(a), Buffer.from(b)));
      assert.equal(Math.sign(compareBytewise(a, b)), bytes, JSON.stringify([a, b]));
    }
  }
});

Deno.test("truncateName() cuts at 63 bytes between characters", () => {
  assert.equal(truncateName("a".repeat(70)), "a".repeat(63));
  assert.equal(truncateName("é".repeat(40)), "é".repeat(31));
  assert.equal(truncateName("😀".repeat(15) + "abc"), "😀".repeat(15) + "abc");
});

Deno.test("typeOfColumn() sees through domains and knows its own types from built-in ones", () => {
  const nameOf = (sketch: Record<string, unknown>) =>
    typeOfColumn(column({ name: "x", ...sketch }))?.name;
  assert.equal(nameOf({ typeName: "int4" }), "int4");
  assert.equal(nameOf({ typeName: "int4", dims: 1 }), "int4[]");
  assert.equal(nameOf({ typeName: "mood", typeKind: "e", typeSchema: "public" }), "enum mood");
  const domain = { typeName: "d", typeKind: "d", typeSchema: "public" };
  assert.equal(nameOf({ ...domain, baseTypeName: "varchar" }), "varchar");
  assert.equal(nameOf({ ...domain, baseTypeName: "jsonb" }), "jsonb");
  assert.equal(nameOf({ ...domain, baseTypeName: "pair" }), undefined);
  assert.equal(nameOf({ typeName: "pair", typeKind: "c", typeSchema: "public" }), "public.pair");
  assert.equal(nameOf({ ...domain, dims: 1, baseTypeName: "int4" }), "public.d[]");
  assert.equal(nameOf({ typeName: "citext", typeSchema: "ext" }), "citext");
  assert.equal(nameOf({ typeName: "text", typeSchema: "my" }), "my.text");
});

Deno.test("typeByName() knows every built-in type, with its arrays, ranges and pseudo-types", () => {
  const range = typeByName("int4range"), arrays = typeByName("_int4range");
  assert.equal(range?.subtype?.name, "int4");
  assert.equal(range && multirangeOf(range)?.name, "int4multirange");
  assert.equal(typeByName("int4multirange")?.subtype, range);
  assert.equal(arrays?.element, range);
  assert.equal(arrays?.sqlName, "int4range[]");
  assert.equal(typeByName("bit")?.sqlName, '"bit"');
  assert(isPseudoType(typeByName("anyarray") ?? typeByName("int4") ?? BOOL));
  assert.equal(typeByName("inet")?.isPreferred, true);
  for (const name of ["nope", "_nope", "constructor", "__proto__", "cstring", "internal"]) {
    assert.equal(typeByName(name), undefined, name);
  }
});

Deno.test("an array constant is kept as Postgres prints it, if it has one dimension", () => {
  const texts = arrayOf(TEXT), ints = typeByName("_int4");
  assert.equal(ints?.parse(" { 1 , +2,null } "), "{1,2,NULL}");
  assert.equal(ints?.parse("{1,x}"), undefined);
  assert.equal(ints?.parse("{{1}}"), undefined);
  const printed = '{a,"a b","",NULL,"null","\\\\","\\"","{","b,c",\u00a0}';
  assert.equal(texts.parse(printed), printed);
  assert.deepEqual(readElements(TEXT, printed)?.slice(4, 7), ["null", "\\", '"']);
  assert.equal(texts, arrayOf(TEXT));
  assert(!arrayOf(NUMERIC).isTextUnique && texts.isTextUnique && texts.isCollatable);
});

Deno.test("moments are decoded from bytes as from their text, wherever they lie", () => {
  const encoder = new TextEncoder();
  const texts = [
    "2024-02-29 12:00:00",
    "1969-12-31 23:59:59.999999",
    "2024-01-01 00:00:00.5",
    "0044-03-15 12:30:00 BC",
    "294276-12-31 23:59:59.999999",
    "infinity",
    "-infinity",
  ];
  for (const plain of texts) {
    const zoned = plain.replace(/(\d)( BC)?$/, "$1+00$2");
    for (const [name, text] of [["timestamp", plain], ["timestamptz", zoned]]) {
      const type = typeByName(name), bytes = encoder.encode(`xx${text}yy`);
      assert(type?.decodeBytes);
      assert.equal(type.decodeBytes(bytes, 2, text.length), type.decode(text), text);
    }
  }
  const type = typeByName("timestamptz");
  const other = encoder.encode("2024-02-29 12:00:00+02");
  assert.throws(() => type?.decodeBytes?.(other, 0, other.length), RangeError);
});
