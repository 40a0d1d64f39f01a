/** Types, values and clauses that the filter language is compared with Postgres on. */

export interface TypeCase {
  /** As in CREATE TABLE. */
  readonly sqlType: string;
  /** `pg_type.typname`. */
  readonly typeName: string;
  readonly values: readonly string[];
  /** Texts for constants, besides the values. */
  readonly constants: readonly string[];
  readonly operators: readonly string[];
  readonly columnFields?: Readonly<Record<string, string>>;
}

const COMPARISONS = ["=", "<>", "<", "<=", ">", ">="];
const PATTERNS = ["like", "ilike", "not like", "not ilike"];

const TEXTS = ["", " ", "a", "A", "a ", "ab", "B", "é", "É", "😀", "\uFFFD", "it's", "back\\slash"];
const TEXT_CONSTANTS = ["ａ", "a%", "%a%", "_", "%", "a\\%", "É%", "%_", "i", "İ", "ﬀ", "x;--"];

const MOMENTS = [
  "1970-01-01 00:00:00",
  "1969-12-31 23:59:59.999999",
  "2024-02-29 12:00:00.5",
  "0001-01-01 00:00:00",
  "0044-03-15 12:30:00 BC",
  "4714-11-24 00:00:00 BC",
  "294276-12-31 23:59:59.999999",
  "infinity",
  "-infinity",
];

/** Types whose values only Postgres understands. */
const FOREIGN_CASES: readonly TypeCase[] = [
  {
    typeName: "interval",
    values: ["0", "1 day", "24 hours", "1 month", "30 days", "-1 year", "1.5 seconds"],
    constants: ["P1D", "1 mon -1 day", "178000000 years"],
  },
  {
    typeName: "inet",
    values: ["10.0.0.1", "10.0.0.1/8", "::1", "192.168.0.0/16", "0.0.0.0"],
    constants: ["10.0.0.1/32", "::ffff:10.0.0.1"],
  },
  { typeName: "cidr", values: ["10.0.0.0/8", "10.0.0.0/16", "::/0"], constants: ["10.0.0.0/24"] },
  {
    typeName: "jsonb",
    values: ["null", "1", "1.0", '"a"', "[]", "{}", '{"a": 1}', '{"a": 1, "b": null}', "[1, 2]"],
    constants: ['{"b":null,"a":1}', "true", " 1.00 "],
  },
  {
    typeName: "int4range",
    values: ["empty", "[1,5)", "[1,4]", "(,)", "[3,)"],
    constants: ["(0,5)", "[5,5)"],
  },
  { typeName: "numrange", values: ["empty", "[1.0,2)", "[1,2]"], constants: ["[1,2)"] },
  { typeName: "int4multirange", values: ["{}", "{[1,3),[5,6)}"], constants: ["{[1,2],[5,5]}"] },
  { typeName: "timetz", values: ["12:00+00", "13:00+01", "00:00-05"], constants: ["12:00Z"] },
  {
    typeName: "macaddr",
    values: ["08:00:2b:01:02:03", "ff:ff:ff:ff:ff:ff"],
    constants: ["08002b:010203"],
  },
  { typeName: "varbit", values: ["", "0", "1", "101"], constants: ["1010", "x1F"] },
  { typeName: "pg_lsn", values: ["0/0", "1/2", "FFFFFFFF/0"], constants: ["1/02"] },
  { typeName: "oid", values: ["0", "1", "4294967295"], constants: ["7"] },
].map((each) => ({
  ...each,
  sqlType: each.typeName,
  operators: COMPARISONS,
}));

