import assert from "node:assert/strict";
import fc from "fast-check";
import { type Row, rowOfTexts } from "../../../shapes/row.ts";
import { Router } from "../../../shapes/routing/router.ts";
import { compileWhere } from "../../../shapes/where/evaluate.ts";
import { loadParser, parseWhere } from "../../../shapes/where/parse.ts";
import type { Where } from "../../../shapes/where/where.ts";
import { table } from "../../support/shape_fixture.ts";

await loadParser();

const COLUMNS = ["id", "n", "v", "b", "f", "c"];
const ITEMS = table({
  columns: [
    { name: "id", typeName: "int4" },
    { name: "n", typeName: "numeric" },
    { name: "v" },
    { name: "b", typeName: "bool" },
    { name: "f", typeName: "float8" },
    { name: "c", typeName: "bpchar" },
  ],
});

function indexOf(name: string): number {
  return COLUMNS.indexOf(name);
}

function where(text: string): Where {
  return parseWhere(text, new Map(), ITEMS);
}

function row(values: Readonly<Record<string, string>>): Row {
  return rowOfTexts(COLUMNS.map((name) => values[name] ?? null));
}

function route<T extends NonNullable<unknown>>(router: Router<T>, row: Row): T[] {
  const found: T[] = [];
  router.route(row, (target) => found.push(target));
  return found;
}

function routerOf(...filters: (string | undefined)[]): Router<string> {
  const router = new Router<string>(indexOf);
  for (const text of filters) router.add(text ?? "all", text === undefined ? text : where(text));
  return router;
}

Deno.test("a router finds the targets whose filter is true, and those without one", () => {
  const router = routerOf("v = 'a'", "v = 'b'", "v <> 'b'", undefined);
  assert.deepEqual(route(router, row({ v: "a" })).toSorted(), ["all", "v <> 'b'", "v = 'a'"]);
  assert.deepEqual(route(router, row({ v: "b" })).toSorted(), ["all", "v = 'b'"]);
  assert.deepEqual(route(router, row({})), ["all"]);
  assert.equal(router.size, 4);
});

Deno.test("equal values are found whatever their text", () => {
  const router = routerOf("n = 1.0", "f = 0", "c = 'a'", "b", "not b");
  assert.deepEqual(route(router, row({ n: "1.000" })), ["n = 1.0"]);
  assert.deepEqual(route(router, row({ f: "-0" })), ["f = 0"]);
  assert.deepEqual(route(router, row({ c: "a   " })), ["c = 'a'"]);
  assert.deepEqual(route(router, row({ b: "t" })), ["b"]);
  assert.deepEqual(route(router, row({ b: "f" })), ["not b"]);
});

Deno.test("a target is visited once, though its filter names a value twice", () => {
  const router = routerOf("id in (1, 2, 1)", "id = 1 or id = 1 or id = 3");
  assert.deepEqual(route(router, row({ id: "1" })).length, 2);
  assert.deepEqual(route(router, row({ id: "3" })), ["id = 1 or id = 1 or id = 3"]);
});

Deno.test("targets with the same filter share its evaluation and leave one by one", () => {
  const router = new Router<number>(indexOf);
  for (const target of [1, 2, 3]) router.add(target, where("v ilike 'a%'"));
  assert.deepEqual(route(router, row({ v: "Ab" })), [1, 2, 3]);
  router.remove(1);
  assert.deepEqual(route(router, row({ v: "Ab" })).toSorted(), [2, 3]);
  router.remove(2);
  router.remove(3);
  router.remove(3);
  assert.deepEqual([route(router, row({ v: "Ab" })), router.size], [[], 0]);
});

Deno.test("adding a target again changes its filter", () => {
  const router = new Router<string>(indexOf);
  router.add("x", where("id = 1"));
  router.add("x", where("id = 2"));
  assert.deepEqual(route(router, row({ id: "1" })), []);
  assert.deepEqual(route(router, row({ id: "2" })), ["x"]);
  router.add("x", undefined);
  assert.deepEqual([route(router, row({})), router.size], [["x"], 1]);
});

