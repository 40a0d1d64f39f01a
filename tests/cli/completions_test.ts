import assert from "node:assert/strict";
import { formatCompletions } from "../../cli/completions.ts";
import { COMMAND_NAMES, flagsOf, SHELLS } from "../../cli/command_line.ts";

/** What bash offers for the last word. */
async function complete(...words: string[]): Promise<readonly string[]> {
  const script = `${formatCompletions("bash")}
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _electric_ts; printf '%s\\n' "\${COMPREPLY[@]}"`;
  const { stdout, stderr } = await new Deno.Command("bash", {
    args: ["--norc", "-c", script, "bash", "electric-ts", ...words],
  }).output();
  const decoder = new TextDecoder();
  assert.equal(decoder.decode(stderr), "");
  return decoder.decode(stdout).split("\n").filter((word) => word !== "");
}

Deno.test("bash completes commands, flags and values", async () => {
  assert.deepEqual(await complete("s"), ["serve", "status"]);
  assert.deepEqual(await complete("status", "--w"), ["--watch"]);
  assert.deepEqual(await complete("tail", "--replica", ""), ["default", "full"]);
  assert.deepEqual(await complete("completions", ""), [
    ...SHELLS,
    ...["--help", "-h", "--version", "-V", "--no-color"],
  ]);
  assert.deepEqual(await complete("serve", "--fallback-i"), ["--fallback-interval"]);
});

Deno.test("every shell's script knows every command and flag", () => {
  for (const shell of SHELLS) {
    const script = formatCompletions(shell);
    for (const command of COMMAND_NAMES) {
      assert(script.includes(command));
      for (const { name } of flagsOf(command)) {
        assert(script.includes(shell === "fish" ? `-l ${name}` : `--${name}`), `${shell} ${name}`);
      }
    }
  }
});

Deno.test("quotes in descriptions end no string of the script", () => {
  assert(formatCompletions("zsh").includes("status = '\\''open'\\''"));
  assert(formatCompletions("fish").includes("status = \\'open\\'"));
});
