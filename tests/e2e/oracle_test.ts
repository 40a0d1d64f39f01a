import { runOracle } from "../support/oracle.ts";

/** The same worlds in every run; fresh ones are for `deno task soak`. */
const SEEDS = [1, 2, 3, 4];
const FAULT_SEEDS = [5, 6];

for (const seed of SEEDS) {
  Deno.test(`every shape's log replays to what Postgres selects, seed ${seed}`, async () => {
    await runOracle({ seed, shapes: 12, rounds: 6, roundMs: 500 });
  });
}

for (const seed of FAULT_SEEDS) {
  Deno.test(`every shape's log does so when the stream breaks off, seed ${seed}`, async () => {
    await runOracle({ seed, shapes: 12, rounds: 8, roundMs: 500, hasFaults: true });
  });
}
