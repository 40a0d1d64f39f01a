import {
  deepStrictEqual as deepEqual,
  match,
  notStrictEqual as notEqual,
  strictEqual as equal,
} from "node:assert/strict";
import { InvalidRequestError, ShapeGoneError, UnavailableError } from "../../shapes/errors.ts";
import { SnapshotError } from "../../shapes/service.ts";
import { FakeShape, LIVE, STARTING } from "./fake_service.ts";
import { held, NOTHING_HELD, openHarness, told } from "./harness.ts";
import { settle } from "./manual_clock.ts";

const JSON_TYPE = "application/json; charset=utf-8";
const UNSET = "max-age=0, private, must-revalidate";
const LOG_CACHE = "public, max-age=60, stale-while-revalidate=300";
const START_CACHE = "public, max-age=604800, s-maxage=3600, stale-while-revalidate=2629746";

Deno.test("the start of a shape is answered with schema, long cache and never up-to-date", async () => {
  const response = await openHarness().read("-1");
  equal(response.status, 200);
  deepEqual(told(response), {
    "cache-control": START_CACHE,
    "content-type": JSON_TYPE,
    "electric-handle": "h-items",
    "electric-has-data": "true",
    "electric-offset": "0_0",
    "electric-schema": '{"id":{"type":"int4"}}',
    "etag": '"h-items:-1:0_0"',
  });
  deepEqual(await response.json(), [{ key: "1" }, { headers: { control: "snapshot-end" } }]);
});

Deno.test("the end of the log is answered up-to-date with what the server has seen", async () => {
  const response = await openHarness().read("0_inf");
  deepEqual(told(response), {
    "cache-control": LOG_CACHE,
    "content-type": JSON_TYPE,
    "electric-handle": "h-items",
    "electric-has-data": "true",
    "electric-offset": "0_inf",
    "electric-schema": '{"id":{"type":"int4"}}',
    "electric-up-to-date": "",
    "etag": '"h-items:0_inf:0_inf"',
  });
  const upToDate = { control: "up-to-date", global_last_seen_lsn: "500" };
  deepEqual(await response.json(), [{ headers: upToDate }]);
});

Deno.test("a page beyond what the server has seen speaks of its own end", async () => {
  const harness = openHarness();
  harness.shape.append({ lsn: 900n, op: 4 }, { key: "2" });
  const response = await harness.read("0_inf");
  equal(response.headers.get("electric-offset"), "900_4");
  const upToDate = { control: "up-to-date", global_last_seen_lsn: "900" };
  deepEqual(await response.json(), [{ key: "2" }, { headers: upToDate }]);
});

Deno.test("a live request behind the head is answered at once, with its own position", async () => {
  const harness = openHarness();
  harness.shape.append({ lsn: 100n, op: 0 }, { key: "2" });
  const response = await harness.read("0_inf", "&live=true");
  deepEqual(told(response), {
    "cache-control": "public, max-age=5, stale-while-revalidate=5",
    "content-type": JSON_TYPE,
    "electric-cursor": "38793600",
    "electric-handle": "h-items",
    "electric-has-data": "true",
    "electric-offset": "100_0",
    "electric-up-to-date": "",
    "etag": '"h-items:0_inf:100_0"',
  });
  const upToDate = { control: "up-to-date", global_last_seen_lsn: "100" };
  deepEqual(await response.json(), [{ key: "2" }, { headers: upToDate }]);
});

Deno.test("offset=now is answered with the head and an etag that never comes again", async () => {
  const harness = openHarness();
  harness.shape.append({ lsn: 100n, op: 2 }, { key: "2" });
  const [first, second] = [await harness.read("now"), await harness.read("now")];
  const { etag, ...headers } = told(first);
  deepEqual(headers, {
    "cache-control": LOG_CACHE,
    "content-type": JSON_TYPE,
    "electric-handle": "h-items",
    "electric-has-data": "false",
    "electric-offset": "100_2",
    "electric-schema": '{"id":{"type":"int4"}}',
    "electric-up-to-date": "",
  });
  match(etag, /^"h-items:now:100_2:\d+"$/);
  notEqual(second.headers.get("etag"), etag);
  const upToDate = { control: "up-to-date", global_last_seen_lsn: "500" };
  deepEqual(await first.json(), [{ headers: upToDate }]);
});

Deno.test("a page that ends at a chunk boundary is not up-to-date", async () => {
  const harness = openHarness();
  harness.shape.chunkEnds = [{ lsn: 100n, op: 0 }];
  harness.shape.append({ lsn: 100n, op: 0 }, { key: "2" });
  harness.shape.append({ lsn: 200n, op: 0 }, { key: "3" });
  const response = await harness.read("0_inf");
  equal(response.headers.get("electric-offset"), "100_0");
  equal(response.headers.has("electric-up-to-date"), false);
  deepEqual(await response.json(), [{ key: "2" }]);
});

