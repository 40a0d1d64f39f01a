/** Routers against the evaluation of every filter, over filters that every kind of index answers. */

import assert from "node:assert/strict";
import fc from "fast-check";
import { type Row, rowOfTexts } from "../../../shapes/row.ts";
import { Router } from "../../../shapes/routing/router.ts";
import { compileWhere } from "../../../shapes/where/evaluate.ts";
import { loadParser, parseWhere } from "../../../shapes/where/parse.ts";
import type { Predicate, Where } from "../../../shapes/where/where.ts";
import { check } from "../../support/arbitrary.ts";
import { table } from "../../support/shape_fixture.ts";

await loadParser();

interface Sketch {
  readonly typeName: string;
  /** As Postgres prints them: what rows have, and what filters ask for. */
  readonly values: readonly string[];
  readonly isOrdered?: boolean;
  readonly isText?: boolean;
}

const COLUMNS: Readonly<Record<string, Sketch>> = {
  i: { typeName: "int4", values: ["-1", "0", "1", "2", "3"], isOrdered: true },
  j: {
    typeName: "int8",
    values: ["-9223372036854775808", "0", "1", "999999999999999", "1000000000000000"],
    isOrdered: true,
  },
  n: { typeName: "numeric", values: ["-1.5", "1", "1.0", "1.50", "1e40", "NaN"], isOrdered: true },
  r: { typeName: "float4", values: ["-0", "0", "0.1", "Infinity", "NaN"], isOrdered: true },
  f: { typeName: "float8", values: ["-0", "0", "0.1", "-Infinity", "NaN"], isOrdered: true },
  v: {
    typeName: "text",
    values: ["", "a", "ab", "abc", "é", "🚀", "%"],
    isOrdered: true,
    isText: true,
  },
  c: { typeName: "bpchar", values: ["a", "a  ", "ab ", ""], isText: true },
  b: { typeName: "bool", values: ["t", "f"] },
  d: { typeName: "date", values: ["2020-02-29", "0044-03-15 BC", "infinity"], isOrdered: true },
  at: {
    typeName: "timestamptz",
    values: ["2020-02-29 00:00:00+00", "2020-02-29 00:00:00.000001+00", "-infinity"],
    isOrdered: true,
  },
  u: {
    typeName: "uuid",
    values: ["00000000-0000-0000-0000-000000000001", "00000000-0000-0000-0000-00000000000a"],
    isOrdered: true,
  },
};

const ARRAYS = ["{}", "{1}", "{1,2}", "{2,NULL}", "{NULL}", "{{1,2},{3,3}}"];

const NAMES = [...Object.keys(COLUMNS), "tags"];
const ITEMS = table({
  columns: [
    ...Object.entries(COLUMNS).map(([name, { typeName }]) => ({ name, typeName })),
    { name: "tags", typeName: "int4", dims: 1 },
  ],
});

function indexOf(name: string): number {
  return NAMES.indexOf(name);
}

/** Stands for Postgres: true, false or unknown, whatever it is asked. */
const external = (): Predicate => (row) =>
  row.lengths[0] < 0 ? null : row.bytes[row.starts[0]] % 2 === 0;

const parsed = new Map<string, { where: Where; predicate: Predicate }>();

function parse(text: string) {
  const known = parsed.get(text);
  if (known) return known;
  const where = parseWhere(text, new Map(), ITEMS, { isTextOrderBytewise: true });
  const filter = { where, predicate: compileWhere(where.expr, indexOf, external) };
  parsed.set(text, filter);
  return filter;
}

function quote(text: string): string {
  return `'${text}'`;
}

const columnName = fc.constantFrom(...Object.keys(COLUMNS));

function literalOf(name: string): fc.Arbitrary<string> {
  return fc.oneof(
    { weight: 9, arbitrary: fc.constantFrom(...COLUMNS[name].values.map(quote)) },
    { weight: 1, arbitrary: fc.constant("null") },
  );
}

function comparison(name: string): fc.Arbitrary<string> {
  const operators = COLUMNS[name].isOrdered ? ["=", "<>", "<", "<=", ">", ">="] : ["=", "<>"];
  const sides = [fc.constantFrom(...operators), literalOf(name), fc.boolean()] as const;
  return fc.tuple(...sides).map(([operator, literal, isFirst]) =>
    isFirst ? `${literal} ${operator} ${name}` : `${name} ${operator} ${literal}`
  );
}

function between(name: string): fc.Arbitrary<string> {
  const words = fc.constantFrom("between", "not between", "between symmetric");
  return fc.tuple(words, literalOf(name), literalOf(name)).map(([word, a, b]) =>
    `${name} ${word} ${a} and ${b}`
  );
}

function list(name: string): fc.Arbitrary<string> {
  const words = fc.constantFrom("in", "not in");
  return fc.tuple(words, fc.array(literalOf(name), { minLength: 1, maxLength: 4 })).map(
    ([word, items]) => `${name} ${word} (${items.join()})`,
  );
}

function quantified(name: string): fc.Arbitrary<string> {
  const { values, isOrdered } = COLUMNS[name];
  const operators = fc.constantFrom(...isOrdered ? ["=", "<>", "<", ">="] : ["=", "<>"]);
  const items = fc.array(fc.constantFrom(...values, "NULL"), { maxLength: 3 });
  return fc.tuple(operators, fc.constantFrom("any", "all"), items).map(
    ([operator, word, items]) => {
      const literal = items.map((item) => item === "NULL" ? item : `"${item}"`).join();
      return `${name} ${operator} ${word} ('{${literal}}')`;
    },
  );
}

