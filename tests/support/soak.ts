/** `deno task soak [MINUTES]`: the oracle with fresh seeds until the time is over. */

import { runOracle } from "./oracle.ts";

const minutes = Number(Deno.args[0] ?? 10);
const deadline = Date.now() + minutes * 60_000;
let runs = 0;
while (Date.now() < deadline) {
  const seed = crypto.getRandomValues(new Uint32Array(1))[0];
  const hasFaults = ++runs % 3 !== 0;
  console.log(`run ${runs}, seed ${seed}${hasFaults ? ", with faults" : ""}`);
  await runOracle({ seed, shapes: 30, rounds: 15, roundMs: 1_000, hasFaults });
}
console.log(`${runs} runs`);
Deno.exit(0);
