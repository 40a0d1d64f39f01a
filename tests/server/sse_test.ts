import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
import { type Harness, held, NOTHING_HELD, openHarness, readerOf } from "./harness.ts";
import { settle } from "./manual_clock.ts";

const SSE = "&live=true&live_sse=true";
const event = (item: unknown) => `data: ${JSON.stringify(item)}\n\n`;
const upToDate = (lsn: string) =>
  event({ headers: { control: "up-to-date", global_last_seen_lsn: lsn } });

/** Gathers a stream's text as it comes. */
function collect(response: Response) {
  const result = { text: "", isOver: false, reader: readerOf(response) };
  const decoder = new TextDecoder();
  (async () => {
    for (;;) {
      const { done, value } = await result.reader.read();
      if (done) break;
      result.text += decoder.decode(value, { stream: true });
    }
    result.isOver = true;
  })().catch(() => result.isOver = true);
  return result;
}

async function open(harness: Harness, offset = "0_inf") {
  const response = await harness.read(offset, SSE);
  const stream = collect(response);
  await settle();
  return { response, stream };
}

Deno.test("an event stream is open at once and says nothing while nothing happens", async () => {
  const harness = openHarness();
  const { response, stream } = await open(harness);
  equal(response.status, 200);
  const { headers } = response;
  equal(headers.get("content-type"), "text/event-stream");
  equal(headers.get("cache-control"), "public, max-age=59");
  equal(headers.get("connection"), "keep-alive");
  equal(headers.get("electric-offset"), "0_inf");
  equal(headers.get("electric-up-to-date"), "");
  equal(headers.get("electric-has-data"), "true");
  equal(headers.get("electric-cursor"), "38793600");
  equal(headers.get("etag"), '"h-items:0_inf:0_inf"');
  equal(headers.has("electric-schema"), false);
  equal(stream.text, "");
  deepEqual(held(harness), { ...NOTHING_HELD, existing: 1, waiters: 1 });
  await stream.reader.cancel();
  deepEqual(held(harness), NOTHING_HELD);
});

Deno.test("each batch of changes ends with an up-to-date event of its own position", async () => {
  const harness = openHarness();
  const { stream } = await open(harness);
  const first = [{ key: 'a","b' }, { key: "\\" }];
  harness.shape.append({ lsn: 700n, op: 0 }, ...first);
  await settle();
  equal(stream.text, event(first[0]) + event(first[1]) + upToDate("700"));
  stream.text = "";
  harness.shape.append({ lsn: 800n, op: 0 }, { key: "3" });
  await settle();
  equal(stream.text, event({ key: "3" }) + upToDate("800"));
  await stream.reader.cancel();
});

Deno.test("a backlog comes first and the stream stays open", async () => {
  const harness = openHarness();
  harness.shape.append({ lsn: 700n, op: 0 }, { key: "2" });
  const { response, stream } = await open(harness);
  equal(response.headers.get("electric-offset"), "700_0");
  equal(stream.text, event({ key: "2" }) + upToDate("700"));
  equal(stream.isOver, false);
  await stream.reader.cancel();
});

Deno.test("a backlog that may be cut off from the headers is not named by them", async () => {
  const harness = openHarness();
  harness.shape.append({ lsn: 700n, op: 0 }, { key: "2".repeat(5_000) });
  const { response, stream } = await open(harness);
  equal(response.headers.get("electric-offset"), "0_inf");
  equal(response.headers.has("electric-up-to-date"), false);
  equal(stream.text, event({ key: "2".repeat(5_000) }) + upToDate("700"));
  await stream.reader.cancel();
});

Deno.test("a backlog of several chunks comes without a stall, and only then up-to-date", async () => {
  for (const pieceBytes of [undefined, 1, 7]) {
    const harness = openHarness();
    const { shape } = harness;
    shape.pieceBytes = pieceBytes;
    shape.chunkEnds = [{ lsn: 700n, op: 0 }, { lsn: 701n, op: 0 }];
    shape.append({ lsn: 700n, op: 0 }, { key: "2" }, { key: "x,{}" });
    shape.append({ lsn: 701n, op: 0 }, { key: "3" });
    shape.append({ lsn: 702n, op: 0 }, { key: "4" });
    const { response, stream } = await open(harness);
    // Until it is up to date a client that loses the stream must start where it was.
    equal(response.headers.get("electric-offset"), "0_inf");
    equal(response.headers.has("electric-up-to-date"), false);
    const keys = ["2", "x,{}", "3", "4"].map((key) => event({ key })).join("");
    equal(stream.text, keys + upToDate("702"));
    await stream.reader.cancel();
    deepEqual(held(harness), NOTHING_HELD);
  }
});

Deno.test("a rotation is told and ends the stream", async () => {
  const harness = openHarness();
  const { stream } = await open(harness);
  harness.shape.goAway();
  await settle();
  equal(stream.text, event({ headers: { control: "must-refetch" } }));
  equal(stream.isOver, true);
  deepEqual(held(harness), NOTHING_HELD);
  equal(harness.shape.watchers, 0);
});

Deno.test("a quiet stream is kept alive by comments and ends after its time", async () => {
  const harness = openHarness();
  const { stream } = await open(harness);
  await harness.clock.advance(20_990);
  equal(stream.text, "");
  await harness.clock.advance(50);
  equal(stream.text, ": keep-alive\n\n");
  harness.shape.append({ lsn: 700n, op: 0 }, { key: "2" });
  await settle();
  stream.text = "";
  await harness.clock.advance(20_950);
  equal(stream.text, "", "data counts as a sign of life");
  await harness.clock.advance(17_990);
  equal(stream.text, ": keep-alive\n\n");
  equal(stream.isOver, false);
  await harness.clock.advance(100);
  equal(stream.isOver, true);
  deepEqual(held(harness), NOTHING_HELD);
});

