import { deepStrictEqual as deepEqual, match, strictEqual as equal } from "node:assert/strict";
import type { Mode } from "../../shapes/mode.ts";
import { LIVE, STARTING } from "./fake_service.ts";
import { held, NOTHING_HELD, openHarness, told } from "./harness.ts";

const JSON_TYPE = "application/json; charset=utf-8";
const UNSET = "max-age=0, private, must-revalidate";
const START_CACHE = "public, max-age=604800, s-maxage=3600, stale-while-revalidate=2629746";

Deno.test("common headers are on every answer but refusals of the secret", async () => {
  const { send } = openHarness({ secret: "s" });
  const exposed =
    "electric-cursor,electric-handle,electric-has-data,electric-offset,electric-schema,electric-up-to-date,electric-internal-known-error,retry-after";
  const cases: [string, string | null][] = [
    ["/v1/shape?secret=s&table=items&offset=-1", "GET, POST, HEAD, DELETE, OPTIONS"],
    ["/v1/shape?secret=s", "GET, POST, HEAD, DELETE, OPTIONS"],
    ["/v1/health", "GET, HEAD"],
    ["/", "GET, HEAD"],
    ["/nope", "GET, HEAD"],
    ["/v1/shape", null],
  ];
  for (const [target, methods] of cases) {
    const { headers } = await send(target);
    equal(headers.get("access-control-allow-methods"), methods, target);
    equal(headers.get("access-control-allow-origin"), methods && "*", target);
    equal(headers.get("access-control-expose-headers"), methods && exposed, target);
    equal(headers.get("vary"), "accept-encoding");
    equal(headers.get("electric-server"), "electric-ts/1.2.3");
    match(headers.get("x-request-id") ?? "", /^[\w-]{20,200}$/);
  }
});

Deno.test("origin and request id are echoed if they are fit for it", async () => {
  const { send } = openHarness();
  const ask = async (origin: string, id: string) => {
    const headers = { origin, "x-request-id": id };
    return (await send("/v1/health", { headers })).headers;
  };
  const fit = await ask("https://app.example", "x".repeat(20));
  equal(fit.get("access-control-allow-origin"), "https://app.example");
  equal(fit.get("x-request-id"), "x".repeat(20));
  for (const length of [19, 201]) {
    const other = (await ask("null", "x".repeat(length))).get("x-request-id");
    match(other ?? "", /^[0-9a-z]+-[0-9a-z]{8}$/);
  }
});

Deno.test("HEAD is answered like GET, without the body and with nothing kept open", async () => {
  const harness = openHarness();
  harness.shape.pieceBytes = 10;
  const response = await harness.read("-1", "", { method: "HEAD" });
  equal(response.status, 200);
  equal(response.body, null);
  equal(response.headers.get("etag"), '"h-items:-1:0_0"');
  equal(response.headers.get("cache-control"), START_CACHE);
  deepEqual(held(harness), NOTHING_HELD);
});

Deno.test("POST is answered like GET but never cached", async () => {
  const { send } = openHarness();
  const plain = await send("/v1/shape?table=items&offset=-1", { method: "POST" });
  equal(plain.status, 200);
  equal(plain.headers.get("cache-control"), "no-cache");
  const merged = await send("/v1/shape?table=nothing", {
    method: "POST",
    body: '{"table":"items","offset":"0_inf","handle":"h-items"}',
  });
  // The body's offset is a subset's.
  deepEqual((await merged.json()).errors, { offset: ["can't be blank"] });
  equal(merged.headers.get("cache-control"), "no-cache");
  equal(merged.headers.has("surrogate-control"), false);
});

Deno.test("bad bodies are refused as such", async () => {
  const { send } = openHarness();
  const post = (body: BodyInit) =>
    send("/v1/shape?table=items&offset=-1", { method: "POST", body });
  const broken = await post("{");
  equal(broken.status, 400);
  equal(broken.headers.get("cache-control"), UNSET);
  equal((await broken.json()).error, "Invalid JSON in request body");
  equal(await (await post("[1]")).text(), '{"error":"Request body must be a JSON object"}');
  const large = await post(new Uint8Array(8_000_001).fill(32));
  equal(large.status, 413);
  equal(await large.text(), '{"error":"Request body too large"}');
});

