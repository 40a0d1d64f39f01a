/** The project's files, for tests that read them. */

import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const SKIPPED = new Set([".git", "node_modules", "dist", "persistent", "fixtures"]);

export interface SourceFile {
  /** From the project's root, with slashes. */
  readonly path: string;
  readonly text: string;
}

/** Reads a file of the project. Throws `Deno.errors.NotFound`. */
export function readProjectFile(path: string): string {
  return Deno.readTextFileSync(join(ROOT, path));
}

/** Reads every TypeScript file but those of fixtures, in order of their paths. */
export function readSources(folder = ROOT): readonly SourceFile[] {
  return [...Deno.readDirSync(folder)].toSorted((a, b) => a.name < b.name ? -1 : 1)
    .flatMap((entry): readonly SourceFile[] => {
      const path = join(folder, entry.name);
      if (entry.isDirectory) return SKIPPED.has(entry.name) ? [] : readSources(path);
      if (!entry.name.endsWith(".ts")) return [];
      return [{ path: relative(ROOT, path), text: Deno.readTextFileSync(path) }];
    });
}
