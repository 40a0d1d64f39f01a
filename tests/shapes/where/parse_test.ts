import assert from "node:assert/strict";
import { InvalidRequestError } from "../../../shapes/errors.ts";
import { loadParser, parseWhere, type WhereOptions } from "../../../shapes/where/parse.ts";
import { table } from "../../support/shape_fixture.ts";

await loadParser();

const ITEMS = table({
  columns: [
    { name: "id", typeName: "int4", keyIndex: 0 },
    ...["int8", "numeric", "float8", "bool", "date", "timestamptz", "uuid", "bpchar", "jsonb"]
      .map((typeName) => ({ name: typeName.slice(0, 3), typeName })),
    { name: "v" },
    { name: "w", typeName: "varchar" },
    { name: "c", collation: "C" },
    { name: "de", collation: "de-DE-x-icu" },
    { name: "odd", collation: "case_insensitive" },
    { name: "a", typeName: "int4", dims: 1 },
    { name: "m", typeName: "mood", typeKind: "e", typeSchema: "public" },
    { name: "p", typeName: "pair", typeKind: "c", typeSchema: "public" },
    { name: "dom", typeName: "score", typeKind: "d", typeSchema: "public", baseTypeName: "int4" },
    { name: "gen", typeName: "int4", generated: "virtual" },
    { name: 'We"ird' },
  ],
});

function sqlOf(text: string, params: readonly string[] = [], options?: WhereOptions): string {
  const numbered = new Map(params.map((value, i) => [`${i + 1}`, value]));
  return parseWhere(text, numbered, ITEMS, options).sql;
}

function refusal(text: string, params: readonly string[] = [], options?: WhereOptions): string {
  try {
    return `taken as ${sqlOf(text, params, options)}`;
  } catch (error) {
    assert(error instanceof InvalidRequestError);
    return error.errors.where?.join("; ") ?? JSON.stringify(error.errors);
  }
}

function check(cases: Readonly<Record<string, string>>) {
  for (const [text, message] of Object.entries(cases)) assert.equal(refusal(text), message, text);
}

Deno.test("parseWhere() writes one canonical text however a filter is spelled", () => {
  for (
    const text of ["id = 1", "  id   =  1 ", "ID=1", '"id" = 1 -- so', "public.items.id = 0x1"]
  ) {
    assert.equal(sqlOf(text), `"id" = '1'::int4`);
  }
  assert.equal(sqlOf("1 = id"), `'1'::int4 = "id"`);
  assert.equal(sqlOf("id in (1, 2)"), sqlOf("id = any('{1, 2}')"));
  assert.equal(sqlOf("a is null or (boo or v = 'x')"), sqlOf("(a isnull or boo) or v = 'x'"));
});

Deno.test("parseWhere() types constants and parameters by what stands beside them", () => {
  const cases: Readonly<Record<string, string>> = {
    "int = '5'": `"int" = '5'::int8`,
    "num = 1.50": `"num" = '1.50'::numeric`,
    "id = 1.5": `("id"::numeric) = '1.5'::numeric`,
    "flo = 1": `"flo" = '1'::float8`,
    "flo = num": `"flo" = ("num"::float8)`,
    "id = 5000000000": `"id" = '5000000000'::int8`,
    "num > 99999999999999999999": `"num" > '99999999999999999999'::numeric`,
    "w = 'x'": `"w" = 'x'::text`,
    "bpc = 'x '": `"bpc" = 'x '::bpchar`,
    "bpc = v": `("bpc"::text) = "v"`,
    "m = 'sad'": `"m" = 'sad'::"public"."mood"`,
    "dom = '3'": `"dom" = '3'::int4`,
    "tim > '2024-01-01T00:00:00+02'": `"tim" > '2023-12-31 22:00:00+00'::timestamptz`,
    "'x'::text = 'x'": `'x'::text = 'x'::text`,
    [`"We""ird" = 'a'`]: `"We""ird" = 'a'::text`,
    "v = 'back\\slash'": `"v" = E'back\\\\slash'::text`,
    "v = 'it''s'": `"v" = 'it''s'::text`,
    "v is distinct from null": `"v" IS DISTINCT FROM NULL::text`,
    "not boo is not unknown": `NOT ("boo" IS NOT UNKNOWN)`,
    "id between 1 and 2": `("id" >= '1'::int4) AND ("id" <= '2'::int4)`,
    "id not in (1, null)": `"id" <> ALL (ARRAY['1'::int4, NULL::int4])`,
    "id = any('{}')": `"id" = ANY ('{}'::int4[])`,
  };
  for (const [text, sql] of Object.entries(cases)) assert.equal(sqlOf(text), sql, text);
  assert.equal(sqlOf("id = $1::int8", ["1"]), `"id" = '1'::int8`);
  assert.equal(sqlOf("v = $1", ["it's"]), sqlOf("v = 'it''s'"));
  assert.equal(sqlOf("$1", ["yes"]), "true");
  assert.equal(sqlOf("$1 is null", ["x"]), "'x'::text IS NULL");
});

