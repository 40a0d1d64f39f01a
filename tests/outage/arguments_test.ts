import assert from "node:assert/strict";
import { chooseCases, parseArguments } from "./arguments.ts";
import { CASES } from "./cases.ts";

Deno.test("parseArguments() has 2 million rows, fewer when quick, and as many as are asked for", () => {
  assert.equal(parseArguments([]).rows, 2_000_000);
  assert.equal(parseArguments(["--quick"]).rows, 50_000);
  assert.equal(parseArguments(["--quick", "--rows", "7"]).rows, 7);
  assert.deepEqual(parseArguments(["--only", "3, 7a", "--json", "x.json", "--write"]), {
    only: ["3", "7a"],
    isQuick: false,
    rows: 2_000_000,
    jsonPath: "x.json",
    writesPage: true,
  });
});

Deno.test("parseArguments() refuses what it doesn't know", () => {
  assert.throws(() => parseArguments(["--fast"]), TypeError);
  assert.throws(() => parseArguments(["--rows", "many"]), TypeError);
});

Deno.test("chooseCases() takes a number for all its letters and keeps the order", () => {
  const ids = (only: readonly string[] | undefined) => chooseCases(CASES, only).map(({ id }) => id);
  assert.deepEqual(ids(["11b", "7", "3"]), ["3", "7a", "7b", "11b"]);
  assert.deepEqual(ids(["1"]), ["1"]);
  assert.equal(ids(undefined).length, CASES.length);
  assert.throws(() => ids(["13"]), TypeError);
});

Deno.test("every case has an id of its own", () => {
  assert.equal(new Set(CASES.map(({ id }) => id)).size, CASES.length);
});
