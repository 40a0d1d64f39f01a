/** Where filters are filed, as a table. */

import assert from "node:assert/strict";
import type { Entry, Filing } from "../../../shapes/routing/plan/entry.ts";
import type { Bound } from "../../../shapes/routing/plan/interval.ts";
import { planFiling } from "../../../shapes/routing/plan/plan.ts";
import { constant, type Expr } from "../../../shapes/where/expr.ts";
import { arrayOperators } from "../../../shapes/where/operators/array.ts";
import { COMPARISONS } from "../../../shapes/where/operators/comparison.ts";
import { loadParser, parseWhere } from "../../../shapes/where/parse.ts";
import { formatSql } from "../../../shapes/where/sql.ts";
import { arrayOf } from "../../../shapes/where/types/array.ts";
import { BOOL } from "../../../shapes/where/types/boolean.ts";
import { INT4, INT8 } from "../../../shapes/where/types/integer.ts";
import { table } from "../../support/shape_fixture.ts";

await loadParser();

const ITEMS = table({
  columns: [
    { name: "id", typeName: "int4" },
    { name: "m", typeName: "int8" },
    { name: "n", typeName: "numeric" },
    { name: "v" },
    { name: "w", typeName: "varchar" },
    { name: "c", typeName: "bpchar" },
    { name: "b", typeName: "bool" },
    { name: "r", typeName: "float4" },
    { name: "f", typeName: "float8" },
    { name: "d", typeName: "date" },
    { name: "at", typeName: "timestamptz" },
    { name: "u", typeName: "uuid" },
  ],
});

const COSTS = { equal: 0, element: 2, prefix: 8, range: 8, null: 100, other: 1e4, notNull: 1e4 };

function planOf(expr: Expr, costOf = (entry: Entry) => COSTS[entry.kind]): string {
  return describe(planFiling(expr, costOf));
}

function plan(text: string): string {
  return planOf(parseWhere(text, new Map(), ITEMS, { isTextOrderBytewise: true }).expr);
}

/** Entries joined by `or`, and what remains after `if`. */
function describe(filing: Filing | undefined): string {
  if (!filing) return "evaluated";
  const entries = filing.entries.map(describeEntry).join(" or ") || "nothing";
  return filing.residual ? `${entries} if ${formatSql(filing.residual)}` : entries;
}

function describeEntry(entry: Entry): string {
  const { kind, column } = entry;
  switch (kind) {
    case "range": {
      const show = (bound: Bound | undefined) => bound ? entry.type.format(bound.value) : "";
      const { low, high } = entry.interval;
      const [open, close] = [low?.isOpen ? "(" : "[", high?.isOpen ? ")" : "]"];
      return `${column} ${entry.type.name} ${open}${show(low)},${show(high)}${close}`;
    }
    case "prefix":
      return `${column} ${entry.prefix}…`;
    case "null":
    case "notNull":
      return `${column} ${kind}`;
    default:
      return `${column} ${kind} ${entry.isTextual ? "text" : entry.type.name} ${entry.keys.join()}`;
  }
}

function verify(rows: readonly (readonly [filter: string, plan: string])[]): void {
  for (const [filter, expected] of rows) assert.equal(plan(filter), expected, filter);
}

Deno.test("equality is filed by text where equal values have one text, else by value", () => {
  verify([
    ["id = 1", "id equal text 1"],
    ["1 = id", "id equal text 1"],
    ["m = 1", "m equal text 1"],
    ["id = 3000000000", "id equal text 3000000000"],
    ["v = 'a'", "v equal text a"],
    ["w = 'a'", "w equal text a"],
    ["c = 'a '", "c equal bpchar a"],
    ["n = 1.0", "n equal numeric 1"],
    ["f = 0.5", "f equal float8 0.5"],
    ["r = 0.5::float8", "r float4 [0.5,0.5]"],
    [
      "u = '00000000-0000-0000-0000-00000000000A'",
      "u equal text 00000000-0000-0000-0000-00000000000a",
    ],
    ["v = null", "nothing"],
    ["id = m", "evaluated"],
  ]);
});

