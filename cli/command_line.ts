/** argv → what to do. Nothing is done here, and nothing but argv is looked at. */

import { parseArgs } from "node:util";
import {
  type CommandFlag,
  DOCTOR_FLAGS,
  DOCTOR_OPTIONS,
  type FlagTable,
  INSPECT_FLAGS,
  STATUS_FLAGS,
  TAIL_FLAGS,
} from "./command_flags.ts";
import { formatInitial, listOptions } from "./options.ts";
import { formatSuggestion, suggest } from "./suggest.ts";
import { UsageError } from "./usage_error.ts";

export const COMMAND_NAMES = [
  "serve",
  "demo",
  "status",
  "tail",
  "inspect-shape",
  "doctor",
  "completions",
  "help",
  "version",
] as const;
export type CommandName = typeof COMMAND_NAMES[number];

export const SHELLS = ["bash", "zsh", "fish"] as const;
export type Shell = typeof SHELLS[number];

/** All texts of each flag that was given, in their order. */
export type GivenFlags = ReadonlyMap<string, readonly string[]>;

export type Command =
  | {
    readonly kind: "serve";
    /** Text by flag name, of the option table. */
    readonly flags: ReadonlyMap<string, string>;
    readonly configPath: string | undefined;
    readonly isPrintConfig: boolean;
  }
  | { readonly kind: "demo"; readonly flags: ReadonlyMap<string, string> }
  | { readonly kind: "status" | "tail" | "doctor"; readonly given: GivenFlags }
  | {
    readonly kind: "inspect-shape";
    readonly given: GivenFlags;
    readonly handle: string | undefined;
  }
  | { readonly kind: "completions"; readonly shell: Shell }
  | { readonly kind: "help"; readonly topic: CommandName | undefined }
  | { readonly kind: "version" };

export interface Flag {
  readonly name: string;
  readonly short?: string;
  readonly isBoolean: boolean;
  /** What help calls its value, such as `port`, or `bash|zsh` where it is one of these. */
  readonly typeName: string;
  /** What help says, without a full stop. */
  readonly doc: string;
  /** Where else it can be set and what it is by default; empty for nothing to say. */
  readonly origin: string;
}

const COMMON_FLAGS: readonly Flag[] = [
  toggle("help", "Shows this help", "h"),
  toggle("version", "Shows the version", "V"),
  toggle("no-color", "Writes no colours, like NO_COLOR=1"),
];

/** Flags of `serve` that are not options of the server. */
const SERVE_FLAGS: readonly Flag[] = [
  {
    name: "config",
    isBoolean: false,
    typeName: "path",
    doc: "JSON file of options, keys as the flags",
    origin: "",
  },
  toggle("print-config", "Shows each value and its source, and exits"),
];

/** Options that `demo` takes from the table. */
export const DEMO_OPTIONS: readonly string[] = ["port", "log-level", "log-format"];

function toggle(name: string, doc: string, short?: string): Flag {
  return { name, ...short ? { short } : {}, isBoolean: true, typeName: "boolean", doc, origin: "" };
}

/** The flags a command takes, options of the server last. */
export function flagsOf(command: CommandName | undefined): readonly Flag[] {
  return [...COMMON_FLAGS, ...command ? FLAGS_OF[command]() : []];
}

const FLAGS_OF: Readonly<Record<CommandName, () => readonly Flag[]>> = {
  serve: () => [...SERVE_FLAGS, ...optionFlags(() => true)],
  demo: () => optionFlags((name) => DEMO_OPTIONS.includes(name)),
  status: () => tableFlags(STATUS_FLAGS),
  tail: () => tableFlags(TAIL_FLAGS),
  "inspect-shape": () => tableFlags(INSPECT_FLAGS),
  doctor: () => [
    ...tableFlags(DOCTOR_FLAGS),
    ...optionFlags((name) => DOCTOR_OPTIONS.includes(name)),
  ],
  completions: () => [],
  help: () => [],
  version: () => [],
};

function optionFlags(isWanted: (name: string) => boolean): readonly Flag[] {
  return listOptions().map(({ option }) => option).filter(({ flag }) => isWanted(flag))
    .map((option) => ({
      name: option.flag,
      isBoolean: option.type.name === "boolean",
      typeName: option.type.name,
      doc: option.doc,
      origin: `${option.env[0]}; default: ${formatInitial(option)}`,
    }));
}

function tableFlags(table: FlagTable): readonly Flag[] {
  return Object.values(table).map((flag) => ({
    name: flag.flag,
    isBoolean: flag.type.name === "boolean",
    typeName: flag.type.name,
    doc: flag.doc,
    origin: formatOrigin(flag),
  }));
}

function formatOrigin({ env = [], initialDoc }: CommandFlag<unknown>): string {
  return [...env, ...initialDoc ? [`default: ${initialDoc}`] : []].join("; ");
}

/** Commands that take a word of their own. */
const WITH_OPERAND: readonly CommandName[] = ["help", "completions", "inspect-shape"];

/** Throws `UsageError`. */
export function parseCommandLine(args: readonly string[]): Command {
  const name = readCommandName(args);
  const { given, positionals } = parseFlags(name, args);
  const flags = new Map([...given].map(([flag, texts]) => [flag, texts[texts.length - 1]]));
  if (flags.has("version")) return { kind: "version" };
  if (flags.has("help") || name === undefined) return { kind: "help", topic: name };
  const [, ...operands] = positionals;
  const extra = operands[WITH_OPERAND.includes(name) ? 1 : 0];
  if (extra !== undefined) throw new UsageError(`Unexpected argument "${extra}"`, name);
  const [operand] = operands;
  switch (name) {
    case "help":
      return { kind: "help", topic: operand ? checkCommand(operand) : undefined };
    case "completions":
      return { kind: "completions", shell: checkShell(operand) };
    case "status":
    case "tail":
    case "doctor":
      return { kind: name, given };
    case "inspect-shape":
      return { kind: name, given, handle: operand };
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

function checkShell(word: string | undefined): Shell {
  const shell = SHELLS.find((candidate) => candidate === word);
  if (shell) return shell;
  const problem = word === undefined ? "Name a shell" : `Unknown shell "${word}"`;
  throw new UsageError(`${problem}: one of ${SHELLS.join(", ")}`, "completions");
}

interface ParsedFlags {
  readonly given: GivenFlags;
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
  const given = new Map<string, string[]>();
  for (const token of tokens) {
    if (token.kind !== "option") continue;
    const [name, text] = readFlag(command, known, token);
    given.set(name, [...given.get(name) ?? [], text]);
  }
  return { given, positionals };
}

interface OptionToken {
  readonly name: string;
  readonly rawName: string;
  readonly value?: string | undefined;
}

/** The flag's name and its text. */
function readFlag(
  command: CommandName | undefined,
  known: readonly Flag[],
  { name, rawName, value }: OptionToken,
): readonly [name: string, text: string] {
  const flag = known.find((candidate) => candidate.name === name);
  const negated = known.find((candidate) => candidate.isBoolean && `no-${candidate.name}` === name);
  if (flag?.isBoolean) return [name, value ?? "true"];
  if (!flag && negated && value === undefined) return [negated.name, "false"];
  if (!flag) {
    const hint = formatSuggestion(suggest(rawName, known.map((one) => `--${one.name}`)));
    throw new UsageError(`Unknown flag "${rawName}"${hint}`, command);
  }
  if (value === undefined) throw new UsageError(`Flag "${rawName}" needs a value`, command);
  return [name, value];
}
