import {
  deepStrictEqual as deepEqual,
  match,
  notStrictEqual as notEqual,
  strictEqual as equal,
} from "node:assert/strict";
import { held, NOTHING_HELD, openHarness } from "./harness.ts";
import { settle } from "./manual_clock.ts";

const UP_TO_DATE = (lsn: string) => ({
  headers: { control: "up-to-date", global_last_seen_lsn: lsn },
});

Deno.test("a long poll is answered when the head moves, and holds nothing afterwards", async () => {
  const harness = openHarness();
  const answer = harness.read("0_inf", "&live=true");
  await settle();
  deepEqual(held(harness), { ...NOTHING_HELD, existing: 1, waiters: 1 });
  harness.shape.append({ lsn: 700n, op: 0 }, { key: "2" });
  const response = await answer;
  equal(response.headers.get("electric-offset"), "700_0");
  equal(response.headers.get("electric-has-data"), "true");
  equal(response.headers.has("electric-schema"), false);
  deepEqual(await response.json(), [{ key: "2" }, UP_TO_DATE("700")]);
  deepEqual(held(harness), NOTHING_HELD);
});

Deno.test("a long poll that runs out says so after its time and not before", async () => {
  const harness = openHarness();
  let isAnswered = false;
  const answer = harness.read("0_inf", "&live=true").finally(() => isAnswered = true);
  await settle();
  await harness.clock.advance(19_999);
  equal(isAnswered, false);
  await harness.clock.advance(51);
  const response = await answer;
  equal(response.status, 200);
  const headers = Object.fromEntries(response.headers);
  equal(headers["electric-offset"], "0_inf");
  equal(headers["electric-has-data"], "false");
  equal(headers["electric-up-to-date"], "");
  equal(headers["electric-cursor"], "38793620");
  equal(headers["cache-control"], "public, max-age=5, stale-while-revalidate=5");
  match(headers["etag"], /^"h-items:0_inf:0_inf:\d+"$/);
  deepEqual(await response.json(), [UP_TO_DATE("500")]);
  deepEqual(held(harness), NOTHING_HELD);
});

Deno.test("a wake-up without anything for the client lets it wait on, within its time", async () => {
  const harness = openHarness();
  const answer = harness.read("0_inf", "&live=true");
  await settle();
  await harness.clock.advance(15_000);
  harness.shape.notify();
  await settle();
  equal(harness.context.holds.waiters, 1);
  await harness.clock.advance(5_050);
  equal((await answer).headers.get("electric-has-data"), "false");
});

Deno.test("a head that moves as the time runs out is not missed", async () => {
  const harness = openHarness();
  const answer = harness.read("0_inf", "&live=true");
  await settle();
  // The listener hears of it, but the timer comes before its turn.
  harness.shape.append({ lsn: 700n, op: 0 }, { key: "2" });
  harness.context.deadlines.runDue();
  await harness.clock.advance(20_050);
  deepEqual(await (await answer).json(), [{ key: "2" }, UP_TO_DATE("700")]);
});

Deno.test("a long poll learns at once that its shape is gone: 409 without a handle", async () => {
  const harness = openHarness();
  const answer = harness.read("0_inf", "&live=true");
  await settle();
  harness.shape.goAway();
  const response = await answer;
  equal(response.status, 409);
  equal(response.headers.has("electric-handle"), false);
  equal(response.headers.has("electric-cursor"), false);
  equal(response.headers.has("etag"), false);
  equal(response.headers.get("cache-control"), "public, max-age=1, must-revalidate");
  deepEqual(held(harness), NOTHING_HELD);
  equal(harness.shape.watchers, 0);
});

Deno.test("a client that leaves gives everything back, once", async () => {
  const harness = openHarness();
  const leaving = new AbortController();
  const staying = harness.read("0_inf", "&live=true");
  const answer = harness.read("0_inf", "&live=true", { signal: leaving.signal });
  await settle();
  equal(held(harness).waiters, 2);
  leaving.abort();
  await answer;
  deepEqual(held(harness), { ...NOTHING_HELD, existing: 1, waiters: 1 });
  harness.shape.append({ lsn: 700n, op: 0 }, { key: "2" });
  equal((await staying).status, 200);
  deepEqual(held(harness), NOTHING_HELD);
});

Deno.test("a client that left before it waited is not waited for", async () => {
  const harness = openHarness();
  const answer = harness.read("0_inf", "&live=true", { signal: AbortSignal.abort() });
  await answer;
  deepEqual(held(harness), NOTHING_HELD);
});

Deno.test("a client that leaves while the snapshot is taken gives its permit back", async () => {
  const harness = openHarness();
  harness.shape.isStarted = false;
  const leaving = new AbortController();
  const answer = harness.read("-1", "", { signal: leaving.signal });
  await settle();
  equal(held(harness).initial, 1);
  leaving.abort();
  await answer;
  deepEqual(held(harness), NOTHING_HELD);
});

Deno.test("shutdown answers what waits and what comes after", async () => {
  const harness = openHarness();
  const { shape } = harness;
  const polls = [harness.read("0_inf", "&live=true"), harness.read("0_inf", "&live=true")];
  const early = harness.read("900_0");
  await settle();
  harness.shutdown.abort();
  for (const poll of polls) {
    const response = await poll;
    equal(response.status, 200);
    equal(response.headers.get("electric-has-data"), "false");
  }
  equal((await early).status, 503);
  equal((await harness.read("0_inf", "&live=true")).status, 200);
  shape.isStarted = false;
  equal((await harness.read("-1")).status, 503);
  deepEqual(held(harness), NOTHING_HELD);
  equal(shape.watchers, 0);
});

