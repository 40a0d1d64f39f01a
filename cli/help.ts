/** What `help`, `--help` and `version` print. */

import { COMMAND_NAMES, type CommandName, type Flag, flagsOf } from "./command_line.ts";
import build from "./build.json" with { type: "json" };
import manifest from "../deno.json" with { type: "json" };

export const VERSION: string = manifest.version;
/** What the program was compiled from; "source" when it was not. */
const COMMIT: string = build.commit;

export interface CommandDoc {
  readonly summary: string;
  readonly examples: readonly string[];
  readonly notes: string;
}

export const COMMANDS: Readonly<Record<CommandName, CommandDoc>> = {
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
  status: {
    summary: "Tells how a server does: its mode and why, lag, slot, shapes",
    examples: [
      "electric-ts status",
      "electric-ts status --url https://sync.example.com --watch",
      "ELECTRIC_SECRET=choose-one electric-ts status",
      "electric-ts status --exit-code >/dev/null && echo live",
    ],
    notes:
      "With the secret it shows requests, storage and memory, too. Exits with 0, or with 5 if there " +
      "is no answer within 5 s; by the mode with --exit-code.",
  },
  tail: {
    summary: "Follows the rows and changes of tables",
    examples: [
      "electric-ts tail --table issues",
      "electric-ts tail --table issues --where 'status = $1' --param 1=open --replica full",
      "electric-ts tail --table issues --table comments --since now",
      "electric-ts tail --table issues --follow=false --json | jq .value",
    ],
    notes: "Goes on through interruptions until Ctrl-C, --limit, or --follow=false.",
  },
  doctor: {
    summary: "Checks whether a Postgres has all that serve needs, and tells what mends it",
    examples: [
      "DATABASE_URL=postgresql://user:password@localhost/app electric-ts doctor",
      "electric-ts doctor --table issues --table 'app.\"Orders\"'",
      "electric-ts doctor --replication-stream-id blue --json",
    ],
    notes: "Changes nothing. Exits with 0 if all is well, 3 for warnings, 1 for errors.",
  },
  "inspect-shape": {
    summary: "Shows what a server, or its storage, has of a shape",
    examples: [
      "electric-ts inspect-shape --list --sort log_bytes",
      "electric-ts inspect-shape --table issues --where 'project = 7' --rows",
      'electric-ts inspect-shape 81245370-1764000000000000 --key \'"public"."issues"/"1"\'',
      "electric-ts inspect-shape --table issues --verify --database-url postgresql://localhost/app",
      "electric-ts inspect-shape --list --storage-dir ./persistent",
    ],
    notes: "Name one shape: by its HANDLE or by --table; or pass --list. With --verify it exits " +
      "with 1 if the rows differ from the database's.",
  },
  completions: {
    summary: "Prints a script that completes commands and flags in bash, zsh or fish",
    examples: [
      "source <(electric-ts completions bash)",
      'electric-ts completions zsh >"${fpath[1]}/_electric-ts"',
      "electric-ts completions fish >~/.config/fish/completions/electric-ts.fish",
    ],
    notes: "",
  },
  help: {
    summary: "Shows help, of a command if one is named",
    examples: ["electric-ts help serve"],
    notes: "",
  },
  version: {
    summary: "Shows version, commit and runtime",
    examples: ["electric-ts version"],
    notes: "",
  },
};

/** What `version` prints; ends with a newline. */
export function formatVersion(): string {
  return `electric-ts ${VERSION} (${COMMIT}, Deno ${Deno.version.deno})\n`;
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
function formatFlag({ name, short, isBoolean, typeName, doc, origin }: Flag): readonly string[] {
  const head = `${short ? `-${short}, ` : ""}--${name}${isBoolean ? "" : ` <${typeName}>`}`;
  return [`  ${head}`, `      ${doc}`, ...origin ? [`      ${origin}`] : []];
}

function indent(texts: readonly string[]): readonly string[] {
  return texts.map((line) => `  ${line}`);
}

function lines(...texts: string[]): string {
  return `${texts.join("\n")}\n`;
}
