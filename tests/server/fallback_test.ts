import { deepStrictEqual as deepEqual, match, strictEqual as equal } from "node:assert/strict";
import { ShapeGoneError, UnavailableError } from "../../shapes/errors.ts";
import type { Mode } from "../../shapes/mode.ts";
import { FALLBACK, LIVE, STARTING } from "./fake_service.ts";
import { type Harness, held, NOTHING_HELD, openHarness, readerOf, told } from "./harness.ts";
import { settle } from "./manual_clock.ts";

const BRIEF = "public, max-age=1, must-revalidate";
const FIXED = "public, max-age=60, must-revalidate";
const LIVE_CACHE = "public, max-age=5, stale-while-revalidate=5";
const LOG_CACHE = "public, max-age=60, stale-while-revalidate=300";
const MARK = "electric-fallback-mode";
const EXPOSED =
  "electric-cursor,electric-handle,electric-has-data,electric-offset,electric-schema,electric-up-to-date,electric-internal-known-error,retry-after";

/** Ways not to be live. */
const WAYS: [string, (harness: Harness) => void][] = [
  ["in fallback", ({ service }) => service.mode = FALLBACK],
  ["starting", ({ service }) => service.mode = STARTING],
  ["of a shape that is behind", ({ shape }) => shape.isBehind = true],
];

function openFallback(config: Parameters<typeof openHarness>[0] = {}): Harness {
  const harness = openHarness(config);
  harness.service.mode = FALLBACK;
  return harness;
}

for (const [way, leaveLive] of WAYS) {
  /** What is asked; status and cache-control of the answer. */
  const answers: [string, (harness: Harness) => Promise<Response>, number, string][] = [
    ["a page that does not reach the head", ({ read }) => read("-1"), 200, FIXED],
    ["a page that does", ({ read }) => read("0_inf"), 200, BRIEF],
    ["the position", ({ read }) => read("now"), 200, BRIEF],
    [
      "a long poll with changes",
      ({ shape, read }) => {
        shape.append({ lsn: 700n, op: 0 }, { key: "2" });
        return read("0_inf", "&live=true");
      },
      200,
      BRIEF,
    ],
    [
      "a long poll that is not at the head",
      ({ shape, read }) => {
        shape.chunkEnds = [{ lsn: 700n, op: 0 }];
        shape.append({ lsn: 700n, op: 0 }, { key: "2" });
        shape.append({ lsn: 800n, op: 0 }, { key: "3" });
        return read("0_inf", "&live=true");
      },
      200,
      BRIEF,
    ],
    [
      "a long poll that ran out",
      async ({ clock, read }) => {
        const answer = read("0_inf", "&live=true");
        await settle();
        await clock.advance(20_050);
        return await answer;
      },
      200,
      BRIEF,
    ],
    ["another handle", ({ send }) => send("/v1/shape?table=items&offset=0_0&handle=x"), 409, BRIEF],
    [
      "a POST",
      ({ send }) => send("/v1/shape?table=items&offset=-1", { method: "POST" }),
      200,
      "no-cache",
    ],
    ["a HEAD", ({ read }) => read("0_inf", "", { method: "HEAD" }), 200, BRIEF],
    [
      "a known page",
      async ({ read }) => {
        const etag = (await read("0_inf")).headers.get("etag") ?? "";
        return await read("0_inf", "", { headers: { "if-none-match": etag } });
      },
      304,
      BRIEF,
    ],
    [
      "a known page that stays",
      async ({ read }) => {
        const etag = (await read("-1")).headers.get("etag") ?? "";
        return await read("-1", "", { headers: { "if-none-match": etag } });
      },
      304,
      FIXED,
    ],
  ];
  for (const [what, ask, status, cache] of answers) {
    Deno.test(`an answer ${way} says so and lives shortly: ${what}`, async () => {
      const harness = openHarness();
      leaveLive(harness);
      const response = await ask(harness);
      equal(response.status, status);
      equal(response.headers.get(MARK), "true");
      equal(response.headers.get("access-control-expose-headers"), `${EXPOSED},${MARK}`);
      equal(response.headers.get("cache-control"), cache);
      deepEqual(held(harness), NOTHING_HELD);
    });
  }
}

Deno.test("an event stream opened in fallback says so and is not stored", async () => {
  const harness = openFallback();
  const response = await harness.read("0_inf", "&live=true&live_sse=true");
  equal(response.headers.get(MARK), "true");
  equal(response.headers.get("cache-control"), "no-store");
  equal(response.headers.get("content-type"), "text/event-stream");
  await readerOf(response).cancel();
});