Deno.test("parseWhere() takes its own text for the same filter", () => {
  const texts = ["id in (1, 2, null)", "m = 'sad' or m is null", "a is not null", "id = any('{}')"];
  for (const text of [...texts, "v = E'\\\\'' or true'", "num = 'NaN'", "w like 'a\\_%'"]) {
    assert.equal(sqlOf(sqlOf(text)), sqlOf(text), text);
  }
});

Deno.test("parseWhere() names the columns it looks at, each once", () => {
  const where = parseWhere("v = 'a' or (id = 1 and w = v) or true", new Map(), ITEMS);
  assert.deepEqual(where.columns, ["v", "id", "w"]);
});

Deno.test("parseWhere() gives the parser's words and position for bad syntax", () => {
  check({
    "1 x 1": 'At location 17: syntax error at or near "x"',
    "id =": "At location 19: syntax error at end of input",
    "(id = 1": "At location 22: syntax error at end of input",
    "id = 'open": `At location 20: unterminated quoted string at or near "'open"`,
    "'é' x 1": 'At location 20: syntax error at or near "x"',
    "": "At location 15: syntax error at end of input",
    "id = 1 \0 or true": "At location 22: invalid byte 0x00",
  });
});

Deno.test("parseWhere() takes one expression and no more", () => {
  const clauses = "malformed query ending with SQL clauses";
  check({
    "id = 1; drop table items": 'unescaped ";" causing statement split',
    "id = 1 order by id": clauses,
    "id = 1 limit 1": clauses,
    "id = 1 union select 1": clauses,
    "id = 1 group by id": clauses,
    "id = 1 for update": clauses,
  });
  assert.equal(sqlOf("id = 1;"), sqlOf("id = 1"));
});

Deno.test("parseWhere() refuses what it does not understand, where it stands", () => {
  check({
    "nope = 1": "At location 0: unknown reference nope",
    '"É" = 1 or nope = 1': 'At location 0: unknown reference "É"',
    "v = 'é' or nope = 1": "At location 12: unknown reference nope",
    "other.id = 1": "At location 0: unknown reference other.id",
    "ctid is not null": "At location 0: unknown reference ctid",
    "gen = 1": "At location 0: virtual generated column gen is not supported",
    "id::nope = 1": "At location 4: unsupported type nope",
    "v::interval(3) = '1 s'": "At location 3: unsupported type interval",
    "v::anyarray is null": "At location 3: unsupported type anyarray",
    "jso::uuid is null": "At location 3: unknown cast from type jsonb to type uuid",
    "v::date is null":
      "At location 1: cast from type text to type date is not immutable: its result may change " +
      "while the row does not",
    "id == 1": 'At location 3: unknown binary operator "=="',
    "id operator(public.=) 1": 'At location 3: unknown binary operator "public.="',
    "<> id": 'At location 15: syntax error at or near "<>"',
    "== id": 'At location 0: unknown unary operator "=="',
    "nope(v) = 'x'": "At location 0: unknown or unsupported function nope/1",
    "public.lower(v) = 'x'": "At location 0: unknown or unsupported function public.lower/1",
    "lower(v, v) = 'x'": "At location 0: unknown or unsupported function lower/2",
    "lower(id) = 'x'": "At location 0: Could not select a function overload for lower(int4)",
    "tim < now()": "At location 6: unknown or unsupported function now/0",
    "random() < 1": "At location 0: unknown or unsupported function random/0",
    "age(tim) > '1 day'":
      "At location 0: function age(timestamptz) is not immutable: its result may change while the " +
      "row does not",
    "max(id) = 1": "At location 0: unknown or unsupported function max/1",
    "generate_series(1, 2) = id":
      "At location 0: unknown or unsupported function generate_series/2",
    "dat <= current_date": "At location 7: SQLValueFunction is not supported in this context",
    "to_char(tim, 'YYYY') = '2024'":
      "At location 0: function to_char(timestamptz, text) is not immutable: its result may change " +
      "while the row does not",
    "make_date(year => 1, month => 1, day => 1) = dat":
      "At location 10: NamedArgExpr is not supported in this context",
    "count(*) > 1": "At location 0: aggregation is not supported in this context",
    "f(variadic a)": "At location 0: explicit VARIADIC function calls are not currently supported",
    "case when id then true end": "At location 10: argument of CASE/WHEN must be bool, not int4",
    "case when boo then 1 else v end = 1":
      "At location 0: CASE types text and int4 cannot be matched",
    "coalesce(id, v) = 1": "At location 0: COALESCE types int4 and text cannot be matched",
    "(id).x = 1":
      "At location 1: column notation .x applied to type int4, which is not a composite type",
    "(p).x = 1": "At location 6: Could not select an operator overload",
    "id[1] = 1": "At location 0: cannot subscript type int4",
    "a['x'] = 1": "At location 2: invalid syntax for type int4: x",
    'id collate "C" = 1': "At location 3: collations are not supported by type int4",
    "a = any('{}')": "At location 2: could not find array type for data type int4[]",
    "id = (select 1)": "At location 28: Expected a plain column reference",
    "exists (select id from items)":
      "At location 0: only `value IN (SELECT ...)` sublinks are supported right now",
    "id in (select id from items)": "At location 3: subqueries are not supported yet",
    "v = B'1'": "At location 4: BitString values are not supported",
    "id = any(1)": "At location 3: argument of ANY must be an array",
    "id = any(array[1, 'x'::text])": "At location 9: ARRAY types int4 and text cannot be matched",
    "row(id) = row(1, 2)": "At location 8: Could not select an operator overload",
    "row(id) = 1": "At location 8: Could not select an operator overload",
  });
});

