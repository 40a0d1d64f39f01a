import { runOracle } from "../support/oracle.ts";

/** Found to matter once, or simply fixed: the same worlds in every run. */
const SEEDS = [1, 2, 3, 4];

for (const seed of SEEDS) {
  Deno.test(`every shape's log replays to what Postgres selects, seed ${seed}`, async () => {
    await runOracle({ seed, shapes: 12, rounds: 6, roundMs: 500 });
  });
}

Deno.test("every shape's log replays to what Postgres selects, a fresh seed", async () => {
  const seed = crypto.getRandomValues(new Uint32Array(1))[0];
  console.log(`oracle seed ${seed}`);
  await runOracle({ seed, shapes: 12, rounds: 6, roundMs: 500 });
});
