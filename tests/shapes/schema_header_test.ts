import { deepStrictEqual as deepEqual, match, strictEqual as equal } from "node:assert/strict";
import fc from "fast-check";
import { formatSchemaHeader } from "../../shapes/schema_header.ts";
import { check, identifierText } from "../support/arbitrary.ts";
import { column, type ColumnSketch } from "../support/shape_fixture.ts";

function entryOf(sketch: Omit<ColumnSketch, "name">): unknown {
  return JSON.parse(formatSchemaHeader([column({ name: "c", ...sketch })])).c;
}

const INTERVAL_ALL = 0x7fff << 16, NO_PRECISION = 0xffff;
const bits = (...units: number[]) => units.reduce((range, unit) => range | 1 << unit, 0) << 16;

/** Type, modifier, what clients are told of it (WIRE.md 3.5; typmods as Postgres gives them). */
const MODIFIERS: readonly (readonly [type: string, mod: number, entry: unknown])[] = [
  ["int4", -1, {}],
  ["varchar", -1, {}],
  ["varchar", 9, { max_length: 5 }],
  ["text", -1, {}],
  ["bpchar", 5, { length: 1 }],
  ["bpchar", -1, {}],
  ["bit", 4, { length: 4 }],
  ["varbit", 7, { length: 7 }],
  ["varbit", -1, { length: -1 }],
  ["numeric", -1, {}],
  ["numeric", (5 << 16 | 2) + 4, { precision: 5, scale: 2 }],
  ["numeric", (5 << 16) + 4, { precision: 5, scale: 0 }],
  ["numeric", 329730, { precision: 5, scale: 2046 }],
  ["time", 3, { precision: 3 }],
  ["timetz", 2, { precision: 2 }],
  ["timestamp", 6, { precision: 6 }],
  ["timestamptz", 3, { precision: 3 }],
  ["timestamp", 0, { type_mod: 0 }],
  ["timestamptz", -1, {}],
  ["interval", -1, {}],
  ["interval", INTERVAL_ALL | 3, { precision: 3 }],
  ["interval", bits(2) | NO_PRECISION, { fields: "YEAR" }],
  ["interval", bits(1, 2) | NO_PRECISION, { fields: "YEAR TO MONTH" }],
  ["interval", bits(3, 10, 11, 12) | 2, { fields: "DAY TO SECOND", precision: 2 }],
  ["interval", bits(12) | NO_PRECISION, { fields: "SECOND" }],
  ["vector", 3, { type_mod: 3 }],
];

Deno.test("formatSchemaHeader() spells every type's modifiers as the contract has them", () => {
  for (const [typeName, typeMod, entry] of MODIFIERS) {
    const expected = { type: typeName, ...entry as object };
    deepEqual(entryOf({ typeName, typeMod }), expected, `${typeName} ${typeMod}`);
  }
});

Deno.test("formatSchemaHeader() says what is so, and nothing of what is not", () => {
  deepEqual(entryOf({ typeName: "int4", keyIndex: 0 }), {
    type: "int4",
    pk_index: 0,
    not_null: true,
  });
  deepEqual(entryOf({ typeName: "int4", isNotNull: true }), { type: "int4", not_null: true });
  deepEqual(entryOf({ typeName: "varchar", dims: 1, typeMod: 9 }), {
    type: "varchar",
    dims: 1,
    max_length: 5,
  });
});

Deno.test("formatSchemaHeader() is ASCII and reads back to any column name", () => {
  check(fc.property(fc.uniqueArray(identifierText, { minLength: 1, maxLength: 5 }), (names) => {
    const header = formatSchemaHeader(names.map((name, i) => column({ name, typeMod: i + 5 })));
    match(header, /^[\x20-\x7e]*$/);
    const entries = new Map(Object.entries(JSON.parse(header)));
    equal(entries.size, names.length);
    names.forEach((name, i) => deepEqual(entries.get(name), { type: "text", max_length: i + 1 }));
  }));
});

Deno.test("formatSchemaHeader() keeps a column that is called like a property of every object", () => {
  const header = formatSchemaHeader([column({ name: "__proto__" }), column({ name: "toString" })]);
  equal(header, '{"__proto__":{"type":"text"},"toString":{"type":"text"}}');
});