Deno.test("parseWhere() refuses operands that do not fit", () => {
  const overload = (location: number) =>
    `At location ${location}: Could not select an operator overload`;
  check({
    "id = v": overload(3),
    "v = 1": overload(2),
    "boo = 1": overload(4),
    "m + 'sad' = m": overload(2),
    "jso || 1 = '{}'": overload(4),
    "int # num = 1": overload(4),
    "id like '1%'": overload(3),
    "id and boo": "At location 0: reference id of type int4 is not castable to bool",
    "not id": "At location 4: reference id of type int4 is not castable to bool",
    "id is true": "At location 3: argument of IS TRUE must be bool, not int4",
    "id is not unknown": "At location 3: argument of IS NOT UNKNOWN must be bool, not int4",
    "v like 'a\\'": "At location 2: LIKE pattern must not end with escape character",
    "300000::int2 = 1": "Failed to apply function to constant arguments",
  });
  for (const text of ["id", "1", "'x'", "null", "v", "a"]) {
    assert.equal(refusal(text), "WHERE clause must return a boolean");
  }
});

Deno.test("parseWhere() refuses constants that their type does not take", () => {
  check({
    "id = 'abc'": "At location 5: invalid syntax for type int4: abc",
    "id = '2147483648'": "At location 5: invalid syntax for type int4: 2147483648",
    "id in (1, 'x')": "At location 10: invalid syntax for type int4: x",
    "dat = '2024-02-30'": "At location 6: invalid syntax for type date: 2024-02-30",
    "uui = 'xyz'": "At location 6: invalid syntax for type uuid: xyz",
    "flo = '1e400'": "At location 6: invalid syntax for type float8: 1e400",
    "id = any('{1,x}')": "At location 9: invalid syntax for type int4[]: {1,x}",
    "id = any('{1,2')": "At location 9: invalid syntax for type int4[]: {1,2",
  });
  assert.equal(
    refusal("boo = $1", ["maybe"]),
    "At location 6: invalid syntax for type bool: maybe",
  );
});

Deno.test("parseWhere() gives a parameter the type of its first use", () => {
  const overload = "At location 13: Could not select an operator overload";
  assert.equal(refusal("id = $1 or v = $1", ["1"]), overload);
  assert.equal(refusal("id = $2", ["1"]), "At location 5: parameter $2 was not provided");
  assert.equal(refusal("id = $0", ["1"]), "At location 5: parameter $0 was not provided");
  assert.equal(sqlOf("id = $1 or int = $1", ["1"]), `("id" = '1'::int4) OR ("int" = '1'::int4)`);
});

