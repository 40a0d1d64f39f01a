import {
  deepStrictEqual as deepEqual,
  notStrictEqual as notEqual,
  strictEqual as equal,
  throws,
} from "node:assert/strict";
import {
  canonicalText,
  missingTableError,
  parseRequestedTable,
  resolveDefinition,
} from "../../shapes/definition.ts";
import { InvalidRequestError } from "../../shapes/errors.ts";
import type { DefinitionRequest } from "../../shapes/service.ts";
import { loadParser } from "../../shapes/where/parse.ts";
import { RULES } from "../support/ingest_world.ts";
import { request, table } from "../support/shape_fixture.ts";

await loadParser();

const resolve = (changed: Partial<DefinitionRequest> = {}, of = table(), rules = RULES) =>
  resolveDefinition(request(changed), of, rules);

function errorsOf(run: () => unknown): unknown {
  let errors: unknown;
  throws(run, (error) => {
    errors = error instanceof InvalidRequestError ? error.errors : undefined;
    return error instanceof InvalidRequestError;
  });
  return errors;
}

const names = (columns: readonly { name: string }[]) => columns.map(({ name }) => name);

/** A column list and what is wrong with it, for items(id, n, v). */
const REFUSED: readonly (readonly [Partial<DefinitionRequest>, Record<string, string>])[] = [
  [{ columns: "n" }, {
    columns: "The list of columns must include all primary key columns, missing: id",
  }],
  [{ columns: "id,x,y" }, {
    columns: "The following columns are not found on the table: x, y",
  }],
  [{ columns: "id,v,v" }, { columns: "The following columns are not found on the table: v" }],
  [{ columns: "x" }, {
    columns: "The list of columns must include all primary key columns, missing: id",
  }],
  [{ columns: "id,," }, { columns: "Invalid zero-length delimited identifier" }],
  [{ columns: ["id", ""] }, { columns: "Invalid zero-length identifier" }],
  [{ columns: "id,v", queryableColumns: "id,n" }, {
    columns: "The following columns are not found on the table: v",
  }],
  [{ queryableColumns: "n" }, {
    queryable_columns:
      "The list of queryable columns must include all primary key columns, missing: id",
  }],
  [{ queryableColumns: "id,z" }, {
    queryable_columns: "The following queryable columns are not found on the table: z",
  }],
  [{ queryableColumns: [] }, {
    queryable_columns: "The list of queryable columns must not be empty",
  }],
];

Deno.test("resolveDefinition() refuses column lists in the words of the contract", () => {
  for (const [changed, expected] of REFUSED) {
    const [[field, message]] = Object.entries(expected);
    deepEqual(errorsOf(() => resolve(changed)), { [field]: [message] });
  }
});

Deno.test("resolveDefinition() names every missing column of the key", () => {
  const of = table({
    columns: [{ name: "a", keyIndex: 1 }, { name: "b", keyIndex: 0 }, { name: "c" }],
  });
  deepEqual(errorsOf(() => resolve({ columns: "c" }, of)), {
    columns: ["The list of columns must include all primary key columns, missing: b, a"],
  });
  const noKey = table({ columns: [{ name: "a" }, { name: "b" }] });
  deepEqual(errorsOf(() => resolve({ columns: "b" }, noKey)), {
    columns: ["The list of columns must include all primary key columns, missing: a"],
  });
});

const GENERATED = table({
  columns: [
    { name: "id", keyIndex: 0 },
    { name: "z", generated: "stored" },
    { name: "y", generated: "virtual" },
  ],
});

Deno.test("resolveDefinition() takes generated columns only where the stream carries them", () => {
  const message = "The following columns are generated and cannot be included in the shape: ";
  const hint = ". You can exclude them from the shape by explicitly listing which columns to " +
    "fetch in the 'columns' query param";
  const newer = { ...RULES, hasGeneratedColumns: true };
  deepEqual(errorsOf(() => resolve({}, GENERATED)), { columns: [`${message}z, y${hint}`] });
  deepEqual(errorsOf(() => resolve({ columns: "id,z" }, GENERATED)), { columns: [`${message}z`] });
  deepEqual(errorsOf(() => resolve({}, GENERATED, newer)), { columns: [`${message}y${hint}`] });
  deepEqual(names(resolve({ columns: "id" }, GENERATED).columns), ["id"]);
  deepEqual(names(resolve({ columns: "id,z" }, GENERATED, newer).columns), ["id", "z"]);
});

