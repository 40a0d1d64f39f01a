/**
 * The outage scoreboard: `deno task outage [--only 3,6] [--quick] [--rows N] [--json FILE] [--write]`.
 * Breaks Postgres, the network and the server, case by case, and measures what clients notice. The
 * last line is `N passed, N failed`. docs/OUTAGES.md tells how it measures; `--write` puts the table
 * there.
 */

import { formatCounts } from "../support/test_counts.ts";
import { type Arguments, chooseCases, parseArguments } from "./arguments.ts";
import { CASES } from "./cases.ts";
import { type CaseFigures, judge } from "./figures.ts";
import { formatCase, formatTable } from "./report.ts";
import { runCase, type RunOptions } from "./run_case.ts";
import { writePage } from "./page.ts";

/** The server's default of `--fallback-interval`. */
const REQUIREMENTS = { intervalS: 2 };
/** Of a fault's time. A half-open socket's 25 s become 4: enough to be stale if nobody notices. */
const QUICK_SHARE = 0.16;

function runOptions({ isQuick, rows }: Arguments): RunOptions {
  return isQuick
    ? {
      faultMs: (seconds) => seconds * 1_000 * QUICK_SHARE,
      rows,
      windowMs: 4_000,
      windowAfterMs: 2_000,
      patienceMs: 15_000,
      newClientIntervalMs: 1_000,
    }
    : {
      faultMs: (seconds) => seconds * 1_000,
      rows,
      windowMs: 10_000,
      windowAfterMs: 5_000,
      patienceMs: 120_000,
      newClientIntervalMs: 2_000,
    };
}

async function main(args: Arguments): Promise<boolean> {
  const options = runOptions(args);
  const results: CaseFigures[] = [];
  let broken = 0;
  for (const outage of chooseCases(CASES, args.only)) {
    try {
      const figures = await runCase(outage, options);
      results.push(figures);
      console.log(formatCase(figures, judge(figures, REQUIREMENTS)));
    } catch (error) {
      broken++;
      console.error(`${outage.id}. ${outage.title}: could not be run`, error);
    }
  }
  const failed = results.filter((figures) => judge(figures, REQUIREMENTS).length > 0).length;
  console.log(`\n${formatTable(results, REQUIREMENTS)}\n`);
  if (args.jsonPath) {
    await Deno.writeTextFile(args.jsonPath, `${JSON.stringify(results, null, 2)}\n`);
  }
  if (args.writesPage) await writePage(results, REQUIREMENTS);
  console.log(formatCounts({ passed: results.length - failed, failed: failed + broken }));
  return failed + broken === 0;
}

if (import.meta.main) Deno.exit(await main(parseArguments(Deno.args)) ? 0 : 1);
