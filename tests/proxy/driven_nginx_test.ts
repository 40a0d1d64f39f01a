/**
 * A real nginx with the shipped configuration in front of a server whose mode the test decides. What
 * reaches the server tells what the cache is worth.
 */

import { deepStrictEqual as deepEqual, ok, strictEqual as equal } from "node:assert/strict";
import { isControlMessage, Shape, ShapeStream } from "@electric-sql/client";
import type { ServerConfig } from "../../server/config.ts";
import { FakeService, FALLBACK, itemBytes, LIVE, STARTING } from "../server/fake_service.ts";
import { Nginx } from "../support/nginx.ts";
import { Origin } from "../support/driven_origin.ts";
import { until } from "../support/shape_requests.ts";
import { ask, askAll, CLIENTS, follow } from "./proxied_requests.ts";

/** A second, which nginx counts in whole ones, and the time to look. */
const BRIEF_MS = 2_500;

async function withOrigin(
  work: (world: { origin: Origin; service: FakeService; url: string }) => Promise<void>,
  config: Partial<ServerConfig> = {},
): Promise<void> {
  const service = new FakeService();
  service.add("items");
  await using origin = new Origin(service, { longPollTimeoutMs: 1_000, ...config });
  await using nginx = await Nginx.start(origin.port);
  await work({ origin, service, url: nginx.url });
}

const AT_END = "table=items&offset=0_inf&handle=h-items";

Deno.test("event streams pass by the cache, each its own", async () => {
  await withOrigin(async ({ origin, url }) => {
    const leave = new AbortController();
    const open = () =>
      fetch(`${url}/v1/shape?${AT_END}&live=true&live_sse=true`, { signal: leave.signal });
    const streams = await Promise.all([open(), open(), open()]);
    for (const { headers } of streams) {
      equal(headers.get("content-type"), "text/event-stream");
      equal(headers.has("x-cache"), false);
    }
    equal(origin.requests("live_sse").length, 3);
    leave.abort();
    for (const { body } of streams) await body?.cancel().catch(() => {});
  });
});

Deno.test("pages that stay are cached in fallback too", async () => {
  await withOrigin(async ({ origin, service, url }) => {
    service.mode = FALLBACK;
    const answers = await askAll(url, "table=items&offset=-1");
    ok(answers.every(({ isMarked, status }) => isMarked && status === 200));
    equal(origin.requests("offset=-1").length, 1);
    equal((await ask(url, "table=items&offset=-1")).cache, "HIT");
  });
});

const CHANGING: [string, string, number][] = [
  ["the end of the log", AT_END, 200],
  ["offset=now", "table=items&offset=now", 200],
  ["another handle", "table=items&offset=0_0&handle=x", 409],
  ["a long poll", `${AT_END}&live=true&cursor=7`, 200],
];

for (const [what, query, status] of CHANGING) {
  Deno.test(`what was answered in fallback is gone soon after it: ${what}`, async () => {
    await withOrigin(async ({ origin, service, url }) => {
      service.mode = FALLBACK;
      const [first] = await askAll(url, query);
      equal(first.status, status);
      equal(first.isMarked, true);
      equal(origin.requests(query).length, 1);

      service.mode = LIVE;
      const recoveredMs = Date.now();
      await until(async () => {
        const startedMs = Date.now();
        const { isMarked } = await ask(url, query);
        ok(!isMarked || startedMs - recoveredMs < BRIEF_MS, "It was served for too long");
        return !isMarked;
      }, "the cache has let go of it");
      equal((await ask(url, query)).isMarked, false);
    });
  });
}

Deno.test("a page stored in fallback is not confirmed by the live server", async () => {
  await withOrigin(async ({ origin, service, url }) => {
    const query = "table=items&offset=-1";
    service.mode = FALLBACK;
    equal((await ask(url, query)).isMarked, true);
    const asked = origin.revalidations;
    await until(async () => {
      await ask(url, query);
      return origin.revalidations > asked;
    }, "nginx asked whether the page is still good");
    // It was: nothing has changed.
    await until(async () => (await ask(url, query)).cache === "HIT", "the page is good again");
    service.mode = LIVE;
    await until(async () => !(await ask(url, query)).isMarked, "the page is the live one");
    const again = await ask(url, query);
    deepEqual([again.cache, again.isMarked, again.status], ["HIT", false, 200]);
  }, { maxAgeSeconds: 1 });
});

Deno.test(`${CLIENTS} clients recover from a fallback with one request for each address`, async () => {
  await withOrigin(async ({ origin, service, url }) => {
    const shape = service.add("items");
    service.mode = FALLBACK;
    const following = Array.from({ length: CLIENTS }, () => follow(url, '"last"'));
    const isHeld = () => origin.requests("live=true").length > 0;
    await until(isHeld, "clients wait for changes");
    shape.append({ lsn: 700n, op: 0 }, { key: "reconciled" });
    await until(() => origin.requests("offset=700_0").length > 0, "clients have the difference");

    const before = origin.requests("").length;
    service.mode = LIVE;
    const polls = () => origin.requests("offset=700_0").length;
    const held = polls();
    await until(() => polls() > held, "long polls are renewed");
    shape.append({ lsn: 800n, op: 0 }, { key: "last" });
    const answers = (await Promise.all(following)).flat();

    ok(answers.some(({ isMarked }) => isMarked));
    equal(answers.some(({ isMarked, text }) => isMarked && text.includes('"last"')), false);
    const after = origin.requests("").slice(before);
    const addresses = new Set(after);
    // nginx collapses what it has not stored yet; what has just run out may be asked for twice.
    ok(after.length <= addresses.size * 2, `${after.length} requests, ${addresses.size} addresses`);
    ok(origin.requests("").length < answers.length / 10);
  });
});

/** A message of the log, as clients want it. */
function insert(id: number): unknown {
  const headers = { operation: "insert", relation: ["public", "items"] };
  return { key: `"public"."items"/"${id}"`, value: { id: `${id}` }, headers };
}

/** The official client keeps a timer of its own running, with which it saves what it was told. */
const LEAVES_TIMER = { sanitizeOps: false, sanitizeResources: false };

for (const liveSse of [false, true]) {
  const way = liveSse ? "events" : "long polls";
  const name = `the official client goes through a fallback without a refetch, by ${way}`;
  Deno.test(name, LEAVES_TIMER, async () => {
    await withOrigin(async ({ origin, service, url }) => {
      const items = service.add("items");
      items.snapshot = [itemBytes(insert(1))];
      const stop = new AbortController();
      const params = { table: "items" };
      const { signal } = stop;
      const stream = new ShapeStream({ url: `${url}/v1/shape`, params, liveSse, signal });
      let refetches = 0;
      stream.subscribe((messages) => {
        refetches += messages.filter((message) =>
          isControlMessage(message) && message.headers.control === "must-refetch"
        ).length;
      });
      const shape = new Shape(stream);
      await shape.rows;
      const modes = [FALLBACK, STARTING, FALLBACK, LIVE];
      for (const [at, mode] of modes.entries()) {
        service.mode = mode;
        const asked = origin.requests("live=true").length;
        await until(() => origin.requests("live=true").length > asked, "the client comes back");
        items.append({ lsn: 700n + BigInt(at), op: 0 }, insert(2 + at));
        await until(() => shape.currentRows.length === 2 + at, `a row in ${mode.kind}`);
      }
      equal(refetches, 0);
      equal(origin.requests("offset=-1").length, 1);
      equal(origin.requests("live_sse=true").length > 0, liveSse);
      stop.abort();
    }, { sseTimeoutMs: 1_000 });
  });
}
