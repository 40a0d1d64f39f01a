import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
import { RelationRoutes } from "../../../shapes/routing/relation_routes.ts";
import { rowOfTexts } from "../../../shapes/row.ts";
import { loadParser } from "../../../shapes/where/parse.ts";
import { IngestWorld } from "../../support/ingest_world.ts";
import { relation, table } from "../../support/shape_fixture.ts";

await loadParser();

function found(routes: RelationRoutes, ...texts: (string | null)[]): string[] {
  const handles: string[] = [];
  routes.route(rowOfTexts(texts), ({ shape }) => handles.push(shape.handle));
  return handles.sort();
}

Deno.test("RelationRoutes finds the shapes that a row belongs to, each once", () => {
  const world = new IngestWorld();
  const routes = new RelationRoutes(relation(table()));
  const wishes = [{}, { where: "n = 1" }, { where: "n > 0" }, { where: "n = 1 OR v = 'x'" }];
  for (const wish of wishes) equal(routes.add(world.make(table(), wish)), true);
  equal(routes.size, 4);
  deepEqual(found(routes, "1", "1", "x"), ["1-1", "2-1", "3-1", "4-1"]);
  deepEqual(found(routes, "1", "0", "x"), ["1-1", "4-1"]);
  deepEqual(found(routes, "1", null, null), ["1-1"]);
});

Deno.test("RelationRoutes reads columns by name, in whatever order they come", () => {
  const world = new IngestWorld();
  const of = table();
  const columns = [...relation(of).columns].reverse();
  const routes = new RelationRoutes(relation(of, { columns }));
  routes.add(world.make(of, { where: "n = 1" }));
  deepEqual(found(routes, "x", "1", "7"), ["1-1"]);
  deepEqual(found(routes, "1", "7", "1"), []);
});

Deno.test("RelationRoutes takes a shape once, and none that does not fit", () => {
  const world = new IngestWorld();
  const routes = new RelationRoutes(relation(table()));
  const shape = world.make(table());
  equal(routes.add(shape), true);
  equal(routes.add(shape), true);
  equal(routes.size, 1);
  deepEqual(found(routes, "1", null, null), ["1-1"]);
  const other = table({ columns: [{ name: "id", typeName: "int8", keyIndex: 0 }] });
  equal(routes.add(world.make(other)), false);
  equal(routes.size, 1);
});

Deno.test("RelationRoutes forgets a removed shape", () => {
  const world = new IngestWorld();
  const routes = new RelationRoutes(relation(table()));
  const [a, b] = [world.make(table(), { where: "n = 1" }), world.make(table(), { where: "n = 1" })];
  routes.add(a);
  routes.add(b);
  routes.remove(a);
  routes.remove(a);
  deepEqual(found(routes, "1", "1", null), [b.handle]);
  deepEqual([...routes.targets].map(({ shape }) => shape), [b]);
});
