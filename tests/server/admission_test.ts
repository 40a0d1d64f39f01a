import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
import { Admission } from "../../server/admission.ts";
import { held, NOTHING_HELD, openHarness, readerOf } from "./harness.ts";
import { settle } from "./manual_clock.ts";

Deno.test("Admission gives as many permits as the limit says, and again when they come back", () => {
  const admission = new Admission({ initial: 2, existing: 1 });
  const first = admission.acquire("initial");
  equal(admission.acquire("initial") !== undefined, true);
  equal(admission.acquire("initial"), undefined);
  first?.release();
  first?.release();
  equal(admission.held("initial"), 1);
  equal(admission.acquire("initial") !== undefined, true);
  equal(admission.acquire("initial"), undefined);
});

Deno.test("Permit moves once there is room, and gives back what it holds then", () => {
  const admission = new Admission({ initial: 2, existing: 1 });
  const [first, second] = [admission.acquire("initial"), admission.acquire("initial")];
  equal(first?.moveTo("existing"), true);
  equal(first?.moveTo("existing"), true);
  equal(second?.moveTo("existing"), false);
  deepEqual([admission.held("initial"), admission.held("existing")], [1, 1]);
  first?.[Symbol.dispose]();
  equal(first?.moveTo("existing"), false);
  equal(second?.moveTo("existing"), true);
  second?.release();
  deepEqual([admission.held("initial"), admission.held("existing")], [0, 0]);
});

Deno.test("requests over the limit are refused before anything else is looked at", async () => {
  const harness = openHarness({ maxConcurrent: { initial: 1, existing: 1 } });
  harness.shape.isStarted = false;
  const holding = harness.read("-1");
  await settle();
  for (const query of ["table=items&offset=-1", "nonsense", "handle=unknown&offset=0_0"]) {
    const refused = await harness.send(`/v1/shape?${query}`);
    equal(refused.status, 503, query);
    equal(refused.headers.get("retry-after"), "8");
    equal(refused.headers.get("electric-internal-known-error"), "true");
    equal(refused.headers.get("cache-control"), "no-store");
    equal(refused.headers.get("surrogate-control"), "no-store");
    deepEqual(await refused.json(), {
      code: "concurrent_request_limit_exceeded",
      message: "Concurrent initial request limit exceeded (limit: 1), please retry",
    });
  }
  harness.shape.isStarted = true;
  harness.shape.start.resolve();
  equal((await holding).status, 200);
  deepEqual(held(harness), NOTHING_HELD);
});

Deno.test("long polls hold their permits; those of known shapes are counted apart", async () => {
  const harness = openHarness({ maxConcurrent: { initial: 1, existing: 2 } });
  const polls = [harness.read("0_inf", "&live=true"), harness.read("0_inf", "&live=true")];
  await settle();
  const third = await harness.read("0_inf", "&live=true");
  equal(third.status, 503);
  equal(
    (await third.json()).message,
    "Concurrent existing request limit exceeded (limit: 2), please retry",
  );
  // A new client gets in but finds no room among those who read.
  const newcomer = await harness.read("-1");
  equal(newcomer.status, 503);
  equal(held(harness).initial, 0);
  harness.shape.append({ lsn: 1n, op: 0 }, 1);
  for (const poll of polls) equal((await poll).status, 200);
  equal((await harness.read("0_inf")).status, 200);
  deepEqual(held(harness), NOTHING_HELD);
});

Deno.test("a streamed body holds its permit until it was read or dropped", async () => {
  const harness = openHarness();
  harness.shape.pieceBytes = 10;
  const read = await harness.read("-1");
  const dropped = await harness.read("-1");
  equal(held(harness).existing, 2);
  await read.text();
  deepEqual(held(harness), { ...NOTHING_HELD, existing: 1 });
  const reader = readerOf(dropped);
  await reader.read();
  equal(held(harness).streams, 1);
  await reader.cancel();
  deepEqual(held(harness), NOTHING_HELD);
});

Deno.test("a log that cannot be read breaks the body, gives all back and is logged", async () => {
  const harness = openHarness();
  harness.shape.pieceBytes = 10;
  harness.shape.streamError = new Error("disk on fire");
  const response = await harness.read("-1");
  let isBroken = false;
  await response.text().catch(() => isBroken = true);
  equal(isBroken, true);
  equal(held(harness).existing, 0);
  equal(harness.logger.lines[0].message, "Response body failed");
});

Deno.test("a client that stops reading a page gives its permit back in the end", async () => {
  const harness = openHarness();
  harness.shape.pieceBytes = 10;
  const response = await harness.read("-1");
  const reader = readerOf(response);
  await reader.read();
  await harness.clock.advance(59_000);
  equal(held(harness).existing, 1);
  await reader.read();
  await harness.clock.advance(59_000);
  equal(held(harness).existing, 1);
  await harness.clock.advance(2_000);
  deepEqual(held(harness), NOTHING_HELD);
  let isBroken = false;
  await reader.read().catch(() => isBroken = true);
  equal(isBroken, true);
});

Deno.test("refusals of every kind give their permits back", async () => {
  const harness = openHarness();
  const queries = [
    "",
    "table=items&offset=bad",
    "table=items&offset=0_0&handle=unknown",
    "table=items&offset=-1&subset__where=x",
  ];
  for (const query of queries) {
    await harness.send(`/v1/shape?${query}`);
    deepEqual(held(harness), NOTHING_HELD, query);
  }
  const body = "{";
  await harness.send("/v1/shape?table=items&offset=-1", { method: "POST", body });
  deepEqual(held(harness), NOTHING_HELD);
});
