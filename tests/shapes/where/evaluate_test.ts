import assert from "node:assert/strict";
import fc from "fast-check";
import { Row, rowOfTexts, UNCHANGED_LENGTH } from "../../../shapes/row.ts";
import { compileWhere } from "../../../shapes/where/evaluate.ts";
import { runsIn } from "../../../shapes/where/expr.ts";
import { loadParser, parseWhere } from "../../../shapes/where/parse.ts";
import type { Predicate, Truth } from "../../../shapes/where/where.ts";
import { table } from "../../support/shape_fixture.ts";

await loadParser();

const COLUMNS = ["id", "n", "v", "b", "f", "a", "tags", "j"];
const ITEMS = table({
  columns: [
    { name: "id", typeName: "int4" },
    { name: "n", typeName: "numeric" },
    { name: "v" },
    { name: "b", typeName: "bool" },
    { name: "f", typeName: "float8" },
    { name: "a", typeName: "int4", dims: 1 },
    { name: "tags", typeName: "text", dims: 1 },
    { name: "j", typeName: "jsonb" },
  ],
});

function indexOf(name: string): number {
  return COLUMNS.indexOf(name);
}

type Values = Readonly<Partial<Record<string, string | null>>>;

function evaluate(text: string, values: Values): Truth {
  const { expr } = parseWhere(text, new Map(), ITEMS, { isTextOrderBytewise: true });
  return compileWhere(expr, indexOf)(rowOfTexts(COLUMNS.map((name) => values[name] ?? null)));
}

Deno.test("AND, OR and NOT follow the truth tables of three values", () => {
  const words: Readonly<Record<string, Truth>> = { true: true, false: false, null: null };
  const least = (a: Truth, b: Truth) => a === false || b === false ? false : a === null ? a : b;
  for (const [a, x] of Object.entries(words)) {
    for (const [b, y] of Object.entries(words)) {
      const row = { b: b === "null" ? null : b };
      assert.equal(evaluate(`${a}::bool and b`, row), least(x, y), `${a} and ${b}`);
      const or = evaluate(`${a}::bool or b`, row);
      assert.equal(or === null ? null : !or, least(x === null ? x : !x, y === null ? y : !y));
    }
    const row = { b: a === "null" ? null : a };
    assert.equal(evaluate("not b", row), x === null ? null : !x);
    assert.equal(evaluate("b is true", row), x === true);
    assert.equal(evaluate("b is not true", row), x !== true);
    assert.equal(evaluate("b is not false", row), x !== false);
    assert.equal(evaluate("b is unknown", row), x === null);
    assert.equal(evaluate("b is not unknown", row), x !== null);
  }
});

Deno.test("booleans are read as the stream spells them and as a cast does", () => {
  for (const text of ["t", "true"]) assert.equal(evaluate("b", { b: text }), true);
  for (const text of ["f", "false"]) assert.equal(evaluate("b", { b: text }), false);
});

Deno.test("NULL makes comparisons unknown, but not IS and DISTINCT", () => {
  for (const text of ["id = 1", "id <> 1", "v like '%'", "id in (1, 2)", "id between 0 and 9"]) {
    assert.equal(evaluate(text, {}), null, text);
  }
  assert.equal(evaluate("id is null", {}), true);
  assert.equal(evaluate("id is distinct from 1", {}), true);
  assert.equal(evaluate("id is not distinct from null", {}), true);
  assert.equal(evaluate("id in (1, null)", { id: "1" }), true);
  assert.equal(evaluate("id in (1, null)", { id: "2" }), null);
  assert.equal(evaluate("id not in (1, null)", { id: "2" }), null);
  assert.equal(evaluate("id = any('{}')", {}), false);
  assert.equal(evaluate("id > all('{}')", {}), true);
});

Deno.test("values are compared, not their texts, where texts are not unique", () => {
  assert.equal(evaluate("n = 100", { n: "100.00" }), true);
  assert.equal(evaluate("n in (1, 100)", { n: "100.0" }), true);
  assert.equal(evaluate("f = 0", { f: "-0" }), true);
  assert.equal(evaluate("f > 'Infinity'", { f: "NaN" }), true);
  assert.equal(evaluate("id = 9007199254740993", { id: "1" }), false);
});

Deno.test("a conversion that Postgres cannot make selects nothing", () => {
  assert.equal(evaluate("n = 1::float8", { n: `1${"0".repeat(400)}` }), null);
});

