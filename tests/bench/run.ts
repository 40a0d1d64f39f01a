/**
 * Runs every benchmark, `tests/bench/*_bench.ts`, one after the other, each in a process of its own:
 * `deno task bench [--tiny] [NAME…]`. Arguments that begin with dashes are passed on; `--tiny` makes
 * a benchmark run once with the smallest sizes. A benchmark reports on stdout and exits with 0.
 */

import { runDeno } from "../support/run_step.ts";
import { startCluster } from "../support/postgres.ts";
import { addCounts, type Counts, formatCounts } from "../support/test_counts.ts";

const FOLDER = new URL("./", import.meta.url);
const SUFFIX = "_bench.ts";
/** For what measures memory. */
const GC = "--v8-flags=--expose-gc";

async function main(args: readonly string[]): Promise<boolean> {
  const flags = args.filter((arg) => arg.startsWith("-"));
  const wanted = args.filter((arg) => !arg.startsWith("-"));
  const files = [...Deno.readDirSync(FOLDER)].map(({ name }) => name)
    .filter((name) => name.endsWith(SUFFIX))
    .filter((name) => wanted.length === 0 || wanted.includes(name.slice(0, -SUFFIX.length)))
    .toSorted();
  const given = Deno.env.get("TEST_DATABASE_URL");
  const env = { TEST_DATABASE_URL: given || (await startCluster()).url() };
  let total: Counts = { passed: 0, failed: 0 };
  for (const file of files) {
    console.log(`\n> ${file} ${flags.join(" ")}`);
    total = addCounts(
      total,
      await runDeno(["run", "-A", GC, new URL(file, FOLDER).href, ...flags], env),
    );
  }
  console.log(`\n${formatCounts(total)}`);
  return total.failed === 0;
}

if (import.meta.main) Deno.exit(await main(Deno.args) ? 0 : 1);