Deno.test("an empty page that is not up-to-date is an empty list", async () => {
  const harness = openHarness();
  harness.shape.snapshot = [new Uint8Array(0)];
  const response = await harness.read("-1");
  equal(await response.text(), "[]");
});

Deno.test("a known etag is answered 304 with the headers of the page but its schema", async () => {
  const harness = openHarness();
  for (const given of ['"h-items:-1:0_0"', '"x", "h-items:-1:0_0"', "h-items:-1:0_0"]) {
    const response = await harness.read("-1", "", { headers: { "if-none-match": given } });
    equal(response.status, 304, given);
    equal(response.body, null);
    deepEqual(told(response), {
      "cache-control": START_CACHE,
      "content-type": JSON_TYPE,
      "electric-handle": "h-items",
      "electric-has-data": "true",
      "electric-offset": "0_0",
      "etag": '"h-items:-1:0_0"',
    });
  }
});

Deno.test("other, weak and star etags are answered in full", async () => {
  const harness = openHarness();
  for (const given of ['"h-items:-1:0_1"', 'W/"h-items:-1:0_0"', "*"]) {
    const response = await harness.read("-1", "", { headers: { "if-none-match": given } });
    equal(response.status, 200, given);
    await response.body?.cancel();
  }
});

Deno.test("a live request with a known etag is answered 304 without waiting", async () => {
  const harness = openHarness();
  const headers = { "if-none-match": '"h-items:0_inf:0_inf"' };
  const response = await harness.read("0_inf", "&live=true", { headers });
  equal(response.status, 304);
  equal(response.headers.get("electric-up-to-date"), "");
  equal(response.headers.has("electric-cursor"), true);
  equal(response.headers.has("electric-schema"), false);
});

Deno.test("another shape's handle is answered 409 with the right one", async () => {
  const harness = openHarness();
  const response = await harness.send("/v1/shape?table=items&offset=0_0&handle=1-1");
  equal(response.status, 409);
  deepEqual(told(response), {
    "cache-control": "public, max-age=60, must-revalidate",
    "content-type": JSON_TYPE,
    "electric-handle": "h-items",
    "etag": '"h-items::"',
  });
  equal(await response.text(), '[{"headers":{"control":"must-refetch"}}]');
});

Deno.test("an unknown handle makes the shape that the 409 names", async () => {
  const harness = openHarness();
  const response = await harness.send("/v1/shape?table=others&offset=0_0&handle=1-1");
  equal(response.status, 409);
  equal(response.headers.get("electric-handle"), "made-1");
  equal(harness.service.shapes.has("others"), true);
});

Deno.test("a handle is ignored at the start and at now", async () => {
  const harness = openHarness();
  for (const offset of ["-1", "now", "-1_0"]) {
    const response = await harness.send(`/v1/shape?table=items&offset=${offset}&handle=1-1`);
    equal(response.status, 200, offset);
    await response.body?.cancel();
  }
});

Deno.test("a shape that vanishes is replaced for who named none and refused to who did", async () => {
  const harness = openHarness();
  const { shape, service } = harness;
  shape.isStarted = false;
  const first = harness.read("-1");
  const second = harness.read("0_0");
  await settle();
  shape.isGone = true;
  shape.start.reject(new ShapeGoneError(shape.handle));
  const replaced = await first;
  equal(replaced.status, 200);
  equal(replaced.headers.get("electric-handle"), "made-1");
  const refused = await second;
  equal(refused.status, 409);
  equal(refused.headers.has("electric-handle"), false);
  equal(refused.headers.get("cache-control"), "public, max-age=1, must-revalidate");
  equal(service.shapes.get("items")?.handle, "made-1");
  deepEqual(held(harness), NOTHING_HELD);
});

Deno.test("errors of the domain are answered by their kind", async () => {
  const cases: [Error, number, unknown, Record<string, string>][] = [
    [
      new InvalidRequestError({ table: ["no"] }),
      400,
      { message: "Invalid request", errors: { table: ["no"] } },
      { "surrogate-control": "no-store" },
    ],
    [
      new UnavailableError("Cannot connect", { retryAfterSeconds: 1 }),
      503,
      { message: "Cannot connect" },
      { "surrogate-control": "no-store", "retry-after": "1" },
    ],
    [
      new UnavailableError("Locked", { retryAfterSeconds: 10, isKnown: true }),
      503,
      { message: "Locked" },
      {
        "surrogate-control": "no-store",
        "retry-after": "10",
        "electric-internal-known-error": "true",
      },
    ],
    [
      new SnapshotError("disk full"),
      500,
      { message: "Unexpected error while creating snapshot: disk full" },
      { "surrogate-control": "no-store" },
    ],
  ];
  for (const [error, status, body, headers] of cases) {
    const harness = openHarness();
    harness.service.createError = error;
    const response = await harness.read("-1");
    equal(response.status, status);
    deepEqual(await response.json(), body);
    deepEqual(told(response), {
      "cache-control": "no-store",
      "content-type": JSON_TYPE,
      ...headers,
    });
    deepEqual(harness.logger.lines, []);
    deepEqual(held(harness), NOTHING_HELD);
  }
});

