import assert from "node:assert/strict";
import { parse } from "yaml";
import {
  assertMatches,
  findErrors,
  readSchema,
  type Schema,
  SCHEMA_NAMES,
} from "./json_schemas.ts";
import { readProjectFile } from "./source_tree.ts";

const UNREACHABLE = { status: "unreachable", error: "nothing listens there" };

interface Properties {
  readonly required: readonly string[];
  readonly properties: Readonly<Record<string, Schema & { items: Properties }>>;
}

/** Read by name below; a wrong shape makes the comparison fail. */
const propertiesOf = (schema: unknown) => schema as Properties;

for (const name of SCHEMA_NAMES) {
  Deno.test(`docs/schemas/${name}.json is a schema of its draft, refuses what is none, and is linked`, () => {
    const schema = readSchema(name);
    assert.equal(schema.$schema, "https://json-schema.org/draft/2020-12/schema");
    for (const other of [null, [], "text", {}, { status: "other" }]) {
      assert(findErrors(schema, other), JSON.stringify(other));
    }
    assert(readProjectFile("docs/CLI.md").includes(`(schemas/${name}.json)`));
  });
}

Deno.test("a document may have more than its schema says, but none of ours does", () => {
  const more = { ...UNREACHABLE, future: 1 };
  assertMatches("status", UNREACHABLE);
  assert.equal(findErrors(readSchema("status"), more), undefined);
  assert.throws(() => assertMatches("status", more), /NOT have additional properties/);
  assert.throws(() => assertMatches("status", { status: "unreachable" }), /error/);
});

Deno.test("shapes have the names that docs/openapi.yaml has", () => {
  const { components } = parse(readProjectFile("docs/openapi.yaml"));
  const { Shape, ShapeDetail, Process, Status } = components.schemas;
  const listed = propertiesOf(readSchema("shapes")).properties.shapes.items;
  assert.deepEqual(listed.required, [...Shape.required, "changes_per_second"]);
  const ofOne = [...Shape.required, ...ShapeDetail.allOf[1].required, "items", "row_count"];
  assert.deepEqual(readSchema("shape").required, ofOne);
  const { status } = Object(readSchema("status").$defs);
  assert.deepEqual(status.required, [...Status.required, "process"]);
  assert.deepEqual(status.properties.process.required, Process.required);
});
