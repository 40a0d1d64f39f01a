/** Runs a program of the test suite: shows its output as it comes, and counts. */

import { type Counts, judgeRun } from "./test_counts.ts";

/** Runs `deno` itself, the one that runs us. */
export async function runDeno(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<Counts> {
  const child = new Deno.Command(Deno.execPath(), {
    args: [...args],
    env: { ...env },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const [output, errors, { success }] = await Promise.all([
    pass(child.stdout, Deno.stdout),
    pass(child.stderr, Deno.stderr),
    child.status,
  ]);
  return judgeRun(`${errors}\n${output}`, success);
}

/** Forwards what comes and returns all of it. */
async function pass(
  from: ReadableStream<Uint8Array>,
  to: { writeSync(bytes: Uint8Array): number },
): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  for await (const bytes of from) {
    for (let rest = bytes; rest.length > 0;) rest = rest.subarray(to.writeSync(rest));
    text += decoder.decode(bytes, { stream: true });
  }
  return text;
}