Deno.test("lists are filed once for each value", () => {
  verify([
    ["id in (1, 2, 1)", "id equal text 1,2"],
    ["id in (1, null)", "id equal text 1"],
    ["id = any('{1,2}')", "id equal text 1,2"],
    ["id = any('{}')", "nothing"],
    ["id in (null, null)", "nothing"],
    ["id not in (1, 2)", "id other text 1,2"],
    ["id not in (1, null)", "nothing"],
    ["id <> all('{}')", "evaluated"],
    ["not (id in (1, 2))", "id other text 1,2"],
    ["not (id not in (1, 2))", "id equal text 1,2"],
    ["id > any('{1,5}')", "id int4 (1,] or id int4 (5,]"],
    ["id <> any('{1,5}')", "evaluated"],
    ["id > all('{1,5}')", "evaluated"],
    ["n in (1, 1.0)", "n equal numeric 1"],
  ]);
});

Deno.test("comparisons are filed as intervals, several of one column as one", () => {
  verify([
    ["id > 1", "id int4 (1,]"],
    ["1 > id", "id int4 [,1)"],
    ["not (id > 1)", "id int4 [,1]"],
    ["id between 1 and 5", "id int4 [1,5]"],
    ["id not between 1 and 5", "id int4 [,1) or id int4 (5,]"],
    ["id between symmetric 5 and 1", "id int4 [1,5]"],
    ["id > 1 and id < 9 and id <= 5 and id > 2", "id int4 (2,5]"],
    ["id > 5 and id < 5", "nothing"],
    ["id >= 5 and id < 5", "nothing"],
    ["id > 1 and v ilike 'a' and id < 3", "id int4 (1,3) if \"v\" ~~* 'a'::text"],
    ["m >= 1::int2", "m int8 [1,]"],
    ["r < 0.1", "r float4 [,0.1)"],
    ["r < 0.5::float8", "r float4 [,0.5)"],
    ["v >= 'a' and v < 'b'", "v text [a,b)"],
    ["d >= '2020-02-29'", "d date [2020-02-29,]"],
    ["d >= '2020-02-29 00:00'::timestamp", "evaluated"],
    ["at < 'infinity'", "at timestamptz [,infinity)"],
    ["n <= 'NaN'", "n numeric [,NaN]"],
    ["id > null", "nothing"],
  ]);
});

Deno.test("patterns are filed by what they begin with", () => {
  verify([
    ["v like 'abc%'", "v abc…"],
    ["w like 'abc%'", "w abc…"],
    ["v like 'abc%d_'", "v abc… if \"v\" ~~ 'abc%d_'::text"],
    ["v like 'abc'", "v equal text abc"],
    ["v like '%'", "v notNull"],
    ["v like '%a'", "evaluated"],
    ["v not like 'a%'", "evaluated"],
    ["not (v not like 'a_')", "v a… if NOT (\"v\" !~~ 'a_'::text)"],
    ["v like null", "nothing"],
    ["v ilike 'a%'", "evaluated"],
  ]);
});

Deno.test("tests for NULL and truth are filed, and what is true of a column alone", () => {
  verify([
    ["v is null", "v null"],
    ["not (v is null)", "v notNull"],
    ["v is not null", "v notNull"],
    ["v <> 'a'", "v other text a"],
    ["not (v = 'a')", "v other text a"],
    ["v is distinct from 'a'", "v other text a or v null"],
    ["v is not distinct from 'a'", "v equal text a"],
    ["v is distinct from null", "v notNull"],
    ["not (v is distinct from null)", "v null"],
    ["b", "b equal bool true"],
    ["not b", "b equal bool false"],
    ["b is true", "b equal bool true"],
    ["b is not true", "b equal bool false or b null"],
    ["b is unknown", "b null"],
    ["b is not unknown", "b notNull"],
    ["not (b is not false)", "b equal bool false"],
    ["(v = 'a') is true", "v equal text a"],
    ["(v = 'a') is false", "v other text a"],
    ["(v = 'a') is not true", "evaluated"],
    ["not ((v = 'a') is not true)", "v equal text a"],
    ["not ((v = 'a') is true)", "evaluated"],
    ["true", "evaluated"],
    ["false", "nothing"],
    ["null::bool", "nothing"],
    ["false and v ilike 'a'", "nothing"],
  ]);
});