Deno.test("parseWhere() wants parameters numbered from 1 without gaps, however many", () => {
  const keys = (...keys: string[]) => {
    try {
      return parseWhere("id = 1", new Map(keys.map((key) => [key, "1"])), ITEMS).sql;
    } catch (error) {
      assert(error instanceof InvalidRequestError);
      return error.errors.params?.[0];
    }
  };
  const numbers = "Parameters can only use numbers as keys";
  const sequence = "Parameters must be numbered sequentially, starting from 1";
  for (const key of ["a", "1.5", "", "1x"]) assert.equal(keys(key), numbers);
  for (const key of ["0", "2", "-1"]) assert.equal(keys(key), sequence);
  assert.equal(keys("1", "3"), sequence);
  const twelve = Array.from({ length: 12 }, (_, i) => `${i + 1}`);
  assert.equal(keys(...twelve.toReversed()), `"id" = '1'::int4`);
  assert.equal(
    parseWhere("id = $11", new Map(twelve.map((key) => [key, key])), ITEMS).sql,
    `"id" = '11'::int4`,
  );
});

/** What Postgres evaluates of a filter. */
function externalsOf(text: string, options?: WhereOptions): readonly string[] {
  return parseWhere(text, new Map(), ITEMS, options).externals;
}

Deno.test("parseWhere() orders text here only where bytes are the order", () => {
  assert.deepEqual(externalsOf("v < 'x'"), [`"v" < 'x'::text`]);
  assert.deepEqual(externalsOf("v < 'x'", { isTextOrderBytewise: true }), []);
  assert.deepEqual(externalsOf("c < 'x'"), []);
  assert.deepEqual(externalsOf("c < v"), []);
  assert.deepEqual(externalsOf("de < 'x'", { isTextOrderBytewise: true }), [`"de" < 'x'::text`]);
  assert.deepEqual(externalsOf("de = 'x'"), []);
  assert.deepEqual(externalsOf("odd = 'x'"), [`"odd" = 'x'::text`]);
  assert.match(refusal("de = c"), /operator = is not supported with conflicting collations/);
});

Deno.test("parseWhere() folds case here only where no collation can differ", () => {
  const known = { defaultCollation: "en_US.UTF-8" }, ascii = { defaultCollation: "C" };
  for (const text of ["v ilike 'abc%'", "lower(v) = 'abc'", "lower(v) in ('a', 'b')"]) {
    assert.deepEqual(externalsOf(text), [], text);
  }
  for (const text of ["v ilike 'mike%'", "v ilike 'É'", "v ilike 'a_'", "lower(v) = 'kiwi'"]) {
    assert.equal(externalsOf(text).length, 1, text);
    assert.equal(externalsOf(text, ascii).length, 1, text);
    assert.equal(externalsOf(text, known).length, 0, text);
  }
  const turkish = { defaultCollation: "tr_TR.UTF-8" };
  assert.equal(externalsOf("v ilike 'mike%'", turkish).length, 1);
  for (const text of ["v ilike w", "lower(v) = w", "lower(v) < 'a'", "lower(v) || 'a' = 'b'"]) {
    assert.equal(externalsOf(text, known).length, 1, text);
  }
});

Deno.test("parseWhere() gives Postgres the smallest conditions that it alone can evaluate", () => {
  const where = parseWhere(
    "(id = 1 and jso ? 'a') or not (boo or jso ? 'a' or v ~ '^x')",
    new Map(),
    ITEMS,
  );
  assert.deepEqual(where.externals, [`"jso" ? 'a'::text`, `"v" ~ '^x'::text`]);
  assert.deepEqual(where.columns, ["id", "jso", "boo", "v"]);
  assert.deepEqual(externalsOf("(jso ? 'a') is true"), [`("jso" ? 'a'::text) IS TRUE`]);
  assert.deepEqual(externalsOf("(jso ? 'a') = boo"), [`("jso" ? 'a'::text) = "boo"`]);
});

Deno.test("parseWhere() leaves conditions to Postgres that would take an error for NULL", () => {
  assert.deepEqual(externalsOf("1 / id > 0"), []);
  assert.deepEqual(externalsOf("(1 / id) is null"), [`('1'::int4 / "id") IS NULL`]);
  assert.equal(externalsOf("coalesce(1 / id, 1) = 1").length, 1);
  assert.equal(externalsOf("(id + 1 > 0) is not true").length, 1);
  assert.equal(externalsOf("int::int4 is distinct from 1").length, 1);
  assert.deepEqual(externalsOf("(id > 0) is not true"), []);
});

