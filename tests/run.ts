/**
 * Runs parts of the test suite: `deno run -A tests/run.ts [PART…]`, by default all that need nothing
 * installed. The last line is `N passed, N failed`, where each of format, lint and types counts as
 * one; the exit code is 1 if anything failed. Parts that need Postgres share one server, of
 * TEST_PG_BIN's version or the embedded one.
 */

import { fileURLToPath } from "node:url";
import { runDeno } from "./support/run_step.ts";
import { startCluster } from "./support/postgres.ts";
import { SealedRoot } from "./support/sealed_root.ts";
import { addCounts, type Counts, formatCounts } from "./support/test_counts.ts";

const ROOT = fileURLToPath(new URL("../", import.meta.url));

/** Types have been checked by then. */
const TEST = ["test", "-A", "--no-check"];

/** They measure time and memory of a server that has the machine for itself. */
const ALONE = ["large", "release", "restart", "schema_change", "wal"]
  .map((name) => `tests/e2e/${name}_test.ts`);

/** Of the source only, whatever TEST_BINARY says. */
const NOT_COMPILED = [
  // A compiled program may run no other, so there is no demo in it: tests/binary has what it says.
  "tests/e2e/demo_test.ts",
  // Whether spans are exported is fixed when a program is compiled, and it was compiled without.
  "tests/e2e/tracing_test.ts",
];

/** The whole processes: most of their time is waiting, so files go side by side where they may. */
function e2eRuns(
  without: readonly string[] = [],
  more: readonly string[] = [],
): readonly (readonly string[])[] {
  // By name: Deno applies `--ignore` to one of several folders only.
  const files = [...Deno.readDirSync(`${ROOT}tests/e2e`)].map(({ name }) => `tests/e2e/${name}`)
    .filter((path) => ![...ALONE, ...without].includes(path)).toSorted();
  return [[...TEST, "--parallel", ...more, ...files], [...TEST, ...ALONE]];
}

const PARTS: Readonly<Record<string, readonly (readonly string[])[]>> = {
  ok: [
    ["fmt", "--check"],
    ["lint"],
    ["check", "."],
    [
      ...TEST,
      "--ignore=tests/pg,tests/e2e,tests/proxy,tests/bench,tests/binary,tests/conformance",
      "tests",
    ],
  ],
  pg: [[...TEST, "--parallel", "tests/pg"]],
  e2e: e2eRuns(),
  proxy: [[...TEST, "tests/proxy"]],
  // Of the kit that is not part of this repository; where it is missing that is said.
  conformance: [[...TEST, "tests/conformance"]],
  // Of the compiled program that TEST_BINARY names.
  binary: [[...TEST, "tests/binary"], ...e2eRuns(NOT_COMPILED, ["tests/conformance"])],
};

/** Of files that go side by side. */
const JOBS = "2";

const DEFAULT_PARTS = ["ok", "pg", "e2e"];

async function main(names: readonly string[]): Promise<boolean> {
  const unknown = names.find((name) => !Object.hasOwn(PARTS, name));
  if (unknown !== undefined) {
    console.error(`Unknown part "${unknown}", expected some of ${Object.keys(PARTS).join(", ")}`);
    return false;
  }
  const parts = names.length > 0 ? names : DEFAULT_PARTS;
  await using sealed = parts.includes("binary") ? await sealBinary() : undefined;
  const env = {
    DENO_JOBS: JOBS,
    ...parts.some((name) => name !== "ok") ? await openServer() : {},
    ...sealed?.env,
  };
  let total: Counts = { passed: 0, failed: 0 };
  for (const args of parts.flatMap((name) => PARTS[name])) {
    console.log(`\n> deno ${args.join(" ")}`);
    total = addCounts(total, await runDeno(args, env));
  }
  console.log(`\n${formatCounts(total)}`);
  return total.failed === 0;
}

/** The servers of the part "binary" run in a root that holds the program and nothing else. */
async function sealBinary() {
  const compiled = Deno.env.get("TEST_BINARY");
  if (!compiled) throw new TypeError("TEST_BINARY must name the compiled program");
  const root = await SealedRoot.make(compiled);
  return {
    env: { TEST_COMPILED: compiled, TEST_BINARY: root.program },
    [Symbol.asyncDispose]: () => root[Symbol.asyncDispose](),
  };
}

/** It ends with this process. */
async function openServer(): Promise<Readonly<Record<string, string>>> {
  const given = Deno.env.get("TEST_DATABASE_URL");
  return { TEST_DATABASE_URL: given || (await startCluster()).url() };
}

if (import.meta.main) Deno.exit(await main(Deno.args) ? 0 : 1);
