import assert from "node:assert/strict";
import {
  builtinCast,
  functionsNamed,
  operatorsNamed,
  withArity,
} from "../../../shapes/where/catalog/signature.ts";
import { canCoerce, explicitConversion } from "../../../shapes/where/coercion.ts";
import { findCast } from "../../../shapes/where/casts.ts";
import { nativeOperator, nativeOperators } from "../../../shapes/where/operators/catalog.ts";
import { nativeFunctions } from "../../../shapes/where/operators/functions.ts";
import { bindGenerics } from "../../../shapes/where/operators/generics.ts";
import { isKnownFunction, resolveFunction } from "../../../shapes/where/operators/resolve.ts";
import { typeByName } from "../../../shapes/where/types/catalog.ts";
import type { PgType } from "../../../shapes/where/types/type.ts";

function type(name: string): PgType {
  const found = typeByName(name);
  assert(found, name);
  return found;
}

/** `?` stands for an unknown literal. */
function typesOf(...names: readonly string[]): (PgType | undefined)[] {
  return names.map((name) => name === "?" ? undefined : type(name));
}

Deno.test("what is done here is in Postgres' catalog under the same types", () => {
  for (const { name, left, right, result } of nativeOperators()) {
    const signature = operatorsNamed(name).find(({ types }) =>
      types.length === 2 && types[0].name === left.name && types[1].name === right.name
    );
    assert.equal(signature?.result.name, result.name, `${left.name} ${name} ${right.name}`);
  }
  for (const { name, isOperator, types, result } of nativeFunctions()) {
    const all = isOperator ? operatorsNamed(name) : functionsNamed(name);
    const signature = all.find((each) =>
      each.types.length === 1 && each.types[0].name === types[0].name
    );
    assert.equal(signature?.result.name, result.name, `${name} ${types[0].name}`);
    assert.equal(signature?.volatility, "immutable");
  }
});

Deno.test("the catalog says how functions may be called and how they change", () => {
  const [concat] = functionsNamed("concat");
  assert.deepEqual([concat.isVariadic, concat.volatility], [true, "stable"]);
  assert.equal(withArity(concat, 3)?.types.map(({ name }) => name).join(), "any,any,any");
  assert.equal(withArity(concat, 0), undefined);
  const [path] = functionsNamed("jsonb_extract_path");
  assert.equal(withArity(path, 3)?.types.map(({ name }) => name).join(), "jsonb,text,text");
  assert.deepEqual(functionsNamed("constructor"), []);
  assert.deepEqual(functionsNamed("max"), []);
  assert.equal(builtinCast(type("int4"), type("int8"))?.isImplicit, true);
  assert.equal(builtinCast(type("int8"), type("int4"))?.isImplicit, false);
  assert.equal(builtinCast(type("int4"), type("uuid")), undefined);
});

Deno.test("every conversion done here is one that Postgres makes", () => {
  const names = ["bool", "int2", "int4", "int8", "numeric", "float4", "float8", "text", "varchar"];
  for (const from of [...names, "bpchar", "name", "date", "timestamp", "timestamptz", "uuid"]) {
    for (const to of [...names, "bpchar", "name", "date", "timestamp", "timestamptz", "uuid"]) {
      if (!findCast(type(from), type(to))) continue;
      assert.equal(explicitConversion(type(from), type(to)), "immutable", `${from} to ${to}`);
    }
  }
});

Deno.test("conversions are implicit, immutable, changing or impossible, as Postgres has them", () => {
  const implicit = (from: string, to: string) => canCoerce(type(from), type(to));
  assert(implicit("int2", "float8") && implicit("cidr", "inet") && implicit("_int4", "_int8"));
  assert(implicit("date", "timestamptz") && implicit("int4", "anyelement"));
  assert(!implicit("int8", "int4") && !implicit("text", "int4") && !implicit("_int8", "_int4"));
  assert(!implicit("jsonb", "text") && !implicit("json", "jsonb"));
  const cases: Readonly<Record<string, string>> = {
    "text int4": "immutable",
    "text jsonb": "immutable",
    "text interval": "immutable",
    "text date": "unstable",
    "text timestamptz": "unstable",
    "text _timestamptz": "unstable",
    "text tstzrange": "unstable",
    "timestamptz date": "immutable",
    "timestamptz text": "immutable",
    "_int4 text": "immutable",
    "_int8 _int4": "immutable",
    "money text": "unstable",
    "jsonb int4": "immutable",
    "jsonb uuid": "none",
    "int4 uuid": "none",
  };
  for (const [names, expected] of Object.entries(cases)) {
    const [from, to] = names.split(" ").map(type);
    assert.equal(explicitConversion(from, to), expected, names);
  }
});