function unary(name: string): fc.Arbitrary<string> {
  const distinct = literalOf(name).map((literal) => `is distinct from ${literal}`);
  const same = literalOf(name).map((literal) => `is not distinct from ${literal}`);
  return fc.oneof(fc.constantFrom("is null", "is not null"), distinct, same)
    .map((test) => `${name} ${test}`);
}

const pattern = fc.tuple(
  fc.constantFrom("v", "c"),
  fc.constantFrom("like", "not like", "ilike"),
  fc.string({ unit: fc.constantFrom("a", "b", "é", "%", "_", "\\%"), maxLength: 4 }),
).map(([name, word, text]) => `${name} ${word} ${quote(text)}`);

const truth = fc.constantFrom("b", "b is true", "b is not true", "b is unknown", "b is not false");

const array = fc.tuple(
  fc.constantFrom("tags @> ", "tags && ", "tags <@ ", "tags = "),
  fc.constantFrom(...ARRAYS.slice(0, 5)),
).map(([start, literal]) => `${start}${quote(literal)}::int4[]`);

const member = fc.constantFrom(
  "1 = any(tags)",
  "2 = any(tags)",
  "null = any(tags)",
  "1 <> all(tags)",
);

const other = fc.constantFrom("i = j", "true", "false", "i::int8 > 1", "v ~ 'a'", "md5(v) = 'x'");

const leaf = fc.oneof(
  ...[comparison, between, list, quantified, unary].map((of) => columnName.chain(of)),
  ...[pattern, truth, array, member, other],
);

const { filter } = fc.letrec<{ filter: string }>((tie) => {
  const several = fc.array(tie("filter"), { minLength: 2, maxLength: 3 });
  const join = fc.tuple(fc.constantFrom(" and ", " or "), several);
  return {
    filter: fc.oneof(
      { depthSize: "small" },
      { weight: 4, arbitrary: leaf },
      { weight: 3, arbitrary: join.map(([glue, all]) => all.map((one) => `(${one})`).join(glue)) },
      { weight: 1, arbitrary: tie("filter").map((one) => `not (${one})`) },
      {
        weight: 1,
        arbitrary: fc.tuple(tie("filter"), fc.constantFrom("true", "not true", "false", "unknown"))
          .map(([one, truth]) => `(${one}) is ${truth}`),
      },
    ),
  };
});

const row: fc.Arbitrary<Row> = fc.tuple(
  ...Object.values(COLUMNS).map(({ values }) => fc.option(fc.constantFrom(...values), { freq: 6 })),
  fc.option(fc.constantFrom(...ARRAYS), { freq: 6 }),
).map((texts) => rowOfTexts(texts));

/** What the grammar makes and the language has not, for types without that operator, is left out. */
const known = filter.filter((text) => {
  try {
    return parse(text) !== undefined;
  } catch (error) {
    assert((error as Error).name === "InvalidRequestError", text);
    return false;
  }
});

function verify(router: Router<number>, model: ReadonlyMap<number, string | undefined>, row: Row) {
  const found: number[] = [];
  router.route(row, (target) => found.push(target));
  const expected = [...model].filter(([, text]) =>
    text === undefined || parse(text).predicate(row) === true
  ).map(([target]) => target);
  const message = () => JSON.stringify([...model].map(([target, text]) => `${target}: ${text}`));
  assert.deepEqual(found.toSorted((a, b) => a - b), expected.toSorted((a, b) => a - b), message());
}

const maybeFilter = fc.option(known, { nil: undefined, freq: 20 });

Deno.test("a router finds what evaluating each of many filters finds, each target once", () => {
  const sets = fc.array(maybeFilter, { maxLength: 30 }),
    rows = fc.array(row, { minLength: 10, maxLength: 20 });
  check(
    fc.property(sets, rows, (filters, rows) => {
      const router = new Router<number>(indexOf, external);
      for (const [i, text] of filters.entries()) {
        router.add(i, text === undefined ? text : parse(text).where);
      }
      const model = new Map(filters.entries());
      for (const row of rows) verify(router, model, row);
      for (const target of model.keys()) router.remove(target);
      assert.equal(router.size, 0);
      for (const row of rows) verify(router, new Map(), row);
    }),
    300,
  );
});

Deno.test("a router stays exact while targets come, change and go", () => {
  const command = fc.record({
    target: fc.nat(12),
    text: maybeFilter,
    isAdded: fc.integer({ max: 2, min: 0 }).map((n) => n > 0),
    row,
  });
  check(
    fc.property(fc.array(command, { maxLength: 60 }), (commands) => {
      const router = new Router<number>(indexOf, external),
        model = new Map<number, string | undefined>();
      for (const { target, text, isAdded, row } of commands) {
        if (isAdded) router.add(target, text === undefined ? text : parse(text).where);
        else router.remove(target);
        if (isAdded) model.set(target, text);
        else model.delete(target);
        assert.equal(router.size, model.size);
        verify(router, model, row);
      }
    }),
    200,
  );
});
