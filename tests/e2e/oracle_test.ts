import { runOracle } from "../support/oracle.ts";

/** The same worlds in every run; fresh ones are for `deno task soak`. */
const SEEDS = [1, 2, 3, 4];

for (const seed of SEEDS) {
  Deno.test(`every shape's log replays to what Postgres selects, seed ${seed}`, async () => {
    await runOracle({ seed, shapes: 12, rounds: 6, roundMs: 500 });
  });
}
