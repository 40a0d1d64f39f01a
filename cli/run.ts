/** The process: argv and environment in, exit code out. Only here does an error become one. */

import { type CommandIo, type Env, openIo, writeError, writeOutput } from "./command_io.ts";
import { type Command, isColorRefused, parseCommandLine } from "./command_line.ts";
import { UsageError } from "./usage_error.ts";
import { resolveConfig, type ResolvedConfig } from "./config.ts";
import { CONFIG_FILE_ENV, warnOfForeign } from "./foreign_env.ts";
import { formatHelp, formatVersion } from "./help.ts";
import { LineLogger } from "./logger.ts";
import { loadNativeAddon } from "./native_addon.ts";
import type { ServeConfig } from "./options.ts";
import { formatConfig } from "./print_config.ts";
import { redact } from "./redact.ts";
import { decideColor } from "./terminal.ts";
import { warnOfNoTracing } from "./tracing.ts";

const EXIT_OK = 0;
const EXIT_FAILED = 1;
const EXIT_USAGE = 2;

const NO_DEMO =
  "The compiled program may run no other, so it can't start a Postgres for the demo: " +
  "run `npx -y deno@2.9.6 task demo` in the source, or `electric-ts serve` on a Postgres of yours";

/** Those that ask a process to end; Windows knows no SIGTERM. */
const ENDING_SIGNALS: readonly Deno.Signal[] = Deno.build.os === "windows"
  ? ["SIGINT", "SIGBREAK"]
  : ["SIGINT", "SIGTERM"];

/** Runs a command to its end and returns the exit code. */
export async function run(args: readonly string[], env: Env): Promise<number> {
  try {
    return await runCommand(parseCommandLine(args), env, !isColorRefused(args));
  } catch (error) {
    // Whoever read our output has seen enough of it.
    if (error instanceof Deno.errors.BrokenPipe) return EXIT_OK;
    return report(error, env);
  }
}

/** Prints what went wrong, without secrets; the stack only to those who debug. */
function report(error: unknown, env: Env): number {
  const message = error instanceof Error ? error.message : String(error);
  writeError(`Error: ${redact(message)}\n`);
  if (error instanceof UsageError) {
    writeError(`See \`electric-ts help${error.topic ? ` ${error.topic}` : ""}\`\n`);
    return EXIT_USAGE;
  }
  if (env.ELECTRIC_LOG_LEVEL === "debug" && error instanceof Error) {
    writeError(`${redact(error.stack ?? "")}\n`);
  }
  return EXIT_FAILED;
}

async function runCommand(command: Command, env: Env, isColorAllowed: boolean): Promise<number> {
  switch (command.kind) {
    case "help":
      writeOutput(formatHelp(command.topic));
      return EXIT_OK;
    case "version":
      writeOutput(formatVersion());
      return EXIT_OK;
    case "serve":
      return await runServe(command, env, isColorAllowed);
    case "demo":
      return await runDemo(command, env, isColorAllowed);
    default:
      return await runTool(command, openIo(env, isColorAllowed));
  }
}

type Tool = Exclude<Command, { kind: "help" | "version" | "serve" | "demo" }>;

/** Commands that answer a question and end; each is loaded only when it is asked for. */
async function runTool(command: Tool, io: CommandIo): Promise<number> {
  switch (command.kind) {
    case "completions": {
      const { formatCompletions } = await import("./completions.ts");
      io.out(formatCompletions(command.shell));
      return EXIT_OK;
    }
    case "status": {
      const { runStatus } = await import("./status/status.ts");
      return await untilInterrupt((signal) => runStatus(command.given, io, signal));
    }
    case "tail": {
      const { runTail } = await import("./tail/tail.ts");
      return await untilInterrupt((signal) => runTail(command.given, io, signal));
    }
    case "inspect-shape": {
      const { runInspectShape } = await import("./inspect/inspect_shape.ts");
      return await runInspectShape(command, io);
    }
    case "doctor": {
      const { runDoctor } = await import("./doctor/doctor.ts");
      return await runDoctor(command.given, io);
    }
  }
}

/** As `untilSignal`, for commands that a signal cuts short: the exit code says which. */
async function untilInterrupt(work: (signal: AbortSignal) => Promise<number>): Promise<number> {
  let code = EXIT_OK, interrupted: number | undefined;
  await untilSignal(async (signal) => {
    signal.addEventListener("abort", () => interrupted = codeOf(signal), { once: true });
    code = await work(signal);
  });
  return interrupted ?? code;
}