Deno.test("a filter on a column that the rows lack is refused and leaves nothing behind", () => {
  const router = new Router<string>(() => -1);
  for (const text of ["v = 'a'", "v <> 'a'", "v = 'a' and id > 1"]) {
    assert.throws(() => router.add("x", where(text)), RangeError);
  }
  assert.equal(router.size, 0);
});

const FILTERS = [
  "id = 1",
  "2 = id",
  "id in (1, 3)",
  "id in (2, null)",
  "id = any('{}')",
  "id = null",
  "id = 1 or id = 2",
  "id = 1 or v = 'a'",
  "v = 'a'",
  "v = 'é'",
  "id = 1 and v = 'a'",
  "id = 1 and v <> 'a'",
  "v = 'a' and (id = 1 or id = 2) and b",
  "(id = 1 and b) or (id = 2 and not b)",
  "(id = 1 or id = 2) and v ilike 'A%'",
  "not (id = 1)",
  "id <> 1",
  "n = 1",
  "n = 1 and f = 0",
  "f = 'NaN'",
  "b is true",
  "b = true",
  "v like 'a%'",
  "v = v",
  "true",
  "false",
];

function arbitraryRow(): fc.Arbitrary<Row> {
  const text = (...texts: string[]) => fc.option(fc.constantFrom(...texts));
  return fc.tuple(
    text("1", "2", "3", "-1"),
    text("1", "1.0", "2.50"),
    text("a", "b", "é", "", "ab"),
    text("t", "f"),
    text("0", "-0", "NaN"),
    text("a", "a  "),
  ).map(rowOfTexts);
}

Deno.test("a router finds what evaluating every filter finds, while targets come and go", () => {
  const command = fc.record({
    target: fc.nat(8),
    filter: fc.option(fc.constantFrom(...FILTERS)),
    isAdded: fc.boolean(),
    row: arbitraryRow(),
  });
  fc.assert(fc.property(fc.array(command, { maxLength: 40 }), (commands) => {
    const router = new Router<number>(indexOf);
    const model = new Map<number, Where | undefined>();
    for (const { target, filter, isAdded, row } of commands) {
      const definition = filter === null ? undefined : where(filter);
      if (isAdded) {
        router.add(target, definition);
        model.set(target, definition);
      } else {
        router.remove(target);
        model.delete(target);
      }
      const expected = [...model].filter(([, where]) =>
        !where || compileWhere(where.expr, indexOf)(row) === true
      );
      const found = route(router, row).toSorted((a, b) => a - b);
      assert.deepEqual(found, expected.map(([target]) => target).toSorted((a, b) => a - b));
      assert.equal(router.size, model.size);
    }
  }));
});

Deno.test("a row costs no more evaluations when there are more targets with other values", () => {
  const router = new Router<number>(indexOf);
  for (let i = 0; i < 5_000; i++) router.add(i, where(`id = 1 and v = 'v${i}' and b`));
  // `id = 1` is shared by all: each must have been filed under its `v`, else this takes minutes.
  const rows = Array.from({ length: 5_000 }, (_, i) => row({ id: "1", v: `v${i}`, b: "t" }));
  let visits = 0;
  const started = performance.now();
  for (const row of rows) router.route(row, () => visits++);
  assert.equal(visits, 5_000);
  assert(performance.now() - started < 1_000);
  for (let i = 0; i < 5_000; i++) router.remove(i);
  assert.equal(router.size, 0);
});

Deno.test("a filter of very many conditions is filed in little time", () => {
  const many = (glue: string, condition: (i: number) => string) =>
    where(Array.from({ length: 2_000 }, (_, i) => condition(i)).join(glue));
  const filters = {
    and: many(" and ", () => "id = 1"),
    or: many(" or ", (i) => `id = ${i}`),
    both: many(" or ", (i) => `(id = ${i} and b)`),
    ranges: many(" or ", (i) => `id between ${-i - 10} and ${-i - 5}`),
  };
  const router = new Router<string>(indexOf), started = performance.now();
  for (const [target, filter] of Object.entries(filters)) router.add(target, filter);
  assert(performance.now() - started < 2_000);
  assert.deepEqual(route(router, row({ id: "1", b: "t" })).toSorted(), ["and", "both", "or"]);
  assert.deepEqual(route(router, row({ id: "1999" })), ["or"]);
  assert.deepEqual(route(router, row({ id: "-9" })), ["ranges"]);
});
