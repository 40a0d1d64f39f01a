import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
import { canonicalText, resolveDefinition } from "../../shapes/definition.ts";
import type { DefinitionRequest } from "../../shapes/service.ts";
import { formatStoredDefinition, parseStoredDefinition } from "../../shapes/stored_definition.ts";
import { loadParser } from "../../shapes/where/parse.ts";
import { RULES } from "../support/ingest_world.ts";
import { request, table } from "../support/shape_fixture.ts";

await loadParser();

const WISHES: readonly Partial<DefinitionRequest>[] = [
  {},
  { columns: "id,v", replica: "full" },
  { queryableColumns: "id,n,v", log: "changes_only" },
  { where: "n > $1 AND v = $2", params: new Map([["1", "5"], ["2", "it's"]]) },
  { where: "v < 'x'" },
];

Deno.test("parseStoredDefinition() brings back the shape that was stored", () => {
  for (const wish of WISHES) {
    const asked = request(wish);
    const definition = resolveDefinition(asked, table({ partitions: [1, 2] }), RULES);
    const restored = parseStoredDefinition(formatStoredDefinition(definition, asked, RULES));
    equal(restored && canonicalText(restored), canonicalText(definition));
    deepEqual(restored, definition);
  }
});

Deno.test("parseStoredDefinition() goes by the rules of when it was stored", () => {
  const of = table({ columns: [{ name: "id", keyIndex: 0 }, { name: "g", generated: "stored" }] });
  const rules = { hasGeneratedColumns: true, isTextOrderBytewise: true };
  const definition = resolveDefinition(request(), of, rules);
  deepEqual(
    parseStoredDefinition(formatStoredDefinition(definition, request(), rules)),
    definition,
  );
});

Deno.test("parseStoredDefinition() gives nothing for what another version wrote", () => {
  const definition = resolveDefinition(request(), table(), RULES);
  const text = formatStoredDefinition(definition, request(), RULES);
  equal(parseStoredDefinition(JSON.stringify({ ...JSON.parse(text), version: 99 })), undefined);
});
