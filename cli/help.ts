/** What `help`, `--help` and `version` print. */

import { COMMAND_NAMES, type CommandName, type Flag, flagsOf } from "./command_line.ts";
import { formatInitial, listOptions } from "./options.ts";
import build from "./build.json" with { type: "json" };
import manifest from "../deno.json" with { type: "json" };

export const VERSION: string = manifest.version;
/** What the program was compiled from; "source" when it was not. */
const COMMIT: string = build.commit;

interface CommandDoc {
  readonly summary: string;
  readonly examples: readonly string[];
  readonly notes: string;
}

const COMMANDS: Readonly<Record<CommandName, CommandDoc>> = {
  serve: {
    summary: "Syncs shapes of a Postgres database over HTTP",
    examples: [
      "DATABASE_URL=postgresql://user:password@localhost/app electric-ts serve --insecure",
      "electric-ts serve --config electric.json --port 4000",
      "electric-ts serve --print-config",
    ],
    notes: "Flags go over the environment, that over the file, that over the defaults.",
  },
  demo: {
    summary: "Starts a Postgres with sample data, a stream of writes and a server on it",
    examples: ["electric-ts demo", "electric-ts demo --port 4000"],
    notes: "Everything lies in a temporary folder and is gone after Ctrl-C.",
  },
  help: {
    summary: "Shows help, of a command if one is named",
    examples: ["electric-ts help serve"],
    notes: "",
  },
  version: { summary: "Shows version and commit", examples: ["electric-ts version"], notes: "" },
};

/** What `version` prints; ends with a newline. */
export function formatVersion(): string {
  return `electric-ts ${VERSION} (${COMMIT})\n`;
}

/** Help of a command, or of all of it; ends with a newline. */
export function formatHelp(topic: CommandName | undefined): string {
  return topic === undefined ? formatOverview() : formatCommand(topic);
}

function formatOverview(): string {
  const width = Math.max(...COMMAND_NAMES.map((name) => name.length));
  const commands = COMMAND_NAMES.map((name) =>
    `  ${name.padEnd(width)}  ${COMMANDS[name].summary}`
  );
  return lines(
    "Examples:",
    ...indent(COMMAND_NAMES.flatMap((name) => COMMANDS[name].examples.slice(0, 1))),
    "",
    "Commands:",
    ...commands,
    "",
    "`electric-ts help COMMAND` shows its flags.",
  );
}

function formatCommand(name: CommandName): string {
  const { summary, examples, notes } = COMMANDS[name];
  return lines(
    "Examples:",
    ...indent(examples),
    "",
    `${summary}.${notes && ` ${notes}`}`,
    "",
    "Flags:",
    ...flagsOf(name).flatMap(formatFlag),
  );
}

/** The flag, and below it what it does and where else it can be set. */
function formatFlag(flag: Flag): readonly string[] {
  const found = listOptions().find(({ option }) => option.flag === flag.name)?.option;
  const short = flag.short ? `-${flag.short}, ` : "";
  const value = flag.isBoolean ? "" : ` <${found?.type.name ?? "path"}>`;
  const origin = found ? [`      ${found.env[0]}; default: ${formatInitial(found)}`] : [];
  return [`  ${short}--${flag.name}${value}`, `      ${flag.doc}`, ...origin];
}

function indent(texts: readonly string[]): readonly string[] {
  return texts.map((line) => `  ${line}`);
}

function lines(...texts: string[]): string {
  return `${texts.join("\n")}\n`;
}
