/** argv → what to do. Nothing is done here, and nothing but argv is looked at. */

import { parseArgs } from "node:util";
import { listOptions } from "./options.ts";
import { formatSuggestion, suggest } from "./suggest.ts";

export const COMMAND_NAMES = ["serve", "demo", "help", "version"] as const;
export type CommandName = typeof COMMAND_NAMES[number];

export type Command =
  | {
    readonly kind: "serve";
    /** Text by flag name, of the option table. */
    readonly flags: ReadonlyMap<string, string>;
    readonly configPath: string | undefined;
    readonly isPrintConfig: boolean;
  }
  | { readonly kind: "demo"; readonly flags: ReadonlyMap<string, string> }
  | { readonly kind: "help"; readonly topic: CommandName | undefined }
  | { readonly kind: "version" };

/** The command line can't be understood: exit code 2. */
export class UsageError extends Error {
  override readonly name = "UsageError";
  /** Whose help to point to. */
  readonly topic: CommandName | undefined;

  constructor(message: string, topic?: CommandName) {
    super(message);
    this.topic = topic;
  }
}

export interface Flag {
  readonly name: string;
  readonly short?: string;
  readonly isBoolean: boolean;
  /** What help says, without a full stop. */
  readonly doc: string;
}

const COMMON_FLAGS: readonly Flag[] = [
  { name: "help", short: "h", isBoolean: true, doc: "Shows this help" },
  { name: "version", short: "V", isBoolean: true, doc: "Shows the version" },
  { name: "no-color", isBoolean: true, doc: "Writes no colours, like NO_COLOR=1" },
];

/** Flags of `serve` that are not options of the server. */
const SERVE_FLAGS: readonly Flag[] = [
  { name: "config", isBoolean: false, doc: "JSON file of options, keys as the flags" },
  { name: "print-config", isBoolean: true, doc: "Shows each value and its source, and exits" },
];

/** Options that `demo` takes from the table. */
export const DEMO_OPTIONS: readonly string[] = ["port", "log-level", "log-format"];

/** The flags a command takes, options of the table last. */
export function flagsOf(command: CommandName | undefined): readonly Flag[] {
  const options = listOptions().map(({ option }): Flag => ({
    name: option.flag,
    isBoolean: option.type.name === "boolean",
    doc: option.doc,
  }));
  if (command === "serve") return [...COMMON_FLAGS, ...SERVE_FLAGS, ...options];
  if (command === "demo") {
    return [...COMMON_FLAGS, ...options.filter(({ name }) => DEMO_OPTIONS.includes(name))];
  }
  return COMMON_FLAGS;
}

/** Throws `UsageError`. */
export function parseCommandLine(args: readonly string[]): Command {
  const name = readCommandName(args);
  const { flags, positionals } = parseFlags(name, args);
  if (flags.has("version")) return { kind: "version" };
  if (flags.has("help") || name === undefined) return { kind: "help", topic: name };
  const [, operand, ...rest] = positionals;
  if (name === "help") return { kind: "help", topic: operand ? checkCommand(operand) : undefined };
  const extra = [operand, ...rest].find((word) => word !== undefined);
  if (extra !== undefined) throw new UsageError(`Unexpected argument "${extra}"`, name);
  switch (name) {
    case "serve":
      return {
        kind: "serve",
        flags,
        configPath: flags.get("config"),
        isPrintConfig: flags.has("print-config"),
      };
    case "demo":
      return { kind: "demo", flags };
    case "version":
      return { kind: "version" };
  }
}

/** True if colours are turned off by flag: looked at before anything can fail. */
export function isColorRefused(args: readonly string[]): boolean {
  return args.includes("--no-color");
}

/** The first word that is not a flag. */
function readCommandName(args: readonly string[]): CommandName | undefined {
  const word = args[0];
  if (word === undefined || word.startsWith("-")) return undefined;
  return checkCommand(word);
}

function checkCommand(word: string): CommandName {
  const name = COMMAND_NAMES.find((candidate) => candidate === word);
  if (name) return name;
  throw new UsageError(
    `Unknown command "${word}"${formatSuggestion(suggest(word, COMMAND_NAMES))}`,
  );
}

interface ParsedFlags {
  readonly flags: ReadonlyMap<string, string>;
  readonly positionals: readonly string[];
}

function parseFlags(command: CommandName | undefined, args: readonly string[]): ParsedFlags {
  const known = flagsOf(command);
  const { tokens, positionals } = parseArgs({
    args: [...args],
    options: Object.fromEntries(known.map(({ name, short, isBoolean }) => [name, {
      type: isBoolean ? "boolean" as const : "string" as const,
      ...short ? { short } : {},
    }])),
    // Unknown flags are reported here, with a suggestion.
    strict: false,
    tokens: true,
  });
  const flags = new Map<string, string>();
  for (const token of tokens) {
    if (token.kind === "option") readFlag(command, known, token, flags);
  }
  return { flags, positionals };
}

interface OptionToken {
  readonly name: string;
  readonly rawName: string;
  readonly value?: string | undefined;
}

function readFlag(
  command: CommandName | undefined,
  known: readonly Flag[],
  { name, rawName, value }: OptionToken,
  flags: Map<string, string>,
): void {
  const flag = known.find((candidate) => candidate.name === name);
  const negated = known.find((candidate) => candidate.isBoolean && `no-${candidate.name}` === name);
  if (flag?.isBoolean) flags.set(name, value ?? "true");
  else if (!flag && negated && value === undefined) flags.set(negated.name, "false");
  else if (!flag) {
    const hint = formatSuggestion(suggest(rawName, known.map((one) => `--${one.name}`)));
    throw new UsageError(`Unknown flag "${rawName}"${hint}`, command);
  } else if (value === undefined) {
    throw new UsageError(`Flag "${rawName}" needs a value`, command);
  } else flags.set(name, value);
}