Deno.test("malformed escapes are answered 400 without a body", async () => {
  const { send } = openHarness();
  for (const query of ["table=%zz", "table=%ff", "%=1"]) {
    const response = await send(`/v1/shape?${query}`);
    equal(response.status, 400, query);
    equal(await response.text(), "");
  }
});

Deno.test("the secret guards every form of the shape route and nothing else", async () => {
  const { send } = openHarness({ secret: "open sesame&co" });
  const query = "table=items&offset=-1";
  for (const path of ["/v1/shape", "//v1//shape/", "/v1/%73hape"]) {
    for (const method of ["GET", "HEAD", "POST", "DELETE"]) {
      const response = await send(`${path}?${query}&secret=wrong`, { method });
      equal(response.status, 401, path);
      equal(response.headers.get("cache-control"), UNSET);
    }
  }
  const refused = await send(`/v1/shape?${query}`);
  equal(await refused.text(), '{"message":"Unauthorized - Invalid API secret"}');
  const open = ["secret=open%20sesame%26co", "api_secret=open+sesame%26co"];
  for (const secret of open) equal((await send(`/v1/shape?${query}&${secret}`)).status, 200);
  // The new name counts when both are there; a body's does not.
  equal((await send(`/v1/shape?${query}&secret=x&${open[1]}`)).status, 401);
  const body = '{"secret":"open sesame&co"}';
  equal((await send(`/v1/shape?${query}`, { method: "POST", body })).status, 401);
  equal((await send("/v1/shape", { method: "OPTIONS" })).status, 204);
  equal((await send("/v1/health")).status, 200);
});

Deno.test("preflights allow what the browser wants to send", async () => {
  const { send } = openHarness();
  const ask = (wanted?: string) =>
    send("/v1/shape", {
      method: "OPTIONS",
      headers: {
        origin: "https://app.example",
        ...(wanted ? { "access-control-request-headers": wanted } : {}),
      },
    });
  const plain = await ask();
  equal(plain.status, 204);
  equal(plain.headers.get("access-control-max-age"), "86400");
  equal(plain.headers.get("access-control-allow-origin"), "https://app.example");
  equal(plain.headers.has("access-control-allow-headers"), false);
  equal(plain.headers.has("cache-control"), false);
  equal(plain.headers.has("vary"), false);
  const asked = await ask("if-none-match, content-type");
  equal(asked.headers.get("access-control-allow-headers"), "if-none-match, content-type");
  equal((await ask("a\u00e9")).headers.has("access-control-allow-headers"), false);
});

Deno.test("health tells the state of the service", async () => {
  const harness = openHarness();
  const modes: [Partial<Mode>, string, number][] = [
    [LIVE, "active", 200],
    [{ reason: "sleeping" }, "active", 200],
    [{ kind: "fallback", reason: "query_mode" }, "active", 200],
    [{ kind: "fallback", reason: "slot_lost" }, "starting", 202],
    [{ reason: "lock_held" }, "waiting", 202],
    [STARTING, "starting", 202],
  ];
  for (const [mode, state, status] of modes) {
    harness.service.mode = { ...STARTING, ...mode };
    const response = await harness.send("/v1/health");
    equal(response.status, status);
    deepEqual(await response.json(), { status: state });
    deepEqual(told(response), {
      "cache-control": "no-cache, no-store, must-revalidate",
      "content-type": JSON_TYPE,
    });
  }
});

Deno.test("other routes and methods are not found", async () => {
  const { send } = openHarness();
  const cases = [["PUT", "/v1/shape"], ["GET", "/v1"], ["POST", "/v1/health"], ["OPTIONS", "/"]];
  for (const [method, path] of cases) {
    const response = await send(path, { method });
    equal(response.status, 404, `${method} ${path}`);
    equal(await response.text(), "Not found");
    equal(response.headers.get("cache-control"), UNSET);
    equal(response.headers.has("content-type"), false);
  }
  const root = await send("/");
  equal(root.status, 200);
  equal(await root.text(), "");
});
