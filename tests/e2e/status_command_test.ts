import assert from "node:assert/strict";
import { CliProcess, runCli } from "../support/cli_process.ts";
import { freePort } from "../support/server_process.ts";

/** Answers every request with what a test says. */
function answering(
  answer: () => Response | Promise<Response>,
  process: (url: URL) => Response = () => new Response(null, { status: 404 }),
) {
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, (request) => {
    const url = new URL(request.url);
    return url.pathname === "/admin/status" ? process(url) : answer();
  });
  const url = `http://127.0.0.1:${server.addr.port}`;
  return { url, [Symbol.asyncDispose]: () => server.shutdown() };
}

function statusOf(status: string): Response {
  return Response.json({ status, since: "2026-05-01T12:00:00.000Z", reason: null, future: [1] });
}

Deno.test("status exits by the mode only if asked to", async () => {
  for (const [mode, code] of [["live", 0], ["fallback", 3], ["starting", 4]] as const) {
    await using server = answering(() => statusOf(mode));
    const plain = await runCli(["status", "--url", server.url]);
    assert.deepEqual([plain.code, plain.stderr], [0, ""]);
    assert(plain.stdout.startsWith(`${mode}  for `), plain.stdout);
    assert.equal((await runCli(["status", "--exit-code", "--url", server.url])).code, code);
  }
});

Deno.test("status --json prints the server's document, whatever else is in it", async () => {
  await using server = answering(() => statusOf("live"));
  const { code, stdout } = await runCli(["status", "--json"], { ELECTRIC_URL: server.url });
  assert.equal(code, 0);
  assert.deepEqual(JSON.parse(stdout).future, [1]);
});

Deno.test("status shows requests, storage and memory to who has the secret", async () => {
  const { stdout } = await withSecretServer(["status"], { ELECTRIC_SECRET: "hush" });
  assert.match(stdout, /^requests +2\.5 a second for shapes, 7 waiting for news$/m);
  assert.match(stdout, /^storage +in memory, 0 B not yet durable$/m);
  assert.match(stdout, /^memory +1\.0 KiB, heap 512 B$/m);
  for (const flags of [[], ["--secret", "wrong"]]) {
    const public_ = await withSecretServer(["status", ...flags], {});
    assert.doesNotMatch(public_.stdout, /^(?:requests|storage|memory) /m);
    assert.match(public_.stdout, /^more +requests, storage and memory with --secret/m);
    assert.equal(public_.code, 0);
  }
});

async function withSecretServer(args: readonly string[], env: Record<string, string>) {
  const figures = {
    requests: { per_second: 2.5, held: 7 },
    storage: { used_bytes: null, queued_bytes: 0 },
    memory: { resident_bytes: 1024, heap_used_bytes: 512 },
  };
  await using server = answering(
    () => statusOf("live"),
    ({ searchParams }) =>
      searchParams.get("secret") === "hush"
        ? Response.json(figures)
        : Response.json({ message: "Unauthorized" }, { status: 401 }),
  );
  return await runCli([...args, "--url", server.url], env);
}

Deno.test("status exits with 5 when nothing or something else answers", async () => {
  const port = freePort();
  const nobody = await runCli(["status", "--json"], { ELECTRIC_PORT: `${port}` });
  assert.equal(nobody.code, 5);
  const { status, error } = JSON.parse(nobody.stdout);
  assert.equal(status, "unreachable");
  assert.equal(nobody.stderr, `Error: ${error}\n`);
  assert.match(error, new RegExp(`^Can't reach http://localhost:${port}: nothing listens there`));
  await using other = answering(() => new Response("<html>", { status: 404 }));
  const wrong = await runCli(["status", "--url", other.url]);
  assert.deepEqual([wrong.code, wrong.stdout], [5, ""]);
  assert.match(wrong.stderr, /answers, but not with a status \(HTTP 404\): is it electric-ts\?/);
});

Deno.test("status gives a server 5 s", async () => {
  const { promise, resolve } = Promise.withResolvers<Response>();
  await using server = answering(() => promise);
  const { code, stderr } = await runCli(["status", "--url", server.url]);
  resolve(new Response());
  assert.equal(code, 5);
  assert.match(stderr, /did not answer within 5 s/);
});

Deno.test("status --watch looks again and again, and ends with 130 or 143", async () => {
  for (const [signal, code] of [["SIGINT", 130], ["SIGTERM", 143]] as const) {
    let looks = 0;
    await using server = answering(() => statusOf(looks++ === 0 ? "starting" : "live"));
    await using run = new CliProcess(["status", "--watch", "--json", "--url", server.url]);
    await run.until(() => run.stdout.split("\n").length > 2);
    run.kill(signal);
    const result = await run.result();
    assert.deepEqual([result.code, result.stderr], [code, ""]);
    const modes = result.stdout.trim().split("\n").map((line) => JSON.parse(line).status);
    assert.deepEqual(modes.slice(0, 2), ["starting", "live"]);
  }
});

Deno.test("colours come with FORCE_COLOR and go with NO_COLOR", async () => {
  await using server = answering(() => statusOf("live"));
  const lines = async (env: Record<string, string>, ...flags: string[]) =>
    (await runCli(["status", "--url", server.url, ...flags], env)).stdout;
  const isColored = (text: string) => text.includes("\x1b[");
  assert(isColored(await lines({ FORCE_COLOR: "1" })));
  assert(!isColored(await lines({ FORCE_COLOR: "1", NO_COLOR: "1" })));
  assert(!isColored(await lines({ FORCE_COLOR: "1" }, "--no-color")));
  assert(!isColored(await lines({ FORCE_COLOR: "1", TERM: "dumb" })));
});
