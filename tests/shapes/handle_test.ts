import { match, notStrictEqual as notEqual, ok, strictEqual as equal } from "node:assert/strict";
import { createHandleMaker } from "../../shapes/handle.ts";

Deno.test("createHandleMaker() names the definition's hash and the microseconds of the making", () => {
  const make = createHandleMaker(() => 1_721_812_114_261.5);
  match(make("a definition"), /^\d{1,9}-1721812114261500$/);
  const [hash] = make("a definition").split("-");
  ok(Number(hash) < 2 ** 27);
  equal(make("a definition").split("-")[0], hash);
  notEqual(make("another").split("-")[0], hash);
});

Deno.test("createHandleMaker() never makes a handle twice, though the clock stands or goes back", () => {
  const times = [5, 5, 5, 4, 3, 5.001, 100];
  let i = 0;
  const make = createHandleMaker(() => times[i++]);
  const handles = times.map(() => make("same"));
  equal(new Set(handles).size, times.length);
  equal(handles.at(-1)?.split("-")[1], "100000");
});
