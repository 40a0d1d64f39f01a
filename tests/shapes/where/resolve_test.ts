import assert from "node:assert/strict";
import { parseArrayLiteral } from "../../../shapes/where/array_literal.ts";
import { combineCollations, satisfies } from "../../../shapes/where/collation.ts";
import { commonType } from "../../../shapes/where/operators/common_type.ts";
import { resolveOperator } from "../../../shapes/where/operators/resolve.ts";
import { typeByName } from "../../../shapes/where/types/catalog.ts";

/** `?` stands for an unknown literal. */
function resolve(left: string, name: string, right: string): string | undefined {
  const resolved = resolveOperator(name, [left, right].map((type) => typeByName(type)));
  return resolved && resolved.types.map((type) => type.name).join(` ${name} `);
}

Deno.test("resolveOperator() chooses the overload that Postgres chooses", () => {
  const cases: [string, string, string, string | undefined][] = [
    ["int4", "=", "?", "int4 = int4"],
    ["int4", "=", "int8", "int4 = int8"],
    ["int4", "<", "numeric", "numeric < numeric"],
    ["numeric", "=", "float8", "float8 = float8"],
    ["float4", "=", "numeric", "float4 = float8"],
    ["float4", "=", "?", "float4 = float4"],
    ["varchar", "=", "?", "text = text"],
    ["varchar", "=", "varchar", "text = text"],
    ["bpchar", "=", "?", "bpchar = bpchar"],
    ["bpchar", "=", "text", "text = text"],
    ["bpchar", "=", "varchar", "bpchar = bpchar"],
    ["name", "=", "?", "name = name"],
    ["?", "=", "?", "text = text"],
    ["?", "~~", "?", "text ~~ text"],
    ["bpchar", "~~", "?", "bpchar ~~ text"],
    ["date", "=", "timestamptz", "date = timestamptz"],
    ["int4", "=", "text", undefined],
    ["bool", "=", "int4", undefined],
    ["int4", "~~", "?", undefined],
    ["_int4", "@>", "?", "int4[] @> int4[]"],
    ["_int4", "<@", "?", "int4[] <@ int4[]"],
    ["_int4", "||", "int8", "int8[] || int8"],
    ["_int4", "||", "_int8", "int8[] || int8[]"],
    ["_int4", "=", "_int8", undefined],
    ["int4range", "@>", "int4", "int4range @> int4"],
    ["int4range", "@>", "int8", undefined],
    ["int4range", "&&", "int4multirange", "int4range && int4multirange"],
    ["jsonb", "->", "?", "jsonb -> text"],
    ["jsonb", "@>", "?", "jsonb @> jsonb"],
    ["date", "+", "interval", "date + interval"],
    ["date", "-", "?", "date - date"],
    ["interval", "*", "numeric", "interval * float8"],
    ["text", "||", "int4", "text || int4"],
    ["?", "||", "?", "text || text"],
    ["cidr", "=", "?", "inet = inet"],
    ["uuid", "<", "text", undefined],
  ];
  for (const [left, name, right, expected] of cases) {
    assert.equal(resolve(left, name, right), expected, `${left} ${name} ${right}`);
  }
});

Deno.test("commonType() is the widest, or says which two conflict", () => {
  const names = (...list: string[]) => {
    const common = commonType(list.map(typeByName));
    return common.kind === "type" ? common.type.name : common.types.map((type) => type.name);
  };
  assert.equal(names("?", "?"), "text");
  assert.equal(names("int4", "?", "numeric"), "numeric");
  assert.equal(names("float8", "numeric", "int2"), "float8");
  assert.deepEqual(names("int4", "text"), ["int4", "text"]);
});

Deno.test("parseArrayLiteral() reads one dimension, with quotes, escapes and NULL", () => {
  const cases: [string, (string | null)[] | undefined][] = [
    ["{}", []],
    [" { } ", []],
    ["{1, 2 ,3}", ["1", "2", "3"]],
    ['{a b,"c,d",NULL,null,"NULL"}', ["a b", "c,d", null, null, "NULL"]],
    ['{"\\"\\\\",a\\,b}', ['"\\', "a,b"]],
    ["{a\\ }", ["a "]],
    ["{1,}", undefined],
    ["{,1}", undefined],
    ["{1", undefined],
    ["1", undefined],
    ["{{1}}", undefined],
    ['{"a}', undefined],
    ['{"a"b}', undefined],
    ["[1:1]={1}", undefined],
  ];
  for (const [text, expected] of cases) assert.deepEqual(parseArrayLiteral(text), expected, text);
});

Deno.test("collations give way to a column's own, and only known ones are used", () => {
  assert.equal(combineCollations(null, "C"), "C");
  assert.equal(combineCollations("C", null), "C");
  assert.equal(combineCollations("C", "de-x-icu"), undefined);
  const bytewise = { isTextOrderBytewise: true }, other = { isTextOrderBytewise: false };
  assert(satisfies(null, "equality", other));
  assert(satisfies("en_US.utf8", "equality", other));
  assert(!satisfies("ignore_accents", "equality", bytewise));
  assert(satisfies(null, "order", bytewise));
  assert(!satisfies(null, "order", other));
  assert(!satisfies("en_US.utf8", "order", bytewise));
  assert(satisfies("ucs_basic", "order", other));
  assert(!satisfies("tr_TR.utf8", "case", bytewise));
  assert(!satisfies(undefined, "equality", bytewise));
});