export const TYPE_CASES: readonly TypeCase[] = [
  {
    sqlType: "bool",
    typeName: "bool",
    values: ["true", "false"],
    constants: ["t", " yes ", "OFF", "0", "fal"],
    operators: COMPARISONS,
  },
  ...([["int2", "32767"], ["int4", "2147483647"], ["int8", "9223372036854775807"]] as const).map((
    [typeName, max],
  ): TypeCase => ({
    sqlType: typeName,
    typeName,
    values: ["0", "1", "-1", "7", max, `-${max.slice(0, -1)}8`],
    constants: [" +1 ", "007", "-0"],
    operators: COMPARISONS,
  })),
  {
    sqlType: "int8",
    typeName: "int8",
    values: ["9007199254740993", "9007199254740992", "999999999999999", "1000000000000000"],
    constants: ["-9007199254740993", "9007199254740991"],
    operators: COMPARISONS,
  },
  {
    sqlType: "numeric",
    typeName: "numeric",
    values: ["0", "1", "1.0", "1.00", "-0.5", "100", "NaN", "Infinity", "-Infinity"],
    constants: ["12345678901234567890.123456789", "1e2", ".5", "5.", "-1.50e-1", "0.1e1", " inf "],
    operators: COMPARISONS,
  },
  {
    sqlType: "numeric",
    typeName: "numeric",
    values: ["99999999999999999999999.1", "99999999999999999999999.2", "1e-30", "-1e30", "10"],
    constants: ["9", "99999999999999999999999.10", "-1000000000000000000000000000000.0"],
    operators: COMPARISONS,
  },
  ...["float4", "float8"].map((typeName): TypeCase => ({
    sqlType: typeName,
    typeName,
    values: ["0", "-0", "0.1", "1.5", "16777217", "NaN", "Infinity", "-Infinity", "1e-30", "3e38"],
    constants: ["1.00000017881393432617187499", "1.000000178813934326171875", "nan", "-inf", "1e1"],
    operators: COMPARISONS,
  })),
  ...["text", "varchar(20)", "name"].map((sqlType): TypeCase => ({
    sqlType,
    typeName: sqlType.replace(/\(.*/, ""),
    values: TEXTS,
    constants: TEXT_CONSTANTS,
    // The collation of `name` is C, in which case is folded for ASCII only.
    operators: [...COMPARISONS, ...PATTERNS].filter((operator) =>
      sqlType !== "name" || !operator.includes("ilike")
    ),
    columnFields: sqlType === "name" ? { collation: "C" } : undefined,
  })),
  {
    sqlType: "char(4)",
    typeName: "bpchar",
    values: ["", "a", "a b", "A", "é", "abcd"],
    constants: ["a ", "a    ", "%", "a%", "a_ _", "a___", "abcd "],
    operators: [...COMPARISONS, ...PATTERNS],
  },
  {
    sqlType: "uuid",
    typeName: "uuid",
    values: [
      "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11",
      "00000000-0000-0000-0000-000000000001",
      "ffffffff-ffff-ffff-ffff-ffffffffffff",
    ],
    constants: [
      "{A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11}",
      "a0eebc999c0b4ef8bb6d6bb9bd380a11",
      "a0ee-bc99-9c0b-4ef8-bb6d-6bb9-bd38-0a11",
    ],
    operators: COMPARISONS,
  },
  {
    sqlType: "bytea",
    typeName: "bytea",
    values: ["\\x", "\\x00", "\\xdead", "\\xde", "\\xdeadff"],
    constants: ["\\xDE AD", "abc\\\\", "\\336\\255", "é"],
    operators: COMPARISONS,
  },
  {
    sqlType: "date",
    typeName: "date",
    values: ["1970-01-01", "2024-02-29", "0001-01-01", "0044-03-15 BC", "5874897-12-31"],
    constants: ["2024-2-9", "20240229", "2024-02-29 23:59:59", "infinity", "-infinity"],
    operators: COMPARISONS,
  },
  {
    sqlType: "time",
    typeName: "time",
    values: ["00:00:00", "12:34:56.789", "23:59:59.999999", "24:00:00"],
    constants: ["1:05", "12:34:56.7890004", "23:59:60", "00:00:00.0000005"],
    operators: COMPARISONS,
  },
  {
    sqlType: "timestamp",
    typeName: "timestamp",
    values: MOMENTS,
    constants: [
      "2024-02-29T12:00:00.5Z",
      "2024-02-29 12:00:00.5+05",
      "1970-1-1",
      "2024-02-28 24:00",
    ],
    operators: COMPARISONS,
  },
  {
    sqlType: "timestamptz",
    typeName: "timestamptz",
    values: MOMENTS.map((moment) => moment.replace(/(\d)( BC)?$/, "$1+00$2")),
    constants: ["1970-01-01 02:00:00+02", "2024-02-29T12:00:00.5-0530", "1970-01-01 00:00:00 UTC"],
    operators: COMPARISONS,
  },
  {
    sqlType: "where_mood",
    typeName: "where_mood",
    values: ["sad", "ok", "it's"],
    constants: [],
    operators: COMPARISONS,
    columnFields: { typeKind: "e", typeSchema: "public" },
  },
  {
    sqlType: "citext",
    typeName: "citext",
    values: ["", "a", "A", "É", "é", "ab"],
    constants: ["AB", "a%", "Ab"],
    operators: [...COMPARISONS, ...PATTERNS],
    columnFields: { typeSchema: "public" },
  },
  ...FOREIGN_CASES,
];

/** Clauses over columns `a` and `b` of the case's type. */
export function clausesOf({ values, constants, operators }: TypeCase): string[] {
  const literals = [...values, ...constants].map(quote);
  const pick = (i: number) => literals[i % literals.length];
  return [
    ...operators.flatMap((operator) => [
      ...literals.map((literal) => `a ${operator} ${literal}`),
      `a ${operator} b`,
      `not (a ${operator} b)`,
      `a ${operator} null`,
    ]),
    ...literals.map((literal) => `${literal} = a`),
    ...["a", "b"].flatMap((column) => [`${column} is null`, `${column} is not null`]),
    ...literals.flatMap((literal, i) => [
      `a in (${literal}, ${pick(i + 1)}, ${pick(i + 2)})`,
      `a not in (${literal}, ${pick(i + 3)})`,
      `a in (${literal}, null)`,
      `a not in (${literal}, null)`,
      `a in (b, ${literal})`,
      `a is distinct from ${literal}`,
      `a is not distinct from ${literal}`,
      `(a = ${literal}) is true`,
      `(a = ${literal}) is not false`,
      `(a = ${literal}) is unknown`,
    ]),
    "a is distinct from b",
    "a is not distinct from null",
    "a = any('{}')",
    "a <> all('{}')",
    ...betweens(operators, pick),
  ];
}

function betweens(operators: readonly string[], pick: (i: number) => string): string[] {
  if (!operators.includes("<")) return [];
  return [0, 1, 2].flatMap((i) =>
    ["between", "not between", "between symmetric", "not between symmetric"].flatMap((word) => [
      `a ${word} ${pick(i)} and ${pick(i + 1)}`,
      `a ${word} ${pick(i + 2)} and b`,
      `a ${word} null and ${pick(i)}`,
    ])
  );
}

/** Clauses over one column of each type, `c_<type>`, where types meet. */
export const MIXED_CLAUSES: readonly string[] = [
  "c_int2 = c_int4",
  "c_int4 < c_int8",
  "c_int8 >= c_int2",
  "c_int4 = 1.0",
  "c_int4 < 1.5",
  "c_int8 = 9223372036854775807",
  "c_int8 = 9223372036854775808",
  "c_int8 = 9007199254740993::float8",
  "c_int2 = 70000",
  "c_float4 = 0.1",
  "c_float4 = '0.1'",
  "c_float4 = 0.1::float4",
  "c_float4 = c_float8",
  "c_float8 > c_numeric",
  "c_float8 = c_int8",
  "c_numeric = c_int4",
  "c_numeric = 0.1::float8",
  "c_int4 in (1, 1.5, 7)",
  "c_int4 in (1, '7')",
  "c_int4 in (1, c_int2)",
  "c_numeric in (1, 0.1::float8)",
  "c_text = c_varchar",
  "c_text = c_bpchar",
  "c_varchar = c_bpchar",
  "c_bpchar = 'a'::text",
  "c_bpchar = 'a '::text",
  "c_bpchar = 'a '",
  "c_name = c_text",
  "c_varchar in ('a', 'b', c_text)",
  "c_text like 'a%' or c_bpchar like 'a%'",
  "c_text like c_varchar",
  "c_date = c_timestamp",
  "c_date < c_timestamptz",
  "c_timestamp >= c_timestamptz",
  "c_timestamp = date '1970-01-01'",
  "c_date = timestamp '1970-01-01 00:00:01'",
  "c_bool",
  "not c_bool",
  "c_bool is not true",
  "c_bool = 't' and c_int4 = 1",
  "c_bool or null",
  "c_bool and null",
  "c_bool::int = 1",
  "c_int4::bool",
  "c_int4::text = '1'",
  "c_int4::text like '_'",
  "c_int4::int8 > 0",
  "c_int4 = any('{1,7,NULL}')",
  "not (c_int4 = any('{1,7,NULL}'))",
  "c_int4 > all(array[0, 1])",
  "c_int4 > any('{5,6}')",
  "c_int4 <> all('{}')",
  "c_text = any('{a,\"b c\",NULL, it''s }')",
  "c_text like any(array['a%', '%b'])",
  "c_int4 = any(array[1, 2.5])",
  "c_uuid::text like 'a0%'",
  "1 = 1",
  "'a' = 'b'",
  "true",
  "false is not false",
  "1 = 1::int8 and 'x'::text = 'x'",
];

export function quote(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}
