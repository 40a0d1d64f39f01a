/** What the expressions of tests/fixtures/where are about: columns and their values. */

import { readProjectFile } from "../support/source_tree.ts";
import type { TableColumn } from "../../shapes/table.ts";

type ExpressionColumn = Partial<TableColumn> & { name: string; sqlType: string };

export interface ExpressionGroup {
  readonly name: string;
  readonly columns: readonly ExpressionColumn[];
  readonly rows: readonly (readonly (string | null)[])[];
}

/** A group's expressions: the lines of its file. */
export function expressionsOf({ name }: ExpressionGroup): string[] {
  return readProjectFile(`tests/fixtures/where/${name}.sql`).trimEnd().split("\n");
}

/** Types, and a function that tells `e` for an error. */
export const PREPARATION = `
  CREATE TYPE where_mood AS ENUM ('sad', 'ok', 'it''s');
  CREATE TYPE where_pair AS (x int, y text);
  CREATE EXTENSION citext;
  CREATE FUNCTION try_where(expression text, source text, row_id int) RETURNS text
  LANGUAGE plpgsql AS $$
  DECLARE answer bool;
  BEGIN
    EXECUTE format('SELECT (%s) FROM %I WHERE id = $1', expression, source) INTO answer USING row_id;
    RETURN CASE WHEN answer THEN 't' WHEN NOT answer THEN 'f' END;
  EXCEPTION WHEN data_exception OR program_limit_exceeded OR feature_not_supported THEN RETURN 'e';
  END $$`;

