import assert from "node:assert/strict";
import { countRequests } from "../../cli/request_activity.ts";
import type { Handler } from "../../server/handler.ts";
import { waitUntil } from "../support/recording_sink.ts";

function counting(handler: Handler) {
  const seen = { begun: 0, open: 0 };
  const counted = countRequests(handler, () => {
    seen.begun += 1;
    seen.open += 1;
    return () => void (seen.open -= 1);
  });
  return { seen, counted };
}

function get(path: string): Request {
  return new Request(`http://localhost${path}`);
}

Deno.test("countRequests() counts a request for a shape until it is answered", async () => {
  const answer = Promise.withResolvers<Response>();
  const { seen, counted } = counting(() => answer.promise);
  const response = counted(get("/v1/shape?table=t"));
  assert.deepEqual(seen, { begun: 1, open: 1 });
  answer.resolve(new Response("[]"));
  assert.equal(await (await response).text(), "[]");
  assert.deepEqual(seen, { begun: 1, open: 0 });
});

Deno.test("countRequests() counts an event stream for as long as it is read", async () => {
  const headers = { "content-type": "text/event-stream; charset=utf-8" };
  const { seen, counted } = counting(() => new Response("data: []\n\n", { headers }));
  const response = await counted(get("/v1/shape?live=true&live_sse=true"));
  assert.equal(seen.open, 1);
  assert.equal(response.headers.get("content-type"), headers["content-type"]);
  assert.equal(await response.text(), "data: []\n\n");
  assert.equal(seen.open, 0);
});

Deno.test("countRequests() forgets an event stream whose client goes", async () => {
  const headers = { "content-type": "text/event-stream" };
  const left = Promise.withResolvers<void>();
  const body = new ReadableStream<Uint8Array>({ cancel: () => left.resolve() });
  const { seen, counted } = counting(() => new Response(body, { headers }));
  const response = await counted(get("/v1/shape"));
  await response.body?.cancel();
  await left.promise;
  await waitUntil("it is forgotten", () => seen.open === 0);
});

Deno.test("countRequests() lets health checks and others sleep on", async () => {
  const { seen, counted } = counting(() => new Response(null, { status: 200 }));
  for (const path of ["/", "/v1/health", "/v1/status", "/nowhere"]) await counted(get(path));
  assert.equal(seen.begun, 0);
});
