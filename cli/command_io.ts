/** What a command may do to the outside: data to stdout, messages to stderr. */

import { decideColor, type Paint, painter } from "./terminal.ts";

export type Env = Readonly<Record<string, string>>;

export interface CommandIo {
  readonly env: Env;
  readonly isOutTerminal: boolean;
  readonly isErrTerminal: boolean;
  readonly paintOut: Paint;
  readonly paintErr: Paint;
  /** Data. Throws `BrokenPipe` once nobody reads it any more. */
  readonly out: (text: string) => void;
  /** Messages. Never throws. */
  readonly err: (text: string) => void;
  readonly nowMs: () => number;
  /** Width of the terminal; 80 where it is not known. */
  readonly columns: () => number;
}

const COLUMNS_DEFAULT = 80;

export function openIo(env: Env, isColorAllowed: boolean): CommandIo {
  const isOutTerminal = Deno.stdout.isTerminal();
  const isErrTerminal = Deno.stderr.isTerminal();
  const isAllowed = isColorAllowed;
  return {
    env,
    isOutTerminal,
    isErrTerminal,
    paintOut: painter(decideColor({ isAllowed, isTerminal: isOutTerminal, env })),
    paintErr: painter(decideColor({ isAllowed, isTerminal: isErrTerminal, env })),
    out: writeOutput,
    err: writeError,
    nowMs: Date.now,
    columns: readColumns,
  };
}

function readColumns(): number {
  try {
    return Deno.consoleSize().columns || COLUMNS_DEFAULT;
  } catch {
    return COLUMNS_DEFAULT;
  }
}

const encoder = new TextEncoder();

export function writeOutput(text: string): void {
  writeFully(Deno.stdout, text);
}

export function writeError(text: string): void {
  try {
    writeFully(Deno.stderr, text);
  } catch {
    // Nobody reads the messages any more: no reason to stop.
  }
}

function writeFully(stream: { writeSync(bytes: Uint8Array): number }, text: string): void {
  let bytes = encoder.encode(text);
  while (bytes.length > 0) bytes = bytes.subarray(stream.writeSync(bytes));
}