function column(name: string, sqlType: string, fields: Partial<TableColumn> = {}) {
  const typeName = sqlType.replace(/\[\]|\(.*/, ""), dims = sqlType.endsWith("[]") ? 1 : 0;
  return { name, sqlType, typeName, baseTypeName: typeName, dims, ...fields };
}

/** Rows that take all values of each column, in changing company. */
function rowsOf(...values: readonly (readonly (string | null)[])[]): (string | null)[][] {
  const all = values.map((list) => [...list, null]);
  const longest = Math.max(...all.map((list) => list.length));
  return Array.from(
    { length: longest * 3 },
    (_, i) => all.map((list, j) => list[(i * (j + 1) + (i >= longest ? j : 0)) % list.length]),
  );
}

const numbers: ExpressionGroup = {
  name: "numbers",
  columns: [
    column("s", "int2"),
    column("i", "int4"),
    column("b", "int8"),
    column("f", "float8"),
    column("g", "float4"),
    column("n", "numeric"),
  ],
  rows: rowsOf(
    ["0", "1", "-1", "32767", "-32768", "7"],
    ["0", "1", "-1", "2147483647", "-2147483648", "-7", "46341"],
    ["0", "1", "-9223372036854775808", "9223372036854775807", "9007199254740993", "3037000500"],
    ["0", "-0", "0.1", "1e308", "-1e-320", "NaN", "Infinity", "-Infinity", "1.5", "-7.25"],
    ["0", "0.1", "3e38", "1e-45", "NaN", "-Infinity", "16777217"],
    ["0", "1.0", "-0.5", "NaN", "Infinity", "12345678901234567890.12345", "1e-20", "9"],
  ),
};

const text: ExpressionGroup = {
  name: "text",
  columns: [
    column("v", "text"),
    column("w", "varchar"),
    column("c", "char(5)", { typeName: "bpchar", baseTypeName: "bpchar" }),
    column("i", "int4"),
  ],
  rows: rowsOf(
    [
      "",
      "apple",
      "APPLE",
      "Kiwi",
      "é É",
      "a%b",
      "x_y",
      "a.b,c",
      "😀a",
      "12",
      "\u212a",
      "İ",
      "straße",
    ],
    ["", "apple", "%", "a_", "pp", "\\", "É", "a", "12"],
    ["", "a", "ab", "é"],
    ["0", "1", "2", "-1", "5"],
  ),
};

const MOMENTS = [
  "1970-01-01 00:00:00",
  "2024-02-29 12:00:00.5",
  "2024-03-31 02:30:00",
  "0044-03-15 12:30:00 BC",
  "infinity",
  "-infinity",
  "294276-12-31 23:59:59.999999",
];

const moments: ExpressionGroup = {
  name: "moments",
  columns: [
    column("d", "date"),
    column("t", "time"),
    column("ts", "timestamp"),
    column("tz", "timestamptz"),
    column("iv", "interval"),
    column("i", "int4"),
  ],
  rows: rowsOf(
    ["1970-01-01", "2024-02-29", "0044-03-15 BC", "infinity", "5874897-12-31", "2024-01-31"],
    ["00:00:00", "12:00:00.5", "23:59:59.999999", "24:00:00"],
    MOMENTS,
    [
      "2024-10-27 00:30:00+00",
      "2024-03-31 01:00:00+00",
      "1970-01-01 00:00:00+00",
      "infinity",
      "0044-03-15 12:00:00+00 BC",
    ],
    ["0", "1 day", "24 hours", "1 month", "-1 year", "30 days", "1.5 seconds"],
    ["0", "1", "-1", "31", "2147483647"],
  ),
};

const arrays: ExpressionGroup = {
  name: "arrays",
  columns: [
    column("a", "int4[]"),
    column("x", "text[]"),
    column("n", "numeric[]"),
    column("m", "where_mood[]", { typeName: "where_mood", typeKind: "e", typeSchema: "public" }),
    column("f", "float8[]"),
    column("i", "int4"),
    column("v", "text"),
  ],
  rows: rowsOf(
    ["{}", "{1}", "{1,2}", "{2,NULL}", "{{1,2},{3,4}}", "[0:1]={1,2}", "{NULL}", "{2,1,1}"],
    ["{}", "{a}", '{"a b","",NULL}', '{"null","NULL","\\\\","\\"",é}', "{a,b,c}", '{"{a}","b,c"}'],
    ["{}", "{1.0,2}", "{1,2.00}", "{NaN}", "{1e10,NULL}"],
    ["{}", "{sad}", '{ok,"it\'s"}', "{NULL,sad}"],
    ["{}", "{0}", "{-0,1.5}", "{NaN,Infinity}"],
    ["0", "1", "2", "3"],
    ["", "a", "a b", "NULL", "{a}", "\\", "é"],
  ),
};

const json: ExpressionGroup = {
  name: "json",
  columns: [column("j", "jsonb"), column("k", "json"), column("v", "text"), column("i", "int4")],
  rows: rowsOf(
    [
      "null",
      "1",
      '"a"',
      "[]",
      '{"a": 1}',
      '{"a": {"b": [1, 2, null]}, "c": "x"}',
      '[1, "a", {"a": 2}]',
      '{"a": "1.50"}',
      "true",
      '{"a": null}',
      '{"n": 12345678901234567890.5}',
    ],
    ['{"a": 1}', '{"b": [1]}', "[]", "null"],
    ["a", "b", "c", "{a,b}"],
    ["0", "1", "-1"],
  ),
};

const ranges: ExpressionGroup = {
  name: "ranges",
  columns: [
    column("r", "int4range", { typeKind: "r" }),
    column("n", "numrange", { typeKind: "r" }),
    column("ts", "tsrange", { typeKind: "r" }),
    column("mr", "int4multirange", { typeKind: "m" }),
    column("i", "int4"),
    column("ip", "inet"),
    column("net", "cidr"),
  ],
  rows: rowsOf(
    ["empty", "[1,5)", "(,3]", "[3,)", "(,)"],
    ["empty", "[1.5,2.5]", "(1.5,2.5)"],
    ["empty", "[2024-01-01,2024-02-01)", "[2024-01-15,infinity]"],
    ["{}", "{[1,3),[5,7)}", "{(,)}"],
    ["0", "1", "3", "5"],
    ["10.0.0.1", "10.1.2.3/8", "::1", "192.168.1.5"],
    ["10.0.0.0/8", "192.168.0.0/16", "::/0"],
  ),
};

const others: ExpressionGroup = {
  name: "others",
  columns: [
    column("m", "where_mood", { typeKind: "e", typeSchema: "public" }),
    column("ci", "citext", { typeSchema: "public" }),
    column("p", "where_pair", { typeKind: "c", typeSchema: "public" }),
    column("u", "uuid"),
    column("y", "bytea"),
    column("bits", "bit(3)"),
    column("b", "bool"),
    column("v", "text"),
    column("q", "point"),
    column("tsv", "tsvector"),
  ],
  rows: rowsOf(
    ["sad", "ok", "it's"],
    ["a", "A", "É", "", "Ab"],
    ["(1,a)", "(,)", "(2,)", '(1,"x y")'],
    ["a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", "00000000-0000-0000-0000-000000000001"],
    ["\\x", "\\xdead", "\\x00ff"],
    ["000", "101", "111"],
    ["t", "f"],
    ["a", "A", "é", "b", "t"],
    ["(1,2)", "(0,0)"],
    ["'cat':1 'dog':2", ""],
  ),
};

export const EXPRESSION_GROUPS: readonly ExpressionGroup[] = [
  numbers,
  text,
  moments,
  arrays,
  json,
  ranges,
  others,
];
