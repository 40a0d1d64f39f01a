import { strictEqual as equal } from "node:assert/strict";
import { resolveDefinition } from "../../../shapes/definition.ts";
import {
  isRelationCompatible,
  isTableCompatible,
  needsColumns,
} from "../../../shapes/routing/compatibility.ts";
import { Row, UNCHANGED_LENGTH } from "../../../shapes/row.ts";
import type { DefinitionRequest } from "../../../shapes/service.ts";
import { loadParser } from "../../../shapes/where/parse.ts";
import { RULES } from "../../support/ingest_world.ts";
import { type ColumnSketch, relation, request, table } from "../../support/shape_fixture.ts";

await loadParser();

const COLUMNS: readonly ColumnSketch[] = [
  { name: "id", typeName: "int4", keyIndex: 0 },
  { name: "n", typeName: "int4" },
  { name: "v", typeName: "varchar", typeMod: 24 },
];
const BASE = table({ columns: COLUMNS });
const SHAPES = {
  all: {},
  own: { columns: "id,v" },
  filtered: { columns: "id,v", where: "n = 1" },
} satisfies Record<string, Partial<DefinitionRequest>>;
type Kind = keyof typeof SHAPES;

const edit = (name: string, changed: Partial<ColumnSketch>) =>
  COLUMNS.map((column) => column.name === name ? { ...column, ...changed } : column);
const without = (name: string) => COLUMNS.filter((column) => column.name !== name);

/** What was done to the table, and which shapes it leaves alone. */
const CASES: readonly (readonly [what: string, readonly ColumnSketch[], readonly Kind[]])[] = [
  ["nothing", COLUMNS, ["all", "own", "filtered"]],
  ["other order", [...COLUMNS].reverse(), ["all", "own", "filtered"]],
  ["made not null", edit("n", { isNotNull: true }), ["all", "own", "filtered"]],
  ["column added", [...COLUMNS, { name: "w" }], ["own", "filtered"]],
  ["unselected column dropped", without("n"), ["own"]],
  ["unselected column retyped", edit("n", { typeName: "int8" }), ["own"]],
  ["unselected column renamed", edit("n", { name: "m" }), ["own"]],
  ["selected column dropped", without("v"), []],
  ["selected column retyped", edit("v", { typeName: "text" }), []],
  ["selected column lengthened", edit("v", { typeMod: 34 }), []],
  ["selected column renamed", edit("v", { name: "w" }), []],
  ["one column for another", edit("n", { name: "m" }), ["own"]],
];

Deno.test("isRelationCompatible() and isTableCompatible() end just the shapes that must end", () => {
  for (const [what, columns, kept] of CASES) {
    const now = table({ columns });
    for (const [kind, wish] of Object.entries(SHAPES)) {
      const definition = resolveDefinition(request(wish), BASE, RULES);
      const expected = kept.some((each) => each === kind);
      equal(isRelationCompatible(definition, relation(now)), expected, `${what}: ${kind}, stream`);
      equal(isTableCompatible(definition, now), expected, `${what}: ${kind}, catalog`);
    }
  }
});

Deno.test("isRelationCompatible() ends shapes of a renamed table, not those above a partition", () => {
  const definition = resolveDefinition(request(), BASE, RULES);
  const announced = relation(BASE);
  equal(isRelationCompatible(definition, { ...announced, name: "renamed" }), false);
  equal(isRelationCompatible(definition, { ...announced, schema: "moved" }), false);
  equal(isRelationCompatible(definition, { ...announced, oid: 9, name: "partition" }), true);
});

Deno.test("isTableCompatible() ends shapes of a renamed, replaced or differently keyed table", () => {
  const definition = resolveDefinition(request({ columns: "id,v" }), BASE, RULES);
  equal(isTableCompatible(definition, { ...BASE, name: "renamed" }), false);
  equal(isTableCompatible(definition, { ...BASE, oid: 9 }), false);
  const columns = edit("id", { keyIndex: null });
  equal(isTableCompatible(definition, table({ columns })), false);
  equal(isTableCompatible(definition, table({ columns: edit("n", { keyIndex: 1 }) })), false);
  const generated = edit("v", { generated: "stored" });
  equal(isTableCompatible(definition, table({ columns: generated })), false);
});

Deno.test("needsColumns() looks at what is selected or filtered by", () => {
  const places = new Map(BASE.columns.map(({ name }, i) => [name, i]));
  const row = new Row(new Uint8Array(3), [0, 1, 2], [1, UNCHANGED_LENGTH, 1]);
  const needs = (wish: Partial<DefinitionRequest>) =>
    needsColumns(
      resolveDefinition(request(wish), BASE, RULES),
      row,
      (name) => places.get(name) ?? -1,
    );
  equal(needs(SHAPES.all), true);
  equal(needs(SHAPES.own), false);
  equal(needs(SHAPES.filtered), true);
});