function codeOf({ reason }: AbortSignal): number {
  return reason instanceof Error && reason.message.endsWith("SIGTERM") ? 143 : 130;
}

async function runServe(
  command: Command & { kind: "serve" },
  env: Env,
  isColorAllowed: boolean,
): Promise<number> {
  const resolved = readConfig(command, env);
  const warnings = [...warnOfForeign(env), ...warnOfNoTracing(env)];
  if (command.isPrintConfig) {
    writeOutput(formatConfig(resolved.options));
    for (const warning of warnings) writeError(`Warning: ${warning}\n`);
  }
  if (resolved.problems.length > 0) throw new UsageError(resolved.problems.join("\n"), "serve");
  if (command.isPrintConfig) return EXIT_OK;
  const logger = openLogger(resolved.config, env, isColorAllowed);
  for (const warning of warnings) logger.warn(warning);
  const { storageDir } = resolved.config;
  const { serve } = await loadNativeAddon(storageDir, () => import("./serve.ts"));
  await untilSignal((signal) => serve(resolved.config, logger, signal));
  return EXIT_OK;
}

function readConfig(command: Command & { kind: "serve" }, env: Env): ResolvedConfig {
  const path = command.configPath ?? (env[CONFIG_FILE_ENV] || undefined);
  const file = path === undefined ? undefined : { path, text: readConfigFile(path) };
  return resolveConfig({ flags: command.flags, env, file, readText: Deno.readTextFileSync });
}

function readConfigFile(path: string): string {
  try {
    return Deno.readTextFileSync(path);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new UsageError(`Can't read config file "${path}": ${reason}`, "serve");
  }
}

async function runDemo(
  command: Command & { kind: "demo" },
  env: Env,
  isColorAllowed: boolean,
): Promise<number> {
  if (Deno.build.standalone) throw new Error(NO_DEMO);
  // The demo is its own world: only its flags are looked at.
  const flags = new Map([["insecure", "true"], ["log-level", "warn"], ...command.flags]);
  const { demo, DEMO_DATABASE_URL } = await import("./demo/demo.ts");
  flags.set("database-url", DEMO_DATABASE_URL);
  const resolved = resolveConfig({ flags, env: {}, file: undefined, readText: () => "" });
  if (resolved.problems.length > 0) throw new UsageError(resolved.problems.join("\n"), "demo");
  const logger = openLogger(resolved.config, env, isColorAllowed);
  await untilSignal((signal) => demo(resolved.config, logger, signal, writeOutput));
  return EXIT_OK;
}

/**
 * One signal comes twice where a whole group of processes gets it and the one that started this one
 * passes it on as well, as `deno task` does. Nobody who means it twice is that fast.
 */
const SAME_SIGNAL_MS = 100;

/** The first such signal asks the work to end; a second one ends the process at once. */
async function untilSignal(work: (signal: AbortSignal) => Promise<void>): Promise<void> {
  const controller = new AbortController();
  let firstMs: number | undefined;
  const handlers = ENDING_SIGNALS.map((name) => {
    const handle = () => {
      const isSecond = performance.now() - (firstMs ??= performance.now()) > SAME_SIGNAL_MS;
      if (isSecond) Deno.exit(name === "SIGINT" ? 130 : 143);
      controller.abort(new DOMException(`Received ${name}`, "AbortError"));
    };
    Deno.addSignalListener(name, handle);
    return { name, handle };
  });
  try {
    await work(controller.signal);
  } finally {
    for (const { name, handle } of handlers) Deno.removeSignalListener(name, handle);
  }
}

function openLogger(config: ServeConfig, env: Env, isColorAllowed: boolean): LineLogger {
  const isTerminal = Deno.stderr.isTerminal();
  const isPretty = config.logFormat === "auto" ? isTerminal : config.logFormat === "pretty";
  return new LineLogger({
    level: config.logLevel,
    format: isPretty ? "pretty" : "json",
    isColored: decideColor({ isAllowed: isColorAllowed, isTerminal, env }),
    nowMs: Date.now,
    write: writeError,
  }, { component: "main" });
}
