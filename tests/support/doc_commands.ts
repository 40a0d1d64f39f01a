/**
 * The commands of the documentation, and a script that runs those of a page one after the other, as
 * a reader would type them. A fence says what is special about a block:
 *
 * - `sh stays`: it stays in the foreground, as a server does; what follows is typed elsewhere
 * - `sh exit=0|3`: it may end with these
 * - `sh not-run=REASON`: no test runs it; the reasons are listed here
 */

import { readProjectFile } from "./source_tree.ts";

export const REASONS_NOT_RUN: Readonly<Record<string, string>> = {
  "runs-this": "It would run the test that runs it",
  compiles: "CI compiles with one of these lines, and tests what comes out",
  "needs-docker": "No engine for containers runs here: tests/deploy reads the Dockerfile",
  "needs-systemd": "It installs into the system",
  "stops-the-server": "It takes the slot away from a server that the page has started",
};

export interface DocBlock {
  readonly page: string;
  /** Of the fence, from 1. */
  readonly line: number;
  readonly language: "sh" | "ts";
  readonly text: string;
  readonly stays: boolean;
  readonly exits: readonly number[];
  readonly notRun: string | undefined;
}

const FENCE = /^```(sh|ts)\b(.*)$/;

/** Throws `SyntaxError` for what a fence must not say. */
export function readBlocks(page: string): readonly DocBlock[] {
  const lines = readProjectFile(page).split("\n");
  return lines.flatMap((line, at) => {
    const [, language, info] = FENCE.exec(line) ?? [];
    if (language === undefined) return [];
    const end = lines.indexOf("```", at);
    const words = info.trim().split(/\s+/).filter((word) => word !== "");
    const text = lines.slice(at + 1, end).join("\n");
    return [{ page, line: at + 1, text, ...readInfo(language, words, `${page}:${at + 1}`) }];
  });
}

function readInfo(language: string, words: readonly string[], place: string) {
  const valueOf = (name: string) =>
    words.find((word) => word.startsWith(`${name}=`))?.slice(name.length + 1);
  const unknown = words.find((word) => !/^(?:stays|exit=[\d|]+|not-run=.+)$/.test(word));
  if (unknown !== undefined) throw new SyntaxError(`${place}: "${unknown}" is not known`);
  return {
    language: language === "ts" ? "ts" as const : "sh" as const,
    stays: words.includes("stays"),
    exits: (valueOf("exit") ?? "0").split("|").map(Number),
    notRun: valueOf("not-run"),
  };
}

export interface DocWorld {
  /** Where the page's `localhost:3000` is. */
  readonly port: number;
  readonly demoPort: number;
  /** What the page's `postgresql://user:password@localhost:5432/app` is. */
  readonly databaseUrl: string;
}

/** For bash. Each block is announced on stderr. */
export function formatScript(blocks: readonly DocBlock[], world: DocWorld): string {
  return [PREAMBLE, ...blocks.map((block) => formatBlock(block, world))].join("\n");
}

const PREAMBLE = `set -euo pipefail
# Each job has a group of its own, which is ended as one.
set -m
jobs_of_page=()
end_jobs() {
  for job in "\${jobs_of_page[@]}"; do kill -- "-$job" 2>/dev/null || true; done
  wait || true
}
trap end_jobs EXIT
# A refusal must not pass for an answer.
curl() { command curl --silent --show-error --fail-with-body "$@"; }
await() {
  for ((i = 0; i < 600; i++)); do
    if "$@" >/dev/null 2>&1; then return 0; fi
    sleep 0.1
  done
  echo "Never: $*" >&2
  return 1
}
is_active() { command curl --silent "http://localhost:$1/v1/health" | grep -q active; }
# Where zsh looks for completions.
fpath=("$HOME" "$HOME")
mkdir -p "$HOME/.config/fish/completions"
`;

function formatBlock(block: DocBlock, world: DocWorld): string {
  const head = `echo "== ${block.page}:${block.line}" >&2`;
  if (block.language === "ts") return [head, formatProgram(block, world)].join("\n");
  const text = fillIn(block.text, world);
  if (block.stays) {
    const port = block.text.includes("task demo") ? world.demoPort : world.port;
    return [head, "{", text, `} >stays.log 2>&1 &`, "jobs_of_page+=($!)", awaitOrTell(port)].join(
      "\n",
    );
  }
  if (block.exits.join() === "0") return [head, text].join("\n");
  const cases = block.exits.join(" | ");
  return [
    head,
    "code=0",
    `( ${text}\n) || code=$?`,
    `case $code in ${cases.replaceAll(" | ", "|")}) ;; *) echo "Exit $code" >&2; exit 1 ;; esac`,
  ].join("\n");
}

function awaitOrTell(port: number): string {
  return `await is_active ${port} || { cat stays.log >&2; exit 1; }`;
}

/** It follows a shape for ever: until it has printed a row. */
function formatProgram({ text }: DocBlock, world: DocWorld): string {
  return [
    "cat >live.ts <<'END_OF_PROGRAM'",
    fillIn(text, world),
    "END_OF_PROGRAM",
    "npx -y deno@2.9.6 run -A live.ts >live.log 2>&1 &",
    "jobs_of_page+=($!)",
    "await grep -q 'title:' live.log || { cat live.log >&2; exit 1; }",
  ].join("\n");
}

function fillIn(text: string, { port, demoPort, databaseUrl }: DocWorld): string {
  return text.replaceAll("localhost:3000", `localhost:${port}`)
    .replaceAll("postgresql://user:password@localhost:5432/app", databaseUrl)
    .replaceAll("task demo", `task demo --port=${demoPort}`);
}
