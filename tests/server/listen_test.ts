import { deepStrictEqual as deepEqual, ok, strictEqual as equal } from "node:assert/strict";
import { SERVER_DEFAULTS } from "../../server/config.ts";
import { openContext } from "../../server/context.ts";
import { handleRequest } from "../../server/handler.ts";
import { listen } from "../../server/listen.ts";
import { readerOf } from "./harness.ts";
import { FakeLogger, FakeService, itemBytes } from "./fake_service.ts";

/** A real server on a port of its own; polls last longer than any test. */
function serve() {
  const service = new FakeService();
  const shape = service.add("items");
  const shutdown = new AbortController();
  const context = openContext({
    service,
    status: () => service.report(),
    config: { ...SERVER_DEFAULTS, isDeleteAllowed: true },
    logger: new FakeLogger(),
    shutdown: shutdown.signal,
  });
  const listener = listen({
    handler: (request) => handleRequest(context, request),
    hostname: "127.0.0.1",
    port: 0,
    shutdown: shutdown.signal,
  });
  const url = `http://127.0.0.1:${listener.addr.port}/v1/shape?table=items`;
  const live = `${url}&offset=0_inf&handle=h-items&live=true`;
  const stop = async () => {
    shutdown.abort();
    await listener.finished;
    context.deadlines[Symbol.dispose]();
  };
  return { service, shape, context, listener, shutdown, url, live, stop };
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 5));
}

Deno.test("over a socket, small answers are whole and nothing is compressed", async () => {
  const { url, stop, shape } = serve();
  const big = "x".repeat(200_000);
  const headers = { "accept-encoding": "gzip, br" };
  const small = await fetch(`${url}&offset=-1`, { headers });
  const text = await small.text();
  equal(small.headers.get("etag"), '"h-items:-1:0_0"');
  equal(small.headers.get("content-length"), String(text.length));
  shape.snapshot = [itemBytes({ big })];
  const large = await fetch(`${url}&offset=-1`, { headers });
  deepEqual(await large.json(), [{ big }]);
  equal(large.headers.get("etag"), '"h-items:-1:0_0"');
  ok([null, "identity"].includes(large.headers.get("content-encoding")));
  const revalidated = await fetch(`${url}&offset=-1`, {
    headers: { "if-none-match": '"h-items:-1:0_0"' },
  });
  equal(revalidated.status, 304);
  const head = await fetch(`${url}&offset=-1`, { method: "HEAD" });
  equal(head.status, 200);
  await stop();
});

Deno.test("over a socket, clients that leave give everything back", async () => {
  const { context, shape, live, stop } = serve();
  const leaving = new AbortController();
  const { signal } = leaving;
  const stay = fetch(live);
  const polls = Array.from({ length: 5 }, () => fetch(live, { signal }).catch(() => "left"));
  await until(() => context.holds.waiters === 6);
  const events = await fetch(`${live}&live_sse=true`, { signal });
  await until(() => context.holds.waiters === 7);
  equal(context.admission.held("existing"), 7);
  leaving.abort();
  deepEqual(await Promise.all(polls), Array(5).fill("left"));
  await events.text().catch(() => "left");
  await until(() => context.holds.waiters === 1);
  equal(context.admission.held("existing"), 1);
  shape.append({ lsn: 700n, op: 0 }, { key: "2" });
  equal((await stay).headers.get("electric-offset"), "700_0");
  await (await stay).text();
  equal(context.admission.held("existing"), 0);
  await stop();
});

Deno.test("over a socket, a client that leaves in the middle of a page ends its reading", async () => {
  const { context, shape, url, stop } = serve();
  shape.pieceBytes = 64 * 1024;
  shape.snapshot = [itemBytes({ big: "x".repeat(50_000_000) })];
  const leaving = new AbortController();
  const response = await fetch(`${url}&offset=-1`, { signal: leaving.signal });
  const reader = readerOf(response);
  await reader.read();
  equal(shape.openStreams, 1);
  leaving.abort();
  await reader.read().catch(() => {});
  await until(() => shape.openStreams === 0);
  equal(context.admission.held("existing"), 0);
  await stop();
});

Deno.test("over a socket, an event stream's headers come before its first event", async () => {
  const { shape, live, stop } = serve();
  const response = await fetch(`${live}&live_sse=true`);
  equal(response.headers.get("content-type"), "text/event-stream");
  const reader = readerOf(response);
  shape.append({ lsn: 700n, op: 0 }, { key: "2" });
  const { value } = await reader.read();
  ok(new TextDecoder().decode(value).startsWith('data: {"key":"2"}\n\n'));
  await stop();
  while (!(await reader.read()).done);
});

Deno.test("over a socket, shutdown answers what waits and then stops accepting", async () => {
  const { context, live, url, stop } = serve();
  const polls = Array.from({ length: 3 }, () => fetch(live));
  await until(() => context.holds.waiters === 3);
  const stopped = stop();
  for (const poll of polls) {
    const response = await poll;
    equal(response.headers.get("electric-has-data"), "false");
    await response.text();
  }
  await stopped;
  let isRefused = false;
  await fetch(`${url}&offset=-1`).catch(() => isRefused = true);
  equal(isRefused, true);
});

Deno.test("listen() stops when asked, without waiting for ever for requests", async () => {
  const never = new AbortController();
  const answer = Promise.withResolvers<Response>();
  const started = Promise.withResolvers<void>();
  const listener = listen({
    handler: () => {
      started.resolve();
      return answer.promise;
    },
    hostname: "127.0.0.1",
    port: 0,
    shutdown: never.signal,
    graceMs: 20,
  });
  const request = fetch(`http://127.0.0.1:${listener.addr.port}/`);
  await started.promise;
  await Promise.all([listener.stop(), listener.stop(), listener.finished]);
  answer.resolve(new Response("late"));
  equal(await (await request).text(), "late");
});
