import { throws } from "node:assert/strict";
import { warmUp } from "../../cli/warm_up.ts";
import { loadParser } from "../../shapes/where/parse.ts";

await loadParser();

Deno.test("warmUp() syncs made-up rows without leaving a file behind", async () => {
  await warmUp(new AbortController().signal);
  throws(() => Deno.statSync(":memory:"), Deno.errors.NotFound);
});

Deno.test("warmUp() ends at once when the process is about to", async () => {
  await warmUp(AbortSignal.abort());
});
