import assert from "node:assert/strict";

const MAIN = new URL("../../main.ts", import.meta.url).pathname;

/** Reads until the text holds the mark; returns what was read. */
async function readUntil(
  reader: ReadableStreamDefaultReader<Uint8Array>,
  mark: string,
): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  while (!text.includes(mark)) {
    const { done, value } = await reader.read();
    assert(!done, `Ended without "${mark}":\n${text}`);
    text += decoder.decode(value, { stream: true });
  }
  return text;
}

interface ShapeMessage {
  readonly headers: { readonly operation?: string; readonly control?: string };
}

/** Follows a shape by long polls until a change arrives, and returns the changes. */
async function followUntilChange(url: string): Promise<readonly ShapeMessage[]> {
  const snapshot = await fetch(`${url}&offset=now`);
  await snapshot.body?.cancel();
  for (let headers = snapshot.headers;;) {
    const position = `&handle=${headers.get("electric-handle")}&offset=${
      headers.get("electric-offset")
    }`;
    const answer = await fetch(`${url}${position}&live=true`);
    const messages: readonly ShapeMessage[] = await answer.json();
    const changes = messages.filter((message) => message.headers.operation);
    if (changes.length > 0) return changes;
    headers = answer.headers;
  }
}

Deno.test("the demo shows live changes, and ends with nothing left behind", async () => {
  await using child = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--quiet", "--no-check", MAIN, "demo", "--port=0"],
    stdin: "null",
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  const reader = child.stdout.getReader();
  const welcome = await readUntil(reader, "Ctrl-C");
  const [, apiUrl] = /API +(http:\S+)/.exec(welcome) ?? [];
  const [, databaseUrl] = /Postgres +(postgresql:\S+)/.exec(welcome) ?? [];

  const rows = await fetch(`${apiUrl}/v1/shape?table=projects&offset=-1`);
  assert.equal(rows.status, 200);
  const projects: readonly ShapeMessage[] = await rows.json();
  assert.equal(projects.filter(({ headers }) => headers.operation === "insert").length, 3);
  assert((await followUntilChange(`${apiUrl}/v1/shape?table=issues`)).length > 0);

  child.kill("SIGINT");
  await readUntil(reader, "Stopped.");
  await reader.cancel();
  assert.equal((await child.status).code, 0);
  const { hostname, port } = new URL(databaseUrl);
  await assert.rejects(Deno.connect({ hostname, port: Number(port) }));
});