Deno.test("an offset beyond the head is refused after half the time", async () => {
  for (const more of ["", "&live=true"]) {
    const harness = openHarness();
    const answer = harness.read("900_0", more);
    await settle();
    await harness.clock.advance(9_999);
    equal(harness.context.holds.waiters, 1);
    await harness.clock.advance(51);
    const response = await answer;
    equal(response.status, 400);
    deepEqual(await response.json(), {
      message: "Invalid request",
      errors: { offset: ["out of bounds for this shape"] },
    });
    deepEqual(held(harness), NOTHING_HELD);
  }
});

Deno.test("an offset beyond the head is no fault while the stream catches up after a restart", async () => {
  const harness = openHarness();
  harness.shape.isResuming = true;
  const answer = harness.read("900_0", "&live=true");
  await settle();
  await harness.clock.advance(10_050);
  const response = await answer;
  equal(response.status, 503);
  equal(response.headers.has("retry-after"), true);
  deepEqual(held(harness), NOTHING_HELD);
});

Deno.test("an offset beyond the head is served once the log gets there", async () => {
  const harness = openHarness();
  const answer = harness.read("900_0");
  await settle();
  harness.shape.append({ lsn: 900n, op: 0 }, { key: "2" });
  const response = await answer;
  equal(response.status, 200);
  equal(response.headers.get("electric-offset"), "900_0");
  deepEqual(await response.json(), [UP_TO_DATE("900")]);
});

Deno.test("a client ahead of the snapshot waits for it to grow, not for ever", async () => {
  const harness = openHarness();
  harness.shape.isSnapshotComplete = false;
  const answer = harness.read("0_0");
  const late = harness.read("0_1");
  await settle();
  const chunk = harness.shape.snapshot[0];
  harness.shape.snapshot.push(chunk);
  harness.shape.notify();
  const response = await answer;
  equal(response.headers.get("electric-offset"), "0_1");
  deepEqual(await response.json(), [{ key: "1" }, { headers: { control: "snapshot-end" } }]);
  await harness.clock.advance(20_050);
  equal((await late).status, 503);
  deepEqual(held(harness), NOTHING_HELD);
});

Deno.test("a wake-up is worked out once for all who wait at one offset", async () => {
  const harness = openHarness();
  const answers = Array.from(
    { length: 50 },
    (_, n) => harness.read("0_inf", `&live=true&cursor=${n % 2 ? "99999999" : n}`),
  );
  await settle();
  const asked = harness.shape.pagesAsked;
  harness.shape.append({ lsn: 700n, op: 0 }, { key: "2" });
  const responses = await Promise.all(answers);
  equal(harness.shape.pagesAsked, asked + 1);
  const cursors = new Set(responses.map(({ headers }) => headers.get("electric-cursor")));
  deepEqual(cursors, new Set(["38793600", "100001800"]));
  const bodies = new Set(await Promise.all(responses.map((response) => response.text())));
  equal(bodies.size, 1);
  deepEqual(held(harness), NOTHING_HELD);
});

Deno.test("several moves of the head in one turn wake a client once", async () => {
  const harness = openHarness();
  const answer = harness.read("0_inf", "&live=true");
  await settle();
  harness.shape.append({ lsn: 700n, op: 0 }, { key: "2" });
  harness.shape.append({ lsn: 701n, op: 0 }, { key: "3" });
  deepEqual(await (await answer).json(), [{ key: "2" }, { key: "3" }, UP_TO_DATE("701")]);
});

Deno.test("answers shared by a wake-up are not used once the shape has moved on", async () => {
  const harness = openHarness();
  const first = harness.read("0_inf", "&live=true");
  await settle();
  harness.shape.append({ lsn: 700n, op: 0 }, { key: "2" });
  const { headers } = await first;
  harness.shape.append({ lsn: 701n, op: 0 }, { key: "3" });
  const second = await harness.read("0_inf", "&live=true");
  notEqual(second.headers.get("etag"), headers.get("etag"));
  deepEqual(await second.json(), [{ key: "2" }, { key: "3" }, UP_TO_DATE("701")]);
});

Deno.test("a shape nobody waits for is soon not watched any more", async () => {
  const harness = openHarness();
  const answer = harness.read("0_inf", "&live=true");
  await settle();
  equal(harness.shape.watchers, 1);
  harness.shape.append({ lsn: 700n, op: 0 }, { key: "2" });
  await answer;
  equal(harness.shape.watchers, 1);
  await harness.clock.advance(1_050);
  equal(harness.shape.watchers, 0);
  equal(harness.context.holds.watched, 0);
  equal(harness.context.deadlines.size, 0);
});

Deno.test("HEAD waits like GET", async () => {
  const harness = openHarness();
  const answer = harness.read("0_inf", "&live=true", { method: "HEAD" });
  await settle();
  equal(harness.context.holds.waiters, 1);
  harness.shape.append({ lsn: 700n, op: 0 }, { key: "2" });
  equal((await answer).headers.get("electric-offset"), "700_0");
});