Deno.test("bindGenerics() gives polymorphic arguments one element type, or a common one", () => {
  const bind = (declared: string[], actual: string[], result: string) => {
    const bound = bindGenerics(declared.map(type), typesOf(...actual), type(result));
    if (bound.kind !== "bound") return bound.kind;
    return [...bound.types, bound.result].map(({ name }) => name).join(" ");
  };
  assert.equal(bind(["anyarray", "anyelement"], ["_int4", "?"], "bool"), "int4[] int4 bool");
  assert.equal(bind(["anyarray", "anyelement"], ["_int4", "int8"], "bool"), "conflict");
  assert.equal(bind(["anyarray", "anyarray"], ["int4", "?"], "bool"), "conflict");
  assert.equal(bind(["anyelement"], ["?"], "anyelement"), "open");
  assert.equal(
    bind(["anycompatiblearray", "anycompatible"], ["_int4", "int8"], "anycompatiblearray"),
    "int8[] int8 int8[]",
  );
  assert.equal(bind(["anycompatible", "anycompatible"], ["?", "?"], "bool"), "text text bool");
  assert.equal(bind(["anyrange", "anyelement"], ["int4range", "?"], "bool"), "int4range int4 bool");
  assert.equal(bind(["anyrange"], ["int4range"], "anymultirange"), "int4range int4multirange");
  assert.equal(bind(["anyrange"], ["int4multirange"], "bool"), "conflict");
  assert.equal(bind(["anyenum"], ["int4"], "bool"), "conflict");
  assert.equal(bind(["anynonarray"], ["_int4"], "bool"), "conflict");
  assert.equal(bind(["any", "int4"], ["uuid", "?"], "text"), "uuid int4 text");
});

Deno.test("resolveFunction() chooses the overload that Postgres chooses", () => {
  const resolve = (name: string, ...types: string[]) =>
    resolveFunction(name, typesOf(...types))?.types.map(({ name }) => name).join();
  assert.equal(resolve("lower", "varchar"), "text");
  assert.equal(resolve("lower", "?"), "text");
  assert.equal(resolve("lower", "int4range"), "int4range");
  assert.equal(resolve("lower", "int4"), undefined);
  assert.equal(resolve("abs", "int2"), "int2");
  assert.equal(resolve("round", "int4"), "float8");
  assert.equal(resolve("substring", "text", "int4"), "text,int4");
  assert.equal(resolve("substring", "text", "?"), "text,text");
  assert.equal(resolve("date_trunc", "?", "date"), "text,timestamptz");
  assert.equal(resolve("array_append", "_int4", "?"), "int4[],int4");
  assert.equal(resolve("format", "?"), "text");
  assert.equal(resolve("format", "?", "int4"), "text,int4");
  assert.equal(resolve("length", "bpchar"), "bpchar");
  assert(!isKnownFunction("now", []) && !isKnownFunction("random", []));
  assert(isKnownFunction("pi", []) && !isKnownFunction("lower", typesOf("?", "?")));
});

Deno.test("arithmetic is exact, or an error as in Postgres", () => {
  const apply = (left: string, name: string, right: string, a: string, b: string) => {
    const [from, to] = [type(left), type(right)], operator = nativeOperator(name, from, to);
    const values = [from.parse(a) ?? 0, to.parse(b) ?? 0] as const;
    const value = operator?.apply(...values);
    return value === undefined ? "error" : operator?.result.format(value);
  };
  assert.equal(apply("int2", "+", "int2", "32767", "1"), "error");
  assert.equal(apply("int2", "+", "int4", "32767", "1"), "32768");
  assert.equal(apply("int4", "*", "int4", "46341", "46341"), "error");
  assert.equal(apply("int8", "*", "int8", "3037000499", "3037000499"), "9223372030926249001");
  assert.equal(apply("int8", "-", "int8", "-9223372036854775808", "1"), "error");
  assert.equal(apply("int4", "/", "int4", "-7", "2"), "-3");
  assert.equal(apply("int4", "/", "int4", "-1", "2"), "0");
  assert.equal(apply("int4", "%", "int4", "-4", "2"), "0");
  assert.equal(apply("int4", "%", "int4", "-7", "2"), "-1");
  assert.equal(apply("int4", "/", "int4", "-2147483648", "-1"), "error");
  assert.equal(apply("int8", "#", "int8", "-1", "1"), "-2");
  assert.equal(apply("float8", "*", "float8", "1e308", "10"), "error");
  assert.equal(apply("float8", "*", "float8", "1e-308", "1e-308"), "error");
  assert.equal(apply("float8", "/", "float8", "NaN", "0"), "NaN");
  assert.equal(apply("float8", "/", "float8", "1", "0"), "error");
  assert.equal(apply("float8", "+", "float8", "Infinity", "1"), "Infinity");
  assert.equal(apply("float4", "+", "float4", "16777216", "1"), "16777216");
});

Deno.test("arrays are compared by their elements, of whatever dimension", () => {
  const apply = (element: string, name: string, a: string, b: string) => {
    const array = type(`_${element}`);
    return nativeOperator(name, array, array)?.apply(a, b);
  };
  assert.equal(apply("int4", "@>", "{{1,2},{3,4}}", "{4,1}"), true);
  assert.equal(apply("int4", "@>", "[0:1]={1,2}", "{2}"), true);
  assert.equal(apply("int4", "@>", "{1,NULL}", "{NULL}"), false);
  assert.equal(apply("int4", "<@", "{}", "{}"), true);
  assert.equal(apply("text", "&&", '{"a b",NULL}', '{"NULL","a b"}'), true);
  assert.equal(apply("text", "&&", "{NULL}", '{"NULL"}'), false);
  assert.equal(apply("numeric", "@>", "{1.00,NaN}", "{1,NaN}"), true);
  assert.equal(apply("int4", "=", "{1,2}", "{1,2}"), true);
  assert.equal(nativeOperator("=", type("_numeric"), type("_numeric")), undefined);
  assert.equal(nativeOperator("<", type("_int4"), type("_int4")), undefined);
  assert.equal(nativeOperator("@>", type("_jsonb"), type("_jsonb")), undefined);
});