Deno.test("an unexpected error is logged and nothing of it is told", async () => {
  const harness = openHarness();
  harness.service.createError = new RangeError("secret detail");
  const response = await harness.read("-1");
  equal(response.status, 500);
  equal(await response.text(), '{"error":"Internal server error"}');
  equal(response.headers.get("cache-control"), UNSET);
  match(String(harness.logger.lines[0].fields?.error), /secret detail/);
  deepEqual(held(harness), NOTHING_HELD);
});

Deno.test("requests for subsets are refused, after mistakes in the shape itself", async () => {
  const harness = openHarness();
  const subset = await harness.read("-1", "&subset__nothing");
  equal(subset.status, 400);
  deepEqual(await subset.json(), {
    message: "Invalid request",
    errors: { subset: ["Subset requests are not supported yet"] },
  });
  harness.service.findError = new InvalidRequestError({ where: ["bad"] });
  const mistaken = await harness.read("-1", "&subset__where=true");
  deepEqual((await mistaken.json()).errors, { where: ["bad"] });
});

Deno.test("a stored shape is served whatever the state; others wait, then are refused", async () => {
  const harness = openHarness();
  harness.service.mode = STARTING;
  equal((await harness.read("-1")).status, 200);
  const refused = await harness.send("/v1/shape?table=others&offset=-1");
  equal(refused.status, 503);
  equal(refused.headers.get("retry-after"), "5");
  equal(await refused.text(), '{"message":"Timeout waiting for database connection"}');
  harness.service.onWait = () => harness.service.mode = LIVE;
  equal((await harness.send("/v1/shape?table=others&offset=-1")).status, 200);
});

Deno.test("a database that cannot be asked does not hinder the wait for the service", async () => {
  const harness = openHarness();
  harness.service.mode = STARTING;
  harness.service.findError = new UnavailableError("No database", { retryAfterSeconds: 1 });
  harness.service.onWait = () => {
    harness.service.mode = LIVE;
    harness.service.findError = undefined;
  };
  equal((await harness.read("-1")).status, 200);
});

Deno.test("who goes on reading a shape is not looked up again; another spelling is", async () => {
  const harness = openHarness();
  await harness.read("-1");
  const { definitions } = harness.service;
  equal(definitions.length, 1);
  for (let i = 0; i < 3; i++) await harness.read("0_inf");
  equal(definitions.length, 1);
  await harness.read("0_inf", "&where=true");
  equal(definitions.length, 2);
  equal(definitions[1].where, "true");
});

Deno.test("requests touch their shape", async () => {
  const harness = openHarness();
  await harness.read("-1");
  deepEqual(harness.shape.touched, [harness.clock.now()]);
});

Deno.test("caches are told to keep nothing when the operator says so", async () => {
  const { read, send } = openHarness({ isCacheable: false });
  equal((await read("-1")).headers.get("cache-control"), "no-store");
  const refetch = await send("/v1/shape?table=items&offset=0_0&handle=1-1");
  equal(refetch.headers.get("cache-control"), "no-store");
});

Deno.test("a snapshot that cannot be taken is told to everyone who waits for it", async () => {
  const harness = openHarness();
  harness.shape.isStarted = false;
  const answers = [harness.read("-1"), harness.read("now")];
  await settle();
  harness.shape.start.reject(new SnapshotError("broken"));
  for (const answer of answers) equal((await answer).status, 500);
  deepEqual(held(harness), NOTHING_HELD);
});

Deno.test("a new shape is answered once its snapshot has been taken", async () => {
  const harness = openHarness();
  const shape = harness.service.add("late", new FakeShape("h-late"));
  shape.isStarted = false;
  const answer = harness.send("/v1/shape?table=late&offset=-1");
  await settle();
  deepEqual(held(harness), { ...NOTHING_HELD, initial: 1 });
  shape.isStarted = true;
  shape.start.resolve();
  equal((await answer).status, 200);
  deepEqual(held(harness), NOTHING_HELD);
});
