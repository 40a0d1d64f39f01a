import assert from "node:assert/strict";
import { COMMAND_NAMES, flagsOf } from "../../cli/command_line.ts";
import { COMMANDS, formatHelp } from "../../cli/help.ts";
import { formatChangeJson } from "../../cli/tail/tail_line.ts";
import { readProjectFile } from "../support/source_tree.ts";

const page = readProjectFile("docs/CLI.md");

Deno.test("docs/CLI.md has a row for every command, and every flag that its text names exists", () => {
  for (const name of COMMAND_NAMES) {
    assert(new RegExp(`^\\| \`${name}[ \`]`, "m").test(page), `"${name}" is missing`);
  }
  const known = COMMAND_NAMES.flatMap((name) => flagsOf(name).map((flag) => `--${flag.name}`));
  for (const [flag] of page.matchAll(/--[a-z][a-z-]+/g)) {
    assert(known.includes(flag) || flag === "--help", `"${flag}" is unknown`);
  }
});

Deno.test("docs/CLI.md names all that a line of tail has", () => {
  const change = {
    table: "a",
    operation: "insert",
    key: "k",
    value: {},
    oldValue: undefined,
    place: undefined,
    txids: [],
  };
  const names = Object.keys(JSON.parse(formatChangeJson(change, 0)));
  const [json] = /```json\n([^]*?)```/.exec(page)?.slice(1) ?? [];
  assert.deepEqual(Object.keys(JSON.parse(json)), names);
  for (const name of [...names, "control", "mode"]) {
    assert(new RegExp(`^\\|.*\`${name}\``, "m").test(page), `"${name}" is missing`);
  }
});

Deno.test("help begins with examples of the command itself, and tells all its flags", () => {
  for (const name of COMMAND_NAMES) {
    const help = formatHelp(name);
    assert(help.startsWith(`Examples:\n  ${COMMANDS[name].examples[0]}\n`));
    for (const example of COMMANDS[name].examples) {
      assert(example.includes(`electric-ts ${name}`), example);
    }
    for (const flag of flagsOf(name)) {
      assert(help.includes(`--${flag.name}`) && help.includes(flag.doc), flag.name);
    }
  }
});
