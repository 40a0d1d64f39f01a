/**
 * `deno task soak [MINUTES]`: the oracle and the simulation of reconciling, with fresh seeds, until the
 * time is over.
 */

import { loadParser } from "../../shapes/where/parse.ts";
import { runOracle } from "./oracle.ts";
import { Random } from "./random.ts";
import { simulate } from "./reconcile_simulation.ts";

const SIMULATIONS = 5;

await loadParser();

const minutes = Number(Deno.args[0] ?? 10);
const deadline = Date.now() + minutes * 60_000;
let runs = 0;
while (Date.now() < deadline) {
  const seed = crypto.getRandomValues(new Uint32Array(1))[0];
  const hasFaults = ++runs % 3 !== 0;
  console.log(`run ${runs}, seed ${seed}${hasFaults ? ", with faults" : ""}`);
  for (let i = 0; i < SIMULATIONS; i++) {
    for (const shape of [{}, { replica: "full" }, { where: "n > 20" }] as const) {
      await simulate(new Random(seed + i), shape, 400).catch((cause) => {
        throw new Error(`Simulation, seed ${seed + i}, ${JSON.stringify(shape)}`, { cause });
      });
    }
  }
  await runOracle({ seed, shapes: 30, rounds: 15, roundMs: 1_000, hasFaults });
}
console.log(`${runs} runs`);
Deno.exit(0);