Deno.test("shutdown ends streams", async () => {
  const harness = openHarness();
  const { stream } = await open(harness);
  harness.shutdown.abort();
  await settle();
  equal(stream.isOver, true);
  equal(stream.text, "");
  deepEqual(held(harness), NOTHING_HELD);
});

Deno.test("a stream from beyond the head ends after half the time of a long poll", async () => {
  const harness = openHarness();
  const { response, stream } = await open(harness, "900_0");
  equal(response.headers.get("electric-offset"), "900_0");
  equal(response.headers.has("electric-up-to-date"), false);
  await harness.clock.advance(9_990);
  equal(stream.isOver, false);
  await harness.clock.advance(60);
  equal(stream.isOver, true);
  equal(stream.text, "");
});

Deno.test("a stream from beyond the head goes on when the log gets there", async () => {
  const harness = openHarness();
  const { stream } = await open(harness, "900_0");
  harness.shape.append({ lsn: 900n, op: 0 }, { key: "2" });
  await settle();
  equal(stream.text, "");
  await harness.clock.advance(15_000);
  harness.shape.append({ lsn: 901n, op: 0 }, { key: "3" });
  await settle();
  equal(stream.text, event({ key: "3" }) + upToDate("901"));
  await stream.reader.cancel();
});

Deno.test("a client that does not read has nothing buffered and catches up in one go", async () => {
  const harness = openHarness();
  const response = await harness.read("0_inf", SSE);
  await settle();
  const asked = harness.shape.pagesAsked;
  for (let lsn = 1n; lsn <= 50n; lsn++) harness.shape.append({ lsn, op: 0 }, { key: `${lsn}` });
  await settle();
  equal(harness.shape.pagesAsked, asked);
  const stream = collect(response);
  await settle();
  equal(stream.text.split("\n\n").length, 52);
  equal(stream.text.endsWith(upToDate("50")), true);
  await stream.reader.cancel();
});

Deno.test("a client that stops reading loses its stream and its permit in the end", async () => {
  const harness = openHarness();
  const response = await harness.read("0_inf", SSE);
  equal(held(harness).existing, 1);
  await harness.clock.advance(60_050);
  deepEqual(held(harness), NOTHING_HELD);
  let isBroken = false;
  await response.text().catch(() => isBroken = true);
  equal(isBroken, true);
});

Deno.test("the events of a batch are made once for all streams of a shape", async () => {
  const harness = openHarness();
  const streams = await Promise.all(Array.from({ length: 20 }, () => open(harness)));
  const asked = harness.shape.pagesAsked;
  harness.shape.append({ lsn: 700n, op: 0 }, { key: "2" });
  await settle();
  // One look for the batch and one beyond it.
  equal(harness.shape.pagesAsked, asked + 2);
  const texts = new Set(streams.map(({ stream }) => stream.text));
  deepEqual(texts, new Set([event({ key: "2" }) + upToDate("700")]));
  for (const { stream } of streams) await stream.reader.cancel();
  deepEqual(held(harness), NOTHING_HELD);
});

Deno.test("a stream of a request that names no position fails as any other would", async () => {
  const { send } = openHarness();
  const response = await send(`/v1/shape?table=items&offset=-1${SSE}`);
  equal(response.status, 400);
  equal(response.headers.get("content-type"), "application/json; charset=utf-8");
  await response.body?.cancel();
});

const FALLBACK = {
  kind: "fallback",
  reason: "no_slot",
  detail: "No slot",
  sinceMs: 0,
} as const;

Deno.test("an event stream whose headers no longer say what is so ends within seconds, not too young", async () => {
  const harness = openHarness();
  const { service, clock, context } = harness;
  const { response, stream } = await open(harness);
  equal(response.headers.has("electric-fallback-mode"), false);
  const live = service.mode;
  service.mode = FALLBACK;
  await clock.advance(1_900);
  equal(stream.isOver, false);
  await clock.advance(600);
  equal(stream.isOver, true);
  deepEqual(held(harness), NOTHING_HELD);

  const again = await open(harness);
  equal(again.response.headers.get("electric-fallback-mode"), "true");
  await clock.advance(20_000);
  equal(again.stream.isOver, false);
  service.mode = live;
  await clock.advance(1_000);
  equal(again.stream.isOver, false);
  await clock.advance(2_000);
  equal(again.stream.isOver, true);
  equal(context.events.size, 0);
});

Deno.test("an event stream outlives a fallback that is over in a moment", async () => {
  const harness = openHarness();
  const { service, clock } = harness;
  const { stream } = await open(harness);
  const live = service.mode;
  await clock.advance(5_000);
  service.mode = FALLBACK;
  await clock.advance(1_000);
  service.mode = live;
  await clock.advance(10_000);
  equal(stream.isOver, false);
  await stream.reader.cancel();
});

Deno.test("an event stream that ends for its headers has sent all changes and an up-to-date event", async () => {
  const harness = openHarness();
  const { service, shape, clock } = harness;
  const { stream } = await open(harness);
  service.mode = FALLBACK;
  await clock.advance(1_000);
  shape.append({ lsn: 700n, op: 0 }, { key: "1" });
  await clock.advance(5_000);
  equal(stream.text, event({ key: "1" }) + upToDate("700"));
  equal(stream.isOver, true);
});
