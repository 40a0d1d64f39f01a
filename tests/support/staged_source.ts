/**
 * The product alone in a folder, ready to be compiled: `deno compile` embeds every npm package that
 * the configuration names, and the tests' own are 250 MB of Postgres.
 */

import { join } from "node:path";
import { fileURLToPath } from "node:url";
import manifest from "../../deno.json" with { type: "json" };
import { readSources, type SourceFile } from "./source_tree.ts";

const PRODUCT = ["main.ts", "cli", "replication", "server", "shapes"];
const ROOT = fileURLToPath(new URL("../../", import.meta.url));

/** Copies the product, with the commit it is made from. */
export async function stageSource(folder: string, commit: string): Promise<void> {
  await Deno.mkdir(folder);
  for (const name of PRODUCT) await copy(join(ROOT, name), join(folder, name));
  await Deno.writeTextFile(join(folder, "cli/build.json"), JSON.stringify({ commit }));
  const { name, version, unstable, nodeModulesDir } = manifest;
  const imports = usedImports(manifest.imports, readSources(folder));
  const staged = { name, version, exports: "./main.ts", imports, unstable, nodeModulesDir };
  await Deno.writeTextFile(join(folder, "deno.json"), JSON.stringify(staged));
  await Deno.copyFile(join(ROOT, "deno.lock"), join(folder, "deno.lock"));
}

async function copy(from: string, to: string): Promise<void> {
  if (!(await Deno.stat(from)).isDirectory) return await Deno.copyFile(from, to);
  await Deno.mkdir(to);
  for await (const { name } of Deno.readDir(from)) await copy(join(from, name), join(to, name));
}

/** The entries of the import map that the files import by a literal. */
export function usedImports(
  imports: Readonly<Record<string, string>>,
  sources: readonly SourceFile[],
): Record<string, string> {
  const isUsed = (name: string) =>
    sources.some(({ text }) =>
      text.includes(`from "${name}"`) || text.includes(`import("${name}"`)
    );
  return Object.fromEntries(Object.entries(imports).filter(([name]) => isUsed(name)));
}
