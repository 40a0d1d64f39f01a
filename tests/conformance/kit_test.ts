/**
 * The wire conformance kit against the server, or the compiled program that TEST_BINARY names. The kit
 * is not part of this repository: `CONFORMANCE_KIT` names its folder, `../shared/conformance` by
 * default. Its transcripts are those of a Postgres 15, which `TEST_PG15_BIN` names; without one of
 * these there is nothing to run.
 */

import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { startCluster } from "../support/postgres.ts";
import { serverCommand } from "../support/server_process.ts";

const KIT = Deno.env.get("CONFORMANCE_KIT") ||
  fileURLToPath(new URL("../../../shared/conformance", import.meta.url));
const PG15 = Deno.env.get("TEST_PG15_BIN") || "/usr/lib/postgresql/15/bin";
/** Not built: docs/migrating-from-electric.md says so. */
const NOT_BUILT = ["subset", "subqueries"];
const DIFFERENT: Readonly<Record<string, string>> = {
  "caching/cache-control-by-situation": "One of its steps is a subset request",
  "columns/queryable-columns": "One of its steps is a subset request",
  "where/arrays": "The reference tells that a row leaves which never was in the shape",
};
/** Of 177 scenarios. */
const PASSED_MIN = 155;

interface Report {
  readonly passed: number;
  readonly failed: number;
  readonly results: readonly {
    readonly area: string;
    readonly name: string;
    readonly status: "passed" | "failed" | "skipped";
    readonly detail?: string;
  }[];
}

async function whySkip(): Promise<string | undefined> {
  const isThere = (path: string) => Deno.stat(path).then(() => true, () => false);
  if (!await isThere(`${KIT}/run.ts`)) return `there is no kit at "${KIT}" (CONFORMANCE_KIT)`;
  if (!await isThere(`${PG15}/postgres`)) {
    return `there is no Postgres 15 at "${PG15}" (TEST_PG15_BIN)`;
  }
  return undefined;
}

function quote(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

async function runKit(databaseUrl: string): Promise<Report> {
  const { path, args } = serverCommand();
  const json = await Deno.makeTempFile({ suffix: ".json" });
  try {
    const { stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: [
        ...["run", "-A", "--quiet", "run.ts"],
        ...["--server-cmd", [path, ...args].map(quote).join(" ")],
        ...["--database-url", databaseUrl],
        ...["--json", json],
      ],
      cwd: KIT,
      env: { ELECTRIC_LOG_LEVEL: "error" },
      stdin: "null",
    }).output();
    const decoder = new TextDecoder();
    const text = await Deno.readTextFile(json);
    assert(text, `The kit wrote no report:\n${decoder.decode(stdout)}${decoder.decode(stderr)}`);
    return JSON.parse(text);
  } finally {
    await Deno.remove(json);
  }
}

Deno.test("the server answers as the reference server does, but for what is not built", async () => {
  const reason = await whySkip();
  if (reason !== undefined) return console.log(`Skipped: ${reason}`);
  await using cluster = await startCluster({ binDir: PG15 });
  const { passed, failed, results } = await runKit(cluster.url());
  console.log(`Conformance: ${passed} passed, ${failed} failed`);
  const wrong = results.filter(({ status, area, name }) =>
    status === "failed" && !NOT_BUILT.includes(area) && !DIFFERENT[`${area}/${name}`]
  );
  const told = wrong.map(({ area, name, detail }) => `${area}/${name}\n${detail ?? ""}`);
  assert.equal(wrong.length, 0, told.join("\n"));
  assert(passed >= PASSED_MIN, `${passed} passed`);
});