Deno.test("who is put off in fallback is told of it", async () => {
  const harness = openFallback({ maxConcurrent: { initial: 0, existing: 10 } });
  const overloaded = await harness.read("-1");
  equal(overloaded.status, 503);
  equal(overloaded.headers.get(MARK), "true");

  const starting = openHarness();
  starting.service.mode = STARTING;
  const waiting = await starting.send("/v1/shape?table=unknown&offset=-1");
  equal(waiting.status, 503);
  equal(waiting.headers.get(MARK), "true");
  equal(waiting.headers.get("retry-after"), "5");
  equal(waiting.headers.get("cache-control"), "no-store");

  starting.service.mode = FALLBACK;
  starting.service.createError = new UnavailableError("Busy", { retryAfterSeconds: 3 });
  equal((await starting.send("/v1/shape?table=other&offset=-1")).headers.get(MARK), "true");
});

Deno.test("a shape that goes in fallback is answered 409 with the word", async () => {
  const harness = openFallback();
  const answer = harness.read("0_inf", "&live=true");
  await settle();
  harness.shape.goAway();
  equal((await answer).status, 409);
  equal((await answer).headers.get(MARK), "true");
  harness.service.createError = new ShapeGoneError("x");
  equal((await harness.read("-1")).headers.get(MARK), "true");
});

Deno.test("the 409 of a handle asks about the shape that it leads to", async () => {
  const harness = openHarness();
  const ask = () => harness.send("/v1/shape?table=items&offset=0_0&handle=x");
  const live = await ask();
  equal(live.headers.has(MARK), false);
  equal(live.headers.get("cache-control"), "public, max-age=60, must-revalidate");
  harness.shape.isBehind = true;
  equal((await ask()).headers.get(MARK), "true");
});

Deno.test("answers that speak of no shape do not carry the word", async () => {
  const { send } = openFallback({ secret: "s" });
  const targets = ["/v1/shape", "/v1/shape?secret=s&table=items", "/v1/health", "/v1/status", "/"];
  for (const target of targets) {
    const { headers } = await send(target);
    equal(headers.has(MARK), false, target);
    equal(headers.get("access-control-expose-headers")?.includes(MARK) ?? false, false);
  }
  equal((await send("/v1/shape", { method: "OPTIONS" })).headers.has(MARK), false);
});

Deno.test("without caching, fallback changes nothing about it", async () => {
  const harness = openFallback({ isCacheable: false });
  for (const offset of ["-1", "0_inf", "now"]) {
    equal((await harness.read(offset)).headers.get("cache-control"), "no-store");
  }
  const gone = await harness.send("/v1/shape?table=items&offset=0_0&handle=x");
  equal(gone.headers.get("cache-control"), "no-store");
});

Deno.test("a configured age holds for pages in fallback too, without staleness", async () => {
  const harness = openFallback({ maxAgeSeconds: 7, staleAgeSeconds: 70 });
  const { headers } = await harness.read("-1");
  equal(headers.get("cache-control"), "public, max-age=7, must-revalidate");
});

/** What a cache that revalidates after the mode changed would be told. */
const CHANGES: [string, Mode, Mode][] = [
  ["into fallback", LIVE, FALLBACK],
  ["back to live", FALLBACK, LIVE],
];

for (const [change, before, after] of CHANGES) {
  Deno.test(`a page stored before the change ${change} is not confirmed after it`, async () => {
    const harness = openHarness();
    for (const offset of ["-1", "0_inf"]) {
      harness.service.mode = before;
      const stored = (await harness.read(offset)).headers.get("etag") ?? "";
      const ask = () => harness.read(offset, "", { headers: { "if-none-match": stored } });
      equal((await ask()).status, 304);
      harness.service.mode = after;
      const response = await ask();
      equal(response.status, 200);
      equal(response.headers.has(MARK), after === FALLBACK);
      match(response.headers.get("etag") ?? "", after === FALLBACK ? /:fallback"$/ : /:0_\w+"$/);
    }
  });
}

Deno.test("a long poll held in fallback is answered as the service is when it wakes", async () => {
  const harness = openFallback();
  const answer = harness.read("0_inf", "&live=true");
  await settle();
  equal(harness.context.holds.waiters, 1);
  harness.service.mode = LIVE;
  harness.shape.append({ lsn: 700n, op: 0 }, { key: "2" });
  const response = await answer;
  equal(response.headers.has(MARK), false);
  equal(response.headers.get("cache-control"), LIVE_CACHE);
  equal(response.headers.get("etag"), '"h-items:0_inf:700_0"');
});

Deno.test("a long poll that began live and runs out in fallback says so", async () => {
  const harness = openHarness();
  const answer = harness.read("0_inf", "&live=true");
  await settle();
  harness.service.mode = STARTING;
  await harness.clock.advance(20_050);
  const { headers } = await answer;
  equal(headers.get("electric-has-data"), "false");
  equal(headers.get(MARK), "true");
  equal(headers.get("cache-control"), BRIEF);
});