Deno.test("resolveDefinition() sorts the columns and keeps the key in key order", () => {
  const of = table({
    columns: [{ name: "b", keyIndex: 1 }, { name: "c", keyIndex: 0 }, { name: "a" }],
  });
  deepEqual(names(resolve({}, of).columns), ["a", "b", "c"]);
  deepEqual(names(resolve({ columns: "c,b" }, of).columns), ["b", "c"]);
  deepEqual(names(resolve({}, of).key), ["c", "b"]);
  equal(resolve({}, of).hasOwnColumns, false);
  equal(resolve({ columns: "c,b" }, of).hasOwnColumns, true);
  equal(resolve({ queryableColumns: "c,b,a" }, of).hasOwnColumns, true);
});

Deno.test("resolveDefinition() refuses a filter after the columns", () => {
  const bad = { where: "nothing = 1" };
  equal("where" in (errorsOf(() => resolve(bad)) as object), true);
  equal("columns" in (errorsOf(() => resolve({ ...bad, columns: "n" })) as object), true);
});

const canonical = (changed: Partial<DefinitionRequest> = {}, of = table()) =>
  canonicalText(resolve(changed, of));

Deno.test("canonicalText() is one text for one shape, however it was asked for", () => {
  equal(canonical({ columns: "v,id" }), canonical({ columns: ["id", "v"] }));
  equal(canonical({ where: "n = 1" }), canonical({ where: "  N=1 " }));
  equal(
    canonical({ where: "n = $1", params: new Map([["1", "5"]]) }),
    canonical({ where: "n = 5" }),
  );
  const later = table({
    partitions: [1],
    columns: [{ name: "id", typeName: "int4", keyIndex: 0 }, {
      name: "n",
      typeName: "int4",
      isNotNull: true,
    }, { name: "v" }],
  });
  equal(canonical(), canonical({}, later));
});

Deno.test("canonicalText() tells different shapes apart", () => {
  const int8 = table({
    columns: [{ name: "id", typeName: "int8", keyIndex: 0 }, { name: "n", typeName: "int4" }, {
      name: "v",
    }],
  });
  const all = [
    canonical(),
    canonical({ columns: "id,n,v" }),
    canonical({ columns: "id,n" }),
    canonical({ where: "n = 1" }),
    canonical({ where: "n = 2" }),
    canonical({ replica: "full" }),
    canonical({ log: "changes_only" }),
    canonical({}, table({ oid: 5001 })),
    canonical({}, table({ name: "other" })),
    canonical({}, int8),
  ];
  equal(new Set(all).size, all.length);
  notEqual(all[0], all[1]);
});

Deno.test("parseRequestedTable() says under table what is wrong with the name", () => {
  deepEqual(parseRequestedTable("Foo.bar"), { schema: "foo", name: "bar" });
  deepEqual(errorsOf(() => parseRequestedTable("a b")), {
    table: ["Invalid unquoted identifier contains special characters: a b"],
  });
});

Deno.test("missingTableError() quotes names as the contract does", () => {
  deepEqual(missingTableError({ schema: "public", name: 'a"b\\c' }).errors, {
    table: [
      'Table "public"."a\\"b\\\\c" does not exist. If the table name contains capitals or ' +
      "special characters you must quote it.",
    ],
  });
});

Deno.test("resolveDefinition() takes a declared key where queries find the changes", () => {
  const view = table({
    kind: "view",
    columns: [{ name: "a", typeName: "int4" }, { name: "b", typeName: "int4" }, { name: "c" }],
  });
  const queried = { ...RULES, isQueried: true };
  const keyed = resolve({ keyColumns: "b,a" }, view, queried);
  deepEqual([names(keyed.key), keyed.declaredKey], [["b", "a"], ["b", "a"]]);
  const plain = resolve({}, view, queried);
  deepEqual(names(plain.key), ["a", "b", "c"]);
  notEqual(canonicalText(keyed), canonicalText(plain));
  const refused: [Partial<DefinitionRequest>, Record<string, string>][] = [
    [{ keyColumns: "a,z" }, {
      key_columns: "The following key columns are not found on the table: z",
    }],
    [{ keyColumns: [] }, { key_columns: "The list of key columns must not be empty" }],
    [{ keyColumns: "a", columns: "b,c" }, {
      columns: "The list of columns must include all primary key columns, missing: a",
    }],
  ];
  for (const [changed, errors] of refused) {
    const lists = Object.fromEntries(Object.entries(errors).map(([field, e]) => [field, [e]]));
    deepEqual(errorsOf(() => resolve(changed, view, queried)), lists);
  }
  deepEqual(errorsOf(() => resolve({ keyColumns: "n" }, table(), queried)), {
    key_columns: ["The table has a primary key: no other can be declared"],
  });
  deepEqual(errorsOf(() => resolve({ keyColumns: "a" }, view)), {
    key_columns: ["Keys can be declared only where the server runs with --change-source=query"],
  });
});
