/**
 * Runs the points of the benchmark kit that the reference server was measured with, against a server
 * that the kit starts anew for each, and prints the figures beside the reference's. The kit is not
 * part of this repository: `BENCH_KIT` names its folder, `../shared/bench` by default; without it
 * there is nothing to run. `--only`, `--rounds`, `--scale` and `--json` are the kit's own.
 */

import assert from "node:assert/strict";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { type TestDatabase, testDatabase } from "../support/postgres.ts";
import { freePort, serverCommand } from "../support/server_process.ts";
import { flags } from "./support/bench.ts";
import {
  findFaults,
  formatComparison,
  parseReference,
  type Sample,
  summarize,
} from "./support/kit_figures.ts";
import { UNLIMITED_REQUESTS } from "./support/served_table.ts";

const KIT = Deno.env.get("BENCH_KIT") ||
  fileURLToPath(new URL("../../../shared/bench", import.meta.url));

/** The workloads that are compared, and the fastest points for a tiny run. */
const POINTS = "^w(1|2|3|4|6|8|9|10|11)/";
const POINTS_WITHOUT_WRK = "^w(1|2|3|4|6|9|10|11)/";
const TINY_POINTS = "^(w1/10000|w3/eq/1)$";

async function exists(path: string): Promise<boolean> {
  return await Deno.stat(path).then(() => true, () => false);
}

async function hasWrk(): Promise<boolean> {
  const folders = (Deno.env.get("PATH") ?? "").split(":");
  return (await Promise.all(folders.map((folder) => exists(join(folder, "wrk"))))).includes(true);
}

async function choosePoints(): Promise<string> {
  if (flags.only !== undefined) return flags.only;
  if (flags.tiny) return TINY_POINTS;
  if (await hasWrk()) return POINTS;
  console.log("  Left out: w8, which needs wrk");
  return POINTS_WITHOUT_WRK;
}

/** What is missing on this machine; undefined when the kit can run. */
async function whySkip({ sql }: TestDatabase): Promise<string | undefined> {
  const [{ data_directory }] = await sql`show data_directory`;
  const pidFile = join(data_directory, "postmaster.pid");
  try {
    await Deno.readTextFile(pidFile);
  } catch {
    return `can't read "${pidFile}", from which it learns Postgres' process id`;
  }
  return await exists("/proc/self/stat") ? undefined : "there is no /proc";
}

function quote(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

/** Runs the kit; false if a point of it failed. */
async function runKit(database: TestDatabase, folder: string, json: string): Promise<boolean> {
  const { path, args } = serverCommand();
  const child = new Deno.Command(Deno.execPath(), {
    args: [
      ...["run", "-A", "--quiet", "run.ts"],
      ...["--server", `ours=http://127.0.0.1:${freePort()}`],
      ...["--start", `ours=${[path, ...args].map(quote).join(" ")}`],
      ...["--database-url", database.url],
      ...["--storage", folder],
      ...["--only", await choosePoints()],
      ...["--rounds", flags.rounds ?? (flags.tiny ? "1" : "3")],
      ...["--scale", flags.scale ?? "small"],
      ...["--timeout", flags.tiny ? "60" : "240"],
      ...["--json", json],
    ],
    cwd: KIT,
    env: {
      ELECTRIC_INSECURE: "true",
      ELECTRIC_REPLICATION_STREAM_ID: database.name,
      ELECTRIC_MAX_CONCURRENT_REQUESTS: UNLIMITED_REQUESTS,
      ELECTRIC_LOG_LEVEL: "error",
    },
    stdin: "null",
  }).spawn();
  // It stops the server that it has started; then we clear up.
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    Deno.addSignalListener(signal, () => child.kill(signal));
  }
  return (await child.status).success;
}

async function main(): Promise<void> {
  if (!await exists(join(KIT, "run.ts"))) {
    console.log(`  Skipped: there is no benchmark kit at "${KIT}" (BENCH_KIT)`);
    return;
  }
  // Asynchronous commits reach the stream up to 200 ms late (wal_writer_delay).
  await using database = await testDatabase({ settings: { synchronous_commit: "on" } });
  const reason = await whySkip(database);
  if (reason !== undefined) {
    console.log(`  Skipped: the kit ${reason}`);
    return;
  }
  await using stack = new AsyncDisposableStack();
  const folder = await Deno.makeTempDir({ prefix: "electric-ts-kit-" });
  stack.defer(() => Deno.remove(folder, { recursive: true }));
  const json = flags.json === undefined ? join(folder, "samples.json") : resolve(flags.json);
  const isSuccess = await runKit(database, folder, json);
  assert(await exists(json), "The kit ended before it had any figures");
  const { samples } = JSON.parse(await Deno.readTextFile(json)) as { samples: Sample[] };
  const reference = parseReference(await Deno.readTextFile(join(KIT, "REFERENCE.md")));
  console.log(`\n${formatComparison(summarize(samples), reference)}`);
  assert.deepEqual(findFaults(samples), []);
  assert(isSuccess, "A point of the kit failed");
  assert(samples.length > 0, "The kit has measured nothing");
}

if (import.meta.main) await main();