Deno.test("parseWhere() works out constants, and says which have no result", () => {
  assert.equal(sqlOf("id = 1 + 2 * 3"), `"id" = '7'::int4`);
  assert.equal(sqlOf("id = -(5 - 7)"), `"id" = '2'::int4`);
  assert.equal(sqlOf("v = 'a' || 'b'"), `"v" = 'ab'::text`);
  const refused = "Failed to apply function to constant arguments";
  check({ "id = 1 / 0": refused, "id = 2147483647 + 1": refused, "id = 5 % 0": refused });
});

Deno.test("parseWhere() spells every construct so that it reads it again", () => {
  const cases: Readonly<Record<string, string>> = {
    "1 = any(a)": `'1'::int4 = ANY ("a")`,
    "a @> '{1, NULL}'": `"a" @> '{1,NULL}'::int4[]`,
    "a[1] = 2": `(("a")['1'::int4]) = '2'::int4`,
    "a[1:2] = '{{1},{2}}'": `(("a")['1'::int4:'2'::int4]) = ('{{1},{2}}'::int4[])`,
    "array[id, 2] = a": `(ARRAY["id", '2'::int4]) = "a"`,
    "row(id) = row(1)": `"id" = '1'::int4`,
    "(id, v) in ((1, 'a'), (2, 'b'))":
      `(("id" = '1'::int4) AND ("v" = 'a'::text)) OR (("id" = '2'::int4) AND ("v" = 'b'::text))`,
    "(id, v) < (1, 'a')": `ROW("id", "v") < ROW('1'::int4, 'a'::text)`,
    "p is null": `"p" IS NULL`,
    "(p).x::int4 = 1": `((("p")."x")::int4) = '1'::int4`,
    "m > 'sad'": `"m" > 'sad'::"public"."mood"`,
    "v::varchar(3) = 'x'": `(("v"::varchar(3))::text) = 'x'::text`,
    "v like 'a!%' escape '!'": `"v" ~~ (pg_catalog.like_escape('a!%'::text, '!'::text))`,
    "v similar to 'a+'": `"v" ~ (pg_catalog.similar_to_escape('a+'::text))`,
    'v collate "C" = w': `("v" COLLATE "C") = "w"`,
    "extract(year from tim) = 2024": `(pg_catalog.extract('year'::text, "tim")) = '2024'::numeric`,
    "tim at time zone 'UTC' is null": `(pg_catalog.timezone('UTC'::text, "tim")) IS NULL`,
    "case id when 1 then boo else v = 'a' end":
      `CASE WHEN "id" = '1'::int4 THEN "boo" ELSE "v" = 'a'::text END`,
    "nullif(id, 1) is null": `(NULLIF("id", '1'::int4)) IS NULL`,
    "greatest(id, int, 1) = 1": `(GREATEST("id"::int8, "int", '1'::int4::int8)) = '1'::int4`,
    "jso -> 'a' ->> 0 = 'x'": `(("jso" -> 'a'::text) ->> '0'::int4) = 'x'::text`,
    "jso['a'] = '1'": `(("jso")['a'::text]) = '1'::jsonb`,
  };
  for (const [text, sql] of Object.entries(cases)) {
    assert.equal(sqlOf(text), sql.replace("'1'::int4::int8", "'1'::int8"), text);
    assert.equal(sqlOf(sqlOf(text)), sqlOf(text), text);
  }
});

Deno.test("parseWhere() survives filters that are too large or too deep", () => {
  assert.match(refusal(`v = '${"x".repeat(70_000)}'`), /bigger than maximum size/);
  const deep = [
    "1" + "+1".repeat(20_000),
    "not ".repeat(15_000) + "boo",
    "f(".repeat(5_000) + "1" + ")".repeat(5_000),
    "case when boo and ".repeat(3_000),
    "(".repeat(900) + "boo" + " is true)".repeat(900),
    "(".repeat(6) + "boo" + " between symmetric boo and boo)".repeat(6),
    "(".repeat(9) + "(jso ? 'a')" + " between symmetric boo and boo)".repeat(9),
    "(case ".repeat(60) + "boo" + " when true then boo when false then boo end)".repeat(60),
  ];
  for (let round = 0; round < 4; round++) {
    for (const text of deep) assert.match(refusal(text), /nested too deeply/);
  }
  const wide = Array.from({ length: 5_000 }, (_, i) => `id = ${i}`).join(" or ");
  assert.equal(parseWhere(wide, new Map(), ITEMS).columns.length, 1);
  assert.equal(sqlOf(`id in (${Array.from({ length: 9_000 }, (_, i) => i)})`).length > 9_000, true);
});
