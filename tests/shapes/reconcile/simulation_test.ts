import { ok } from "node:assert/strict";
import { loadParser } from "../../../shapes/where/parse.ts";
import { Random } from "../../support/random.ts";
import { simulate } from "../../support/reconcile_simulation.ts";

await loadParser();

const STEPS = 250;
const given = Deno.env.get("TEST_SEED");
const SEEDS = given ? given.split(",").map(Number) : [1, 2];

const SHAPES = [{}, { replica: "full" }, { where: "n > 20" }] as const;

for (const changed of SHAPES) {
  const name = JSON.stringify(changed);
  Deno.test(`I5, I7, I8: a strict client comes to what the database has, whatever happens: ${name}`, async () => {
    const counts: Record<string, number> = {};
    for (const seed of SEEDS) {
      try {
        const found = await simulate(new Random(seed), changed, STEPS);
        for (const [what, count] of Object.entries(found)) {
          counts[what] = (counts[what] ?? 0) + count;
        }
      } catch (error) {
        throw new Error(`Seed ${seed}`, { cause: error });
      }
    }
    if (given) console.log(counts);
    ok(given || counts["reconciled live"] > 0 && counts.crash > 0);
  });
}
