/** Scripts that complete commands and flags, made from the same tables as the parser and help. */

import {
  COMMAND_NAMES,
  type CommandName,
  type Flag,
  flagsOf,
  type Shell,
  SHELLS,
} from "./command_line.ts";
import { COMMANDS } from "./help.ts";

/** The script for a shell; ends with a newline. */
export function formatCompletions(shell: Shell): string {
  return `${SCRIPTS[shell]().join("\n")}\n`;
}

const SCRIPTS: Readonly<Record<Shell, () => readonly string[]>> = {
  bash: bashScript,
  zsh: zshScript,
  fish: fishScript,
};

/** What may stand after a command, other than flags. */
function operandsOf(name: CommandName): readonly string[] {
  if (name === "help") return COMMAND_NAMES;
  return name === "completions" ? SHELLS : [];
}

/** The values to choose from, where the type names them. */
function choicesOf({ typeName }: Flag): readonly string[] {
  return typeName.includes("|") ? typeName.split("|") : [];
}

function dashed({ name, short }: Flag): readonly string[] {
  return short ? [`--${name}`, `-${short}`] : [`--${name}`];
}

function bashScript(): readonly string[] {
  const values = COMMAND_NAMES.flatMap((command) =>
    flagsOf(command).filter((flag) => choicesOf(flag).length > 0).map((flag) =>
      `    ${command}:--${flag.name}) words="${choicesOf(flag).join(" ")}" ;;`
    )
  );
  const words = COMMAND_NAMES.map((command) => {
    const all = [...operandsOf(command), ...flagsOf(command).flatMap(dashed)];
    return `    ${command}:*) words="${all.join(" ")}" ;;`;
  });
  return [
    "# bash completion of electric-ts",
    "_electric_ts() {",
    '  local words="" current="${COMP_WORDS[COMP_CWORD]}"',
    '  case "${COMP_WORDS[1]}:${COMP_WORDS[COMP_CWORD-1]}" in',
    ...values,
    ...words,
    "  esac",
    `  [ "$COMP_CWORD" -eq 1 ] && words="${COMMAND_NAMES.join(" ")} --help --version"`,
    '  COMPREPLY=($(compgen -W "$words" -- "$current"))',
    "}",
    "complete -o default -F _electric_ts electric-ts",
  ];
}

function zshScript(): readonly string[] {
  return [
    "#compdef electric-ts",
    "_electric_ts() {",
    "  local -a commands",
    "  commands=(",
    ...COMMAND_NAMES.map((name) => `    ${single(`${name}:${COMMANDS[name].summary}`)}`),
    "  )",
    "  if (( CURRENT == 2 )); then",
    "    _describe command commands",
    "    return",
    "  fi",
    // The command's own arguments count from itself.
    '  local command="$words[2]"',
    "  shift words",
    "  (( CURRENT-- ))",
    '  case "$command" in',
    ...COMMAND_NAMES.map((name) => `    ${name}) _arguments ${zshArguments(name)} ;;`),
    "  esac",
    "}",
    'if [ "$funcstack[1]" = "_electric_ts" ]; then _electric_ts "$@"; else ' +
    "compdef _electric_ts electric-ts; fi",
  ];
}

function zshArguments(name: CommandName): string {
  const operands = operandsOf(name);
  return [
    ...operands.length > 0 ? [single(`1:word:(${operands.join(" ")})`)] : [],
    ...flagsOf(name).flatMap((flag) => dashed(flag).map((word) => single(zshFlag(flag, word)))),
  ].join(" ");
}

/** `*` because any flag may be repeated: the last one wins, or all count. */
function zshFlag(flag: Flag, word: string): string {
  const head = `*${word}[${flag.doc.replace(/[[\]\\]/g, "\\$&")}]`;
  if (flag.isBoolean) return head;
  const choices = choicesOf(flag);
  return `${head}:value:${choices.length > 0 ? `(${choices.join(" ")})` : "_files"}`;
}

function fishScript(): readonly string[] {
  return [
    "# fish completion of electric-ts",
    "complete -c electric-ts -f",
    ...COMMAND_NAMES.map((name) =>
      `complete -c electric-ts -n __fish_use_subcommand -a ${name} -d ${
        single(COMMANDS[name].summary)
      }`
    ),
    ...COMMAND_NAMES.flatMap((name) => {
      const head = `complete -c electric-ts -n '__fish_seen_subcommand_from ${name}'`;
      const operands = operandsOf(name);
      return [
        ...operands.length > 0 ? [`${head} -a '${operands.join(" ")}'`] : [],
        ...flagsOf(name).map((flag) => `${head} ${fishFlag(flag)}`),
      ];
    }),
  ];
}

function fishFlag(flag: Flag): string {
  const short = flag.short ? ` -s ${flag.short}` : "";
  const choices = choicesOf(flag);
  // -x: a value and no files; -r: a value, which may be one.
  const value = choices.length > 0 ? ` -x -a '${choices.join(" ")}'` : flag.isBoolean ? "" : " -r";
  const doc = `'${flag.doc.replace(/['\\]/g, "\\$&")}'`;
  return `-l ${flag.name}${short}${value} -d ${doc}`;
}

function single(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
