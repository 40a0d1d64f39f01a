import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
import { PageCache } from "../../shapes/log/page_cache.ts";
import { TailBudget } from "../../shapes/log/tail.ts";
import type { DefinitionRequest } from "../../shapes/service.ts";
import { Shape } from "../../shapes/shape.ts";
import { ShapeIndex } from "../../shapes/shape_index.ts";
import { DrivenStore } from "../support/driven_store.ts";
import { definition, request, table } from "../support/shape_fixture.ts";

function make(handle: string, of = table()): Shape {
  const store = new DrivenStore();
  const resources = { store, tails: new TailBudget(), pages: new PageCache(), chunkBytes: 1e6 };
  return new Shape(handle, definition(of), resources, 0);
}

Deno.test("ShapeIndex finds a shape by all it is looked up by, until it is removed", () => {
  const index = new ShapeIndex();
  const [a, b] = [make("1-1"), make("2-1")];
  index.add(a, "a");
  index.add(b, "b");
  equal(index.byHandle("1-1"), a);
  equal(index.byDefinition("b"), b);
  deepEqual(index.onTable(5000), [a, b]);
  equal(index.tableByName({ schema: "public", name: "items" })?.oid, 5000);
  deepEqual([index.size, [...index.shapes]], [2, [a, b]]);
  index.remove(a, "a");
  deepEqual([index.byHandle("1-1"), index.byDefinition("a")], [undefined, undefined]);
  deepEqual(index.onTable(5000), [b]);
  index.remove(b, "b");
  deepEqual([index.size, [...index.tables], index.onTable(5000)], [0, [], []]);
});

Deno.test("ShapeIndex.remove() leaves what has taken the shape's place", () => {
  const index = new ShapeIndex();
  const [old, now] = [make("1-1"), make("1-2", table({ oid: 7000 }))];
  index.add(old, "same");
  index.add(now, "same");
  index.remove(old, "same");
  equal(index.byDefinition("same"), now);
  equal(index.tableByName({ schema: "public", name: "items" })?.oid, 7000);
});

Deno.test("ShapeIndex remembers requests, and takes no request for another", () => {
  const one: readonly Partial<DefinitionRequest>[] = [
    {},
    { table: "other" },
    { where: "n = 1" },
    { columns: "id" },
    { columns: ["id"] },
    { queryableColumns: "id" },
    { replica: "full" },
    { log: "changes_only" },
    { where: "n = $1", params: new Map([["1", "a"]]) },
    { where: "n = $1", params: new Map([["1", "a"], ["2", "b"]]) },
    { where: "n = $1", params: new Map([["1", "a\0p2\0b"]]) },
    { where: "n = $1", params: new Map([["1", 'a"],["2","b']]) },
  ];
  const index = new ShapeIndex();
  const shapes = one.map((changed, i) => {
    const shape = make(`${i}-1`);
    index.remember(request(changed), shape);
    return shape;
  });
  one.forEach((changed, i) => equal(index.byRequest(request(changed)), shapes[i]));
  equal(index.byRequest(request({ where: "n = 2" })), undefined);
});

Deno.test("I10: ShapeIndex remembers no more requests than fit", () => {
  const index = new ShapeIndex();
  const shape = make("1-1");
  const where = (i: number) => `n = ${i} ${" ".repeat(10_000)}`;
  for (let i = 0; i < 5_000; i++) index.remember(request({ where: where(i) }), shape);
  let remembered = 0;
  for (let i = 0; i < 5_000; i++) if (index.byRequest(request({ where: where(i) }))) remembered++;
  equal(remembered < 2_000, true, `${remembered} requests of 10 KB each`);
});
