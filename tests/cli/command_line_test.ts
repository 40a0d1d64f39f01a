import assert from "node:assert/strict";
import { COMMAND_NAMES, flagsOf, parseCommandLine } from "../../cli/command_line.ts";
import { UsageError } from "../../cli/usage_error.ts";
import { listOptions } from "../../cli/options.ts";

function parseServe(...args: string[]) {
  const command = parseCommandLine(["serve", ...args]);
  assert(command.kind === "serve");
  return command;
}

Deno.test("parseCommandLine() tells the commands apart", () => {
  assert.deepEqual(parseCommandLine([]), { kind: "help", topic: undefined });
  assert.deepEqual(parseCommandLine(["help", "serve"]), { kind: "help", topic: "serve" });
  assert.deepEqual(parseCommandLine(["serve", "--help"]), { kind: "help", topic: "serve" });
  assert.deepEqual(parseCommandLine(["demo", "-h"]), { kind: "help", topic: "demo" });
  for (const args of [["version"], ["--version"], ["-V"], ["serve", "-V"]]) {
    assert.deepEqual(parseCommandLine(args), { kind: "version" });
  }
  assert.equal(parseCommandLine(["demo"]).kind, "demo");
  assert.deepEqual(parseCommandLine(["completions", "zsh"]), { kind: "completions", shell: "zsh" });
});

Deno.test("parseCommandLine() takes a flag for every option", () => {
  for (const { option } of listOptions()) {
    if (option.type.name === "boolean") {
      assert.equal(parseServe(`--${option.flag}`).flags.get(option.flag), "true");
      assert.equal(parseServe(`--no-${option.flag}`).flags.get(option.flag), "false");
      assert.equal(parseServe(`--${option.flag}=false`).flags.get(option.flag), "false");
    } else {
      assert.equal(parseServe(`--${option.flag}`, "x").flags.get(option.flag), "x");
      assert.equal(parseServe(`--${option.flag}=a=b`).flags.get(option.flag), "a=b");
    }
  }
});

Deno.test("parseCommandLine() lets the last of repeated flags win", () => {
  assert.equal(parseServe("--port=1", "--port=2").flags.get("port"), "2");
});

Deno.test("parseCommandLine() reads the flags that are not options", () => {
  const command = parseServe("--config", "e.json", "--print-config");
  assert.deepEqual([command.configPath, command.isPrintConfig], ["e.json", true]);
  assert.deepEqual([parseServe().configPath, parseServe().isPrintConfig], [undefined, false]);
});

const REFUSED: readonly (readonly [args: readonly string[], message: string, topic?: string])[] = [
  [["serve", "--prot", "1"], 'Unknown flag "--prot", did you mean "--port"?', "serve"],
  [
    ["serve", "--databse-url=x"],
    'Unknown flag "--databse-url", did you mean "--database-url"?',
    "serve",
  ],
  [["serve", "--zzz"], 'Unknown flag "--zzz"', "serve"],
  [["serve", "-p"], 'Unknown flag "-p"', "serve"],
  [["serve", "--port"], 'Flag "--port" needs a value', "serve"],
  [["serve", "now"], 'Unexpected argument "now"', "serve"],
  [["demo", "--secret", "x"], 'Unknown flag "--secret"', "demo"],
  [["sevre"], 'Unknown command "sevre", did you mean "serve"?'],
  [["help", "dmeo"], 'Unknown command "dmeo", did you mean "demo"?'],
  [["frobnicate"], 'Unknown command "frobnicate"'],
  [["--port", "3"], 'Unknown flag "--port"'],
  [["status", "--wacth"], 'Unknown flag "--wacth", did you mean "--watch"?', "status"],
  [["tail", "issues"], 'Unexpected argument "issues"', "tail"],
  [["completions"], "Name a shell: one of bash, zsh, fish", "completions"],
  [["completions", "tcsh"], 'Unknown shell "tcsh": one of bash, zsh, fish', "completions"],
  [["help", "serve", "demo"], 'Unexpected argument "demo"', "help"],
];

Deno.test("parseCommandLine() refuses what it does not know, with a suggestion", () => {
  for (const [args, message, topic] of REFUSED) {
    assert.throws(() => parseCommandLine(args), (error) => {
      assert(error instanceof UsageError);
      assert.deepEqual([error.message, error.topic], [message, topic], args.join(" "));
      return true;
    });
  }
});

Deno.test("no two flags of a command have one name", () => {
  for (const command of COMMAND_NAMES) {
    const names = flagsOf(command).map(({ name }) => name);
    assert.deepEqual(names, [...new Set(names)]);
  }
});

Deno.test("parseCommandLine() keeps every text of a repeated flag, and values that begin with a dash", () => {
  const args = ["tail", "--table", "a", "--since", "-1", "--table=b", "--follow=false"];
  const command = parseCommandLine(args);
  assert(command.kind === "tail");
  assert.deepEqual([...command.given], [
    ["table", ["a", "b"]],
    ["since", ["-1"]],
    ["follow", ["false"]],
  ]);
});
