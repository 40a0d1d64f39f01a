import assert from "node:assert/strict";
import { readProjectFile } from "../../support/source_tree.ts";
import { formatWherePage } from "../../support/where_page.ts";

Deno.test("docs/WHERE.md is what `deno task docs` writes", () => {
  const page = readProjectFile("docs/WHERE.md");
  assert(page === formatWherePage(), "It is not: run `deno task docs`");
  for (const name of ["`~*`", "`@>`", "`jsonb_path_exists`", "`date_trunc`", "`length(text)`"]) {
    assert(page.includes(name), name);
  }
  assert(!page.includes("`now`") && !page.includes("`random`"));
});
