/** Reads how many tests passed from what test runners print. */

export interface Counts {
  readonly passed: number;
  readonly failed: number;
}

export function addCounts(a: Counts, b: Counts): Counts {
  return { passed: a.passed + b.passed, failed: a.failed + b.failed };
}

/** As `deno test` ends, `ok | 5 passed (2 steps) | 1 failed`, or as our own runs do. */
const SUMMARY = /(\d+) passed(?: \(\d+ steps?\))?(?: \||,) (\d+) failed/g;
// deno-lint-ignore no-control-regex
const COLOR = /\x1b\[[\d;]*m/g;

/** The last summary in the output; undefined if there is none. */
export function readCounts(output: string): Counts | undefined {
  const last = [...output.replaceAll(COLOR, "").matchAll(SUMMARY)].at(-1);
  return last && { passed: Number(last[1]), failed: Number(last[2]) };
}

/**
 * What a finished process counts for: its own summary, or itself as one when it has none. A process
 * that failed counts at least one failure.
 */
export function judgeRun(output: string, isSuccess: boolean): Counts {
  const counts = readCounts(output) ?? { passed: isSuccess ? 1 : 0, failed: 0 };
  return isSuccess ? counts : { passed: counts.passed, failed: Math.max(1, counts.failed) };
}

export function formatCounts({ passed, failed }: Counts): string {
  return `${passed} passed, ${failed} failed`;
}
