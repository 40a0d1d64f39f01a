/** `electric-ts status`: asks a server how it does. */

import { setTimeout as delay } from "node:timers/promises";
import { STATUS_FLAGS } from "../command_flags.ts";
import type { CommandIo } from "../command_io.ts";
import type { GivenFlags } from "../command_line.ts";
import { readFlags, serverUrlOf } from "../read_flags.ts";
import { joinDocuments, parseStatusDocument, type StatusView } from "./status_document.ts";
import { formatStatus, formatUnreachable } from "./status_screen.ts";
import { cutLine, formatJsonLine } from "../terminal.ts";
import { explainFetchError } from "../unreachable.ts";

export const EXIT_UNREACHABLE = 5;
const EXIT_CODES: Readonly<Record<StatusView["mode"], number>> = {
  live: 0,
  fallback: 3,
  starting: 4,
};

const TIMEOUT_MS = 5000;
const WATCH_INTERVAL_MS = 2000;

interface Options {
  readonly url: string;
  readonly secret: string | undefined;
  readonly isJson: boolean;
  readonly isWatch: boolean;
  readonly isExitCode: boolean;
}

type Look =
  | { readonly kind: "answer"; readonly document: unknown; readonly view: StatusView }
  | { readonly kind: "unreachable"; readonly message: string };

/** Resolves with the exit code; with `--watch` not before the signal fires. */
export async function runStatus(
  given: GivenFlags,
  io: CommandIo,
  signal: AbortSignal,
): Promise<number> {
  const flags = readFlags("status", STATUS_FLAGS, given, io.env);
  const options = { ...flags, url: serverUrlOf(flags.url, io.env) };
  if (options.isWatch) return await watch(options, io, signal);
  const look = await lookAt(options, signal);
  if (signal.aborted) return 0;
  if (options.isJson) io.out(`${JSON.stringify(documentOf(look), null, 2)}\n`);
  else if (look.kind === "answer") io.out(`${screenOf(look, options, io).join("\n")}\n`);
  if (look.kind === "unreachable") io.err(`Error: ${look.message}\n`);
  return exitCodeOf(look, options);
}

function exitCodeOf(look: Look, { isExitCode }: Options): number {
  if (look.kind === "unreachable") return EXIT_UNREACHABLE;
  return isExitCode ? EXIT_CODES[look.view.mode] : 0;
}

async function watch(options: Options, io: CommandIo, signal: AbortSignal): Promise<number> {
  let drawn = 0, code = 0;
  while (!signal.aborted) {
    const look = await lookAt(options, signal);
    if (signal.aborted) break;
    code = exitCodeOf(look, options);
    drawn = options.isJson ? writeLine(look, io) : redraw(screenOf(look, options, io), drawn, io);
    // Rejects when the signal fires: the loop ends then too.
    await delay(WATCH_INTERVAL_MS, undefined, { signal }).catch(() => {});
  }
  return code;
}

function writeLine(look: Look, io: CommandIo): number {
  io.out(`${formatJsonLine(documentOf(look))}\n`);
  return 0;
}

/** Writes over the lines that were drawn before; how many there are now. */
function redraw(lines: readonly string[], drawn: number, io: CommandIo): number {
  if (!io.isOutTerminal) {
    io.out(`${lines.join("\n")}\n\n`);
    return 0;
  }
  const width = io.columns();
  const up = drawn > 0 ? `\x1b[${drawn}A\x1b[J` : "";
  io.out(`${up}${lines.map((line) => `${cutLine(line, width)}\n`).join("")}`);
  return lines.length;
}

function screenOf(look: Look, { url }: Options, io: CommandIo): readonly string[] {
  return look.kind === "answer"
    ? formatStatus(look.view, url, io.nowMs(), io.paintOut)
    : formatUnreachable(look.message, io.paintOut);
}

/** The server's own document, or one in its manner when there is none. */
function documentOf(look: Look): unknown {
  return look.kind === "answer" ? look.document : { status: "unreachable", error: look.message };
}

async function lookAt({ url, secret }: Options, signal: AbortSignal): Promise<Look> {
  const limit = AbortSignal.timeout(TIMEOUT_MS);
  try {
    const either = AbortSignal.any([signal, limit]);
    const [response, more] = await Promise.all([
      fetch(`${url}/v1/status`, { signal: either }),
      askProcess(url, secret, either),
    ]);
    const answered: unknown = await response.json().catch(() => undefined);
    const document = joinDocuments(answered, more);
    const view = response.ok ? parseStatusDocument(document) : undefined;
    if (view) return { kind: "answer", document, view };
    limit.throwIfAborted();
    const message = `${url} answers, but not with a status (HTTP ${response.status}): ` +
      "is it electric-ts? Pass its address with --url";
    return { kind: "unreachable", message };
  } catch (error) {
    const message = limit.aborted
      ? `${url} did not answer within ${TIMEOUT_MS / 1000} s: it hangs, or something between does`
      : explainFetchError(url, error);
    return { kind: "unreachable", message };
  }
}

/** What only the admin API tells; undefined where it is not there or wants another secret. */
async function askProcess(
  url: string,
  secret: string | undefined,
  signal: AbortSignal,
): Promise<unknown> {
  const query = secret === undefined ? "" : `?${new URLSearchParams({ secret })}`;
  try {
    const response = await fetch(`${url}/admin/status${query}`, { signal });
    const document: unknown = await response.json();
    return response.ok ? document : undefined;
  } catch {
    // The public status says what is wrong, if anything is.
    return undefined;
  }
}
