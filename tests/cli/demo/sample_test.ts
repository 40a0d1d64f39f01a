import assert from "node:assert/strict";
import { nextWrite } from "../../../cli/demo/sample.ts";

Deno.test("nextWrite() makes every kind of change, of the tables of the demo only", () => {
  const seen = new Set<string>();
  for (let i = 0; i < 100; i++) {
    let calls = 0;
    const statement = nextWrite(() => (i + 31 * calls++) % 100 / 100);
    const [, verb, table] = /^(INSERT INTO|UPDATE|DELETE FROM) (\w+)/.exec(statement) ?? [];
    seen.add(`${verb} ${table}`);
  }
  assert.deepEqual([...seen].toSorted(), [
    "DELETE FROM issues",
    "INSERT INTO comments",
    "INSERT INTO issues",
    "UPDATE issues",
  ]);
});