Deno.test("an AND is filed by its best condition, an OR by all of its conditions", () => {
  verify([
    ["v ilike 'a' and id = 1", "id equal text 1 if \"v\" ~~* 'a'::text"],
    ["id > 1 and v = 'a'", "v equal text a if \"id\" > '1'::int4"],
    ["(id = 1 or id = 2) and v ilike 'A'", "id equal text 1,2 if \"v\" ~~* 'A'::text"],
    ["id = 1 or v = 'a'", "id equal text 1 or v equal text a"],
    ["id = 1 or id in (2, 1)", "id equal text 1,2"],
    ["id = 1 or v ilike 'a'", "evaluated"],
    ["id <> 1 or id <> 2", "id notNull"],
    ["id not in (1, 2) or id <> 2", "id other text 2"],
    ["not (id = 1 and v = 'a')", "id other text 1 or v other text a"],
    ["not (id = 1 or v ilike 'a')", "id other text 1 if NOT (\"v\" ~~* 'a'::text)"],
    ["false or id = 1", "id equal text 1"],
    [
      "(id = 1 and b) or (id = 2 and not b)",
      'id equal text 1,2 if (("id" = \'1\'::int4) AND "b") OR (("id" = \'2\'::int4) AND (NOT "b"))',
    ],
  ]);
});

Deno.test("of equal conditions, the one with the fewest others is chosen", () => {
  const { expr } = parseWhere("id = 1 and v = 'a' and m = 2", new Map(), ITEMS);
  const crowds: Readonly<Record<string, number>> = { id: 5, v: 1, m: 3 };
  const residual = "\"id\" = '1'::int4 AND \"m\" = '2'::int4";
  assert.match(
    planOf(expr, ({ column }) => crowds[column]).replaceAll(/[()]/g, ""),
    new RegExp(`^v equal text a if ${residual}`.replace("'2'::int4", "'2'::int\\d$")),
  );
});

const TAGS = {
  kind: "column",
  type: arrayOf(INT4),
  name: "tags",
  collation: null,
} as const;

function arrayFilter(name: string, text: string | null, isColumnLeft = true): Expr {
  const operator = arrayOperators(TAGS.type).find((operator) => operator.name === name);
  assert(operator);
  const value = constant(TAGS.type, text);
  const [left, right] = isColumnLeft ? [TAGS, value] : [value, TAGS];
  return { kind: "operation", type: BOOL, operator, left, right };
}

Deno.test("containment is filed by an element, overlap by each", () => {
  assert.equal(planOf(arrayFilter("@>", "{7}")), "tags element int4 7");
  assert.match(planOf(arrayFilter("@>", "{7,8}")), /^tags element int4 7 if .*@>/);
  assert.match(planOf(arrayFilter("<@", "{7,8}", false)), /^tags element int4 7 if .*<@/);
  assert.equal(planOf(arrayFilter("@>", "{}")), "tags notNull");
  assert.equal(planOf(arrayFilter("@>", "{7,NULL}")), "nothing");
  assert.equal(planOf(arrayFilter("@>", null)), "nothing");
  assert.equal(planOf(arrayFilter("@>", "{7}", false)), "evaluated");
  assert.equal(planOf(arrayFilter("<@", "{7}")), "evaluated");
  assert.equal(planOf(arrayFilter("&&", "{7,8,NULL}")), "tags element int4 7,8");
  assert.equal(planOf(arrayFilter("&&", "{7,7}", false)), "tags element int4 7");
  assert.equal(planOf(arrayFilter("&&", "{}")), "nothing");
  assert.equal(planOf({ kind: "not", type: BOOL, operand: arrayFilter("@>", "{7}") }), "evaluated");
  const rare = planOf(
    arrayFilter("@>", "{7,8}"),
    (entry) => "keys" in entry && entry.keys[0] === 7 ? 9 : 0,
  );
  assert.match(rare, /^tags element int4 8 if/);
});

Deno.test("membership of a constant in a column is filed by the constant", () => {
  const operators = COMPARISONS.filter(({ left, right }) => left === INT8 && right === INT4);
  const member = (comparison: string, value: number | null, isAll = false): Expr => {
    const operator = operators.find((operator) => operator.comparison === comparison);
    assert(operator);
    const left = constant(INT8, value);
    return { kind: "member", type: BOOL, operator, isAll, left, array: TAGS };
  };
  assert.equal(planOf(member("=", 7)), "tags element int4 7");
  assert.equal(planOf(member("=", null)), "nothing");
  assert.equal(planOf(member("<", 7)), "evaluated");
  assert.equal(planOf(member("=", 7, true)), "evaluated");
  assert.equal(planOf({ kind: "not", type: BOOL, operand: member("=", 7) }), "evaluated");
});
