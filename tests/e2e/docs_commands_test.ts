/** The commands of README.md and docs/, run as they stand there. */

import assert from "node:assert/strict";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { cliCommand } from "../support/cli_process.ts";
import {
  type DocBlock,
  type DocWorld,
  formatScript,
  readBlocks,
  REASONS_NOT_RUN,
} from "../support/doc_commands.ts";
import { testDatabase } from "../support/postgres.ts";
import { freePort, ServerProcess } from "../support/server_process.ts";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
/** Their programs are for readers to run; docs/client.md's is for browsers. */
const PAGES_WITH_PROGRAMS = ["README.md", "docs/quickstart.md"];

const pages = [
  "README.md",
  "CONTRIBUTING.md",
  ...[...Deno.readDirSync(`${ROOT}docs`)].map(({ name }) => name).filter((name) =>
    name.endsWith(".md")
  ).toSorted().map((name) => `docs/${name}`),
];
const blocks = pages.flatMap(readBlocks).filter(({ page, language }) =>
  language === "sh" || PAGES_WITH_PROGRAMS.includes(page)
);
const left = blocks.filter(({ notRun }) => notRun !== undefined);

Deno.test("every command of the documentation is run, or says why it is not", () => {
  for (const { page, line, notRun = "", text } of left) {
    assert(Object.hasOwn(REASONS_NOT_RUN, notRun), `${page}:${line} "${notRun}"`);
    console.log(`Not run: ${page}:${line} ${text.split("\n")[0]} (${REASONS_NOT_RUN[notRun]})`);
  }
  const used = new Set(left.map(({ notRun }) => notRun));
  assert.deepEqual(Object.keys(REASONS_NOT_RUN).filter((reason) => !used.has(reason)), []);
  assert(blocks.length - left.length >= 10);
});

for (const page of pages) {
  const run = blocks.filter((block) => block.page === page && !left.includes(block));
  if (run.length === 0) continue;
  Deno.test(`the commands of ${page} do what they are there for`, async () => {
    await using sandbox = await openSandbox();
    await using database = await testDatabase();
    if (!run.some(({ text }) => text.includes("CREATE TABLE issues"))) {
      await database.sql`CREATE TABLE issues AS SELECT 1 AS id, 'Rain' AS title, 'open' AS status`;
    }
    await using served = await serveIfAsked(run, database);
    const world: DocWorld = {
      port: served?.port ?? freePort(),
      demoPort: freePort(),
      databaseUrl: database.url,
    };
    const { code, stderr } = await sandbox.run(formatScript(run, world), {
      ELECTRIC_PORT: `${world.port}`,
      ELECTRIC_STORAGE_DIR: `${sandbox.folder}/storage`,
      ELECTRIC_REPLICATION_STREAM_ID: database.name,
    });
    assert.equal(code, 0, stderr);
    for (const { line } of run) assert(stderr.includes(`== ${page}:${line}\n`), stderr);
  });
}

/** A page that asks a server which it does not start. */
async function serveIfAsked(
  run: readonly DocBlock[],
  { url, name }: { readonly url: string; readonly name: string },
): Promise<ServerProcess | undefined> {
  const isAsked = run.some(({ text }) => text.includes("localhost:3000"));
  if (!isAsked || run.some(({ stays }) => stays)) return undefined;
  return await ServerProcess.start({ databaseUrl: url, streamId: name });
}

/** A home with the programs that a reader has: `electric-ts`, Deno by way of npx, psql. */
async function openSandbox() {
  const folder = await Deno.makeTempDir({ prefix: "electric-ts-docs-" });
  const bin = join(folder, "bin");
  for (const path of [bin, join(folder, "storage")]) await Deno.mkdir(path);
  const deno = Deno.execPath();
  const programs = {
    "electric-ts": `exec ${cliCommand([]).map(quote).join(" ")} "$@"`,
    npx: `[ "$1 $2" = "-y deno@2.9.6" ] || exit 64
shift 2
case $1 in
  task) cd ${quote(ROOT)}; exec ${quote(deno)} "$@" ;;
  run) shift; exec ${quote(deno)} run --no-check --config ${quote(`${ROOT}deno.json`)} "$@" ;;
esac
exit 64`,
    ...await isThere("psql")
      ? {}
      : { psql: `exec ${quote(deno)} run -A ${quote(`${ROOT}tests/support/psql.ts`)} "$@"` },
  };
  for (const [name, script] of Object.entries(programs)) {
    await Deno.writeTextFile(join(bin, name), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
  }
  return {
    folder,
    async run(script: string, env: Readonly<Record<string, string>>) {
      const { code, stdout, stderr } = await new Deno.Command("bash", {
        args: ["-c", script],
        cwd: folder,
        env: { ...env, HOME: folder, DENO_DIR: denoDir(), PATH: `${bin}:${Deno.env.get("PATH")}` },
        stdin: "null",
      }).output();
      const decoder = new TextDecoder();
      return { code, stderr: `${decoder.decode(stderr)}${decoder.decode(stdout).slice(-2000)}` };
    },
    [Symbol.asyncDispose]: () => Deno.remove(folder, { recursive: true }),
  };
}

async function isThere(program: string): Promise<boolean> {
  const { success } = await new Deno.Command("sh", {
    args: ["-c", `command -v ${program}`],
    stdin: "null",
  }).output();
  return success;
}

/** Packages are found where they are although HOME is another. */
function denoDir(): string {
  return Deno.env.get("DENO_DIR") ?? `${Deno.env.get("HOME")}/.cache/deno`;
}

function quote(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}