Deno.test("an unchanged TOAST value that is not there counts as unknown", () => {
  const { expr } = parseWhere("v = 'x'", new Map(), ITEMS);
  const row = new Row(new Uint8Array(), Array(8).fill(0), Array(8).fill(UNCHANGED_LENGTH));
  assert.equal(compileWhere(expr, indexOf)(row), null);
});

Deno.test("compileWhere() throws a RangeError for a column that the rows lack", () => {
  const { expr } = parseWhere("v = 'x' and id = 1", new Map(), ITEMS);
  assert.throws(() => compileWhere(expr, () => -1), RangeError);
});

Deno.test("runsIn() knows that all of this is evaluated here", () => {
  const { expr } = parseWhere("v ilike 'x' and not (id = 1 or n is null)", new Map(), ITEMS);
  assert.equal(runsIn(expr), "javascript");
});

Deno.test("text is compared by its bytes where it lies in the row", () => {
  fc.assert(fc.property(fc.string({ unit: "binary" }), fc.string({ unit: "binary" }), (a, b) => {
    fc.pre(!a.includes("\0"));
    const { expr } = parseWhere("v = $1", new Map([["1", a]]), ITEMS);
    const predicate = compileWhere(expr, indexOf);
    for (const text of [a, b, a + b]) {
      const row = rowOfTexts(["7", "1.5", text, "t", "0", null, null, null]);
      assert.equal(predicate(row), text.toWellFormed() === a.toWellFormed());
    }
  }));
});

Deno.test("errors of arithmetic are unknown, and AND and OR go on without them", () => {
  const row = { id: "0", n: "1", v: "x" };
  assert.equal(evaluate("1 / id > 0", row), null);
  assert.equal(evaluate("not (1 / id > 0)", row), null);
  assert.equal(evaluate("1 / id > 0 or v = 'x'", row), true);
  assert.equal(evaluate("id + 2147483647 + 1 > 0", row), null);
  assert.equal(evaluate("(id + 3) * 2 % 4 = 2 and abs(-id) = 0 and length(v) = 1", row), true);
  assert.equal(evaluate("f * 1e308 > 1", { f: "1e10" }), null);
});

Deno.test("membership in an array column knows NULL among the elements and no elements", () => {
  const cases: [string, Values, Truth][] = [
    ["1 = any(a)", { a: "{1,NULL}" }, true],
    ["2 = any(a)", { a: "{1,NULL}" }, null],
    ["2 = any(a)", { a: "{}" }, false],
    ["id = any(a)", { a: "{}" }, false],
    ["id = any(a)", { a: "{1}" }, null],
    ["id = any(a)", { id: "1" }, null],
    ["2 <> all(a)", { a: "{1,NULL}" }, null],
    ["1 <> all(a)", { a: "{1,NULL}" }, false],
    ["3 > all(a)", { a: "{{1,2},{2,2}}" }, true],
    ["v = any(tags)", { v: 'b"c', tags: '{a,"b\\"c"}' }, true],
  ];
  for (const [text, values, expected] of cases) {
    assert.equal(evaluate(text, values), expected, text);
  }
});

Deno.test("COALESCE, GREATEST and LEAST pass over NULLs", () => {
  assert.equal(evaluate("coalesce(id, 5) = 5", {}), true);
  assert.equal(evaluate("coalesce(id, null) = 5", {}), null);
  assert.equal(evaluate("greatest(id, 3, null) = 3", {}), true);
  assert.equal(evaluate("least(f, 1) = 1", { f: "NaN" }), true);
  assert.equal(evaluate("greatest(f, 1) = 'NaN'", { f: "NaN" }), true);
  assert.equal(evaluate("greatest(v, 'b') = 'b'", { v: "a" }), true);
});

Deno.test("what Postgres evaluates is asked for by its text, and combined with the rest", () => {
  const { expr, externals } = parseWhere(
    "not (j ? 'a') and (id = 1 or v ~ 'x')",
    new Map(),
    ITEMS,
  );
  assert.deepEqual(externals, [`"j" ? 'a'::text`, `"v" ~ 'x'::text`]);
  assert.equal(runsIn(expr), "postgres");
  assert.throws(() => compileWhere(expr, indexOf), TypeError);
  const row = rowOfTexts(COLUMNS.map((name) => name === "id" ? "2" : null));
  const answer = (first: Truth, second: Truth) => {
    const external = (sql: string): Predicate => () => sql === externals[0] ? first : second;
    return compileWhere(expr, indexOf, external)(row);
  };
  assert.equal(answer(false, true), true);
  assert.equal(answer(false, false), false);
  assert.equal(answer(null, true), null);
  assert.equal(answer(true, null), false);
});