Deno.test("an answer that waiters share is not given in another mode", async () => {
  const harness = openFallback();
  const first = harness.read("0_inf", "&live=true");
  await settle();
  harness.shape.append({ lsn: 700n, op: 0 }, { key: "2" });
  equal((await first).headers.get(MARK), "true");
  // The shape is still watched: what was worked out for the first is at hand.
  const asked = harness.shape.pagesAsked;
  for (const mode of [LIVE, FALLBACK, LIVE]) {
    harness.service.mode = mode;
    const response = await harness.read("0_inf", "&live=true");
    equal(response.headers.has(MARK), mode === FALLBACK);
    equal(response.headers.get("cache-control"), mode === FALLBACK ? BRIEF : LIVE_CACHE);
    equal((await response.json())[0].key, "2");
  }
  equal(harness.shape.pagesAsked, asked);
});

for (const mode of [FALLBACK, STARTING]) {
  Deno.test(`a live request in ${mode.kind} is held for its whole time, again and again`, async () => {
    const harness = openHarness();
    harness.service.mode = mode;
    for (let round = 0; round < 3; round++) {
      let isAnswered = false;
      const answer = harness.read("0_inf", `&live=true&cursor=${round}`)
        .finally(() => isAnswered = true);
      await settle();
      // Changes of mode or of the shape's state alone wake nobody.
      harness.shape.notify();
      await harness.clock.advance(19_900);
      equal(isAnswered, false);
      await harness.clock.advance(150);
      equal((await answer).headers.get("electric-has-data"), "false");
      equal((await answer).headers.get(MARK), "true");
    }
    deepEqual(held(harness), NOTHING_HELD);
  });
}

Deno.test("an event stream in fallback is quiet until there are changes", async () => {
  const harness = openFallback();
  const reader = readerOf(await harness.read("0_inf", "&live=true&live_sse=true"));
  let text = "";
  const reading = reader.read().then(({ value }) => text = new TextDecoder().decode(value));
  await settle();
  await harness.clock.advance(10_000);
  equal(text, "");
  harness.shape.append({ lsn: 700n, op: 0 }, { key: "2" });
  match(await reading, /^data: \{"key":"2"\}/);
  await reader.cancel();
});

Deno.test("an offset that the log has not got to again is the client's fault only while live", async () => {
  const harness = openFallback();
  for (const [mode, status] of [[FALLBACK, 503], [STARTING, 503], [LIVE, 400]] as const) {
    harness.service.mode = mode;
    const answer = harness.read("900_0");
    await settle();
    await harness.clock.advance(9_900);
    equal(harness.context.holds.waiters, 1);
    await harness.clock.advance(150);
    const response = await answer;
    equal(response.status, status);
    equal(response.headers.get("retry-after"), status === 503 ? "1" : null);
    equal(response.headers.has(MARK), status === 503);
  }
});

Deno.test("back to live, everything is as it was", async () => {
  const harness = openFallback();
  await harness.read("0_inf");
  harness.service.mode = LIVE;
  const response = await harness.read("0_inf");
  deepEqual(told(response), {
    "cache-control": LOG_CACHE,
    "content-type": "application/json; charset=utf-8",
    "electric-handle": "h-items",
    "electric-has-data": "true",
    "electric-offset": "0_inf",
    "electric-schema": '{"id":{"type":"int4"}}',
    "electric-up-to-date": "",
    "etag": '"h-items:0_inf:0_inf"',
  });
  equal(response.headers.get("access-control-expose-headers"), EXPOSED);
});

Deno.test("who does not wait for changes is told what is so now, in fallback only", async () => {
  const harness = openHarness();
  await harness.read("0_inf");
  deepEqual(harness.service.freshened, []);
  harness.service.mode = FALLBACK;
  const freshening = Promise.withResolvers<void>();
  harness.service.freshening = freshening.promise;
  const asked = harness.read("0_inf");
  await settle();
  deepEqual(harness.service.freshened, [harness.shape.handle]);
  harness.shape.append({ lsn: 700n, op: 0 }, { key: "2" });
  freshening.resolve();
  const [item] = await (await asked).json();
  equal(item.key, "2");
});

Deno.test("a look at the database that takes long is not waited for", async () => {
  const harness = openFallback();
  harness.service.freshening = new Promise(() => {});
  const asked = harness.read("0_inf");
  await settle();
  await harness.clock.advance(2_050);
  equal((await asked).status, 200);
  const abandoned = new AbortController();
  const left = harness.read("0_inf", "", { signal: abandoned.signal });
  await settle();
  abandoned.abort();
  await left;
  deepEqual(held(harness), NOTHING_HELD);
});
