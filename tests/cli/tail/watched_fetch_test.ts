import assert from "node:assert/strict";
import { messageIn, parseKeyColumns, WatchedFetch } from "../../../cli/tail/watched_fetch.ts";

/** A server that answers as told, and what a watch says of it. */
function world() {
  const said: string[] = [];
  let answer = () => new Response("[]");
  const server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen: () => {} },
    () => answer(),
  );
  const watched = new WatchedFetch({
    onFailure: (cause) => said.push(`failure: ${cause}`),
    onRecovery: () => said.push("recovery"),
    onMode: (isFallback) => said.push(isFallback ? "fallback" : "live"),
    onKeyColumns: (names) => said.push(`key ${names}`),
  });
  const url = `http://127.0.0.1:${server.addr.port}/v1/shape?secret=hush`;
  return {
    said,
    watched,
    async ask(next: () => Response, query = ""): Promise<Response> {
      answer = next;
      return await watched.fetchClient(url + query);
    },
    [Symbol.asyncDispose]: () => server.shutdown(),
  };
}

const FALLBACK = () => new Response("[]", { headers: { "electric-fallback-mode": "true" } });
const LIVE = () => new Response("[]");

Deno.test("WatchedFetch tells the mode, and believes only live requests that it is live again", async () => {
  await using it = world();
  for (
    const [answer, query] of [[LIVE, ""], [FALLBACK, ""], [FALLBACK, ""], [LIVE, ""]] as const
  ) {
    await (await it.ask(answer, query)).text();
  }
  assert.deepEqual(it.said, ["fallback"]);
  await (await it.ask(LIVE, "&live=true")).text();
  assert.deepEqual(it.said, ["fallback", "live"]);
});

Deno.test("WatchedFetch tells of refusals and of the first good answer after them", async () => {
  await using it = world();
  const refusal = () => Response.json({ message: "not now" }, { status: 503 });
  await (await it.ask(refusal)).text();
  await (await it.ask(LIVE)).text();
  await (await it.ask(LIVE)).text();
  assert.deepEqual(it.said, ["failure: the server answers 503 (not now)", "recovery"]);
  assert(it.watched.wasReached);
});

Deno.test("WatchedFetch tells of a server that is not there without the request's secret", async () => {
  const it = world();
  await it[Symbol.asyncDispose]();
  await assert.rejects(it.ask(LIVE));
  assert.deepEqual(it.said, ["failure: nothing listens there"]);
  assert(!it.watched.wasReached);
});

Deno.test("WatchedFetch keeps values as text and tells the key's columns", async () => {
  await using it = world();
  const schema = '{"id":{"type":"int8","pk_index":0},"n":{"type":"int8"}}';
  const response = await it.ask(() =>
    new Response("[]", { headers: { "electric-schema": schema } })
  );
  assert.equal(response.headers.get("electric-schema"), "{}");
  assert.equal(await response.text(), "[]");
  assert.deepEqual(it.said, ["key id"]);
});

Deno.test("parseKeyColumns() and messageIn() take anything", () => {
  for (const text of ["", "null", "[1]", '{"a":null}', "{"]) {
    assert.deepEqual(parseKeyColumns(text), []);
  }
  for (const body of [undefined, null, 1, {}, { message: 1 }]) {
    assert.equal(messageIn(body), undefined);
  }
  assert.equal(
    messageIn({ message: "Invalid request", errors: { table: ["is empty"], where: "x" } }),
    "Invalid request; table: is empty; where: x",
  );
});
