// Deno fails a test that leaves a timer or a request behind: so the last line of each proves that
// nothing is asked for any more.

import assert from "node:assert/strict";
import type { FallbackMode } from "../../client/status.ts";
import { watchFallback, type WatchFallbackOptions } from "../../client/watch_fallback.ts";

const URL_HERE = "http://sync.example/v1/shape";
const LIVE_REQUEST = `${URL_HERE}?live=true&offset=1_0&table=items`;
const CATCH_UP = `${URL_HERE}?offset=1_0&table=items`;
const SOON_MS = 1;
const NEVER_MS = 1_000_000;

/** A `fetch` with prepared answers; each question for the status is a promise of its own. */
class ScriptedFetch {
  isDegraded = false;
  status: unknown = { status: "fallback" };
  readonly #looks: (() => void)[] = [];
  looks = 0;

  readonly fetch: typeof fetch = (input) => {
    if (`${input}`.endsWith("/v1/status")) return Promise.resolve(this.#answerStatus());
    return Promise.resolve(this.answer());
  };

  answer(status = 200): Response {
    const headers = this.isDegraded ? { "electric-fallback-mode": "true" } : undefined;
    return new Response("[]", { status, headers });
  }

  /** Resolves after so many more looks at the status. */
  async looked(times: number): Promise<void> {
    for (let i = 0; i < times; i++) {
      await new Promise<void>((resolve) => this.#looks.push(resolve));
    }
  }

  #answerStatus(): Response {
    this.looks++;
    this.#looks.shift()?.();
    if (this.status instanceof Error) throw this.status;
    return typeof this.status === "string"
      ? new Response(this.status, { status: 502 })
      : Response.json(this.status);
  }
}

function watch(script: ScriptedFetch, options: Partial<WatchFallbackOptions> = {}) {
  const modes: FallbackMode[] = [];
  const watch = watchFallback({
    url: URL_HERE,
    fetchClient: script.fetch,
    statusIntervalMs: NEVER_MS,
    onMode: (mode) => modes.push(mode),
    ...options,
  });
  return { watch, modes };
}

Deno.test("watchFallback() reports fallback at the first answer that says so, and live at one that doesn't", async () => {
  const script = new ScriptedFetch();
  const { watch: degraded, modes } = watch(script);
  await degraded.fetchClient(LIVE_REQUEST);
  assert.deepEqual([degraded.mode, modes], ["live", []]);
  script.isDegraded = true;
  for (let i = 0; i < 3; i++) await degraded.fetchClient(LIVE_REQUEST);
  assert.deepEqual([degraded.mode, modes], ["fallback", ["fallback"]]);
  script.isDegraded = false;
  const response = await degraded.fetchClient(LIVE_REQUEST);
  assert.equal(await response.text(), "[]");
  assert.deepEqual([degraded.mode, modes], ["live", ["fallback", "live"]]);
  assert.equal(script.looks, 0);
});

Deno.test("watchFallback() is not misled by answers that may be old", async () => {
  const script = new ScriptedFetch();
  const held = Promise.withResolvers<Response>();
  const { watch: degraded } = watch(script, {
    fetchClient: (input, init) =>
      `${input}`.includes("held") ? held.promise : script.fetch(input, init),
  });
  // Sent before anyone knew, answered after.
  const early = degraded.fetchClient(`${LIVE_REQUEST}&held=1`);
  script.isDegraded = true;
  await degraded.fetchClient(CATCH_UP);
  script.isDegraded = false;
  held.resolve(script.answer());
  await early;
  assert.equal(degraded.mode, "fallback");
  // What a cache may answer, and what says nothing of the server's mode.
  await degraded.fetchClient(CATCH_UP);
  assert.equal(degraded.mode, "fallback");
  script.answer = () => new Response(null, { status: 429 });
  await degraded.fetchClient(LIVE_REQUEST);
  assert.equal(degraded.mode, "fallback");
  degraded.close();
});

Deno.test("watchFallback() asks for the status while degraded, whatever comes of it, until it is live", async () => {
  const script = new ScriptedFetch();
  const { watch: degraded, modes } = watch(script, { statusIntervalMs: SOON_MS });
  script.isDegraded = true;
  await degraded.fetchClient(CATCH_UP);
  await script.looked(2);
  for (const nothing of [new TypeError("offline"), "Bad gateway", { status: "active" }]) {
    script.status = nothing;
    await script.looked(2);
  }
  assert.deepEqual(modes, ["fallback"]);
  script.status = { status: "starting" };
  await script.looked(2);
  assert.equal(degraded.mode, "starting");
  const isLive = new Promise<void>((resolve) =>
    degraded.subscribe((mode) => mode === "live" && resolve())
  );
  script.status = { status: "live" };
  await isLive;
  assert.deepEqual(modes, ["fallback", "starting", "live"]);
});

Deno.test("watchFallback() asks for nothing once nobody listens", async () => {
  const script = new ScriptedFetch();
  script.isDegraded = true;
  const { watch: degraded } = watch(script, { onMode: undefined, statusIntervalMs: SOON_MS });
  await degraded.fetchClient(CATCH_UP);
  assert.equal(degraded.mode, "fallback");
  const unsubscribe = degraded.subscribe(() => {});
  const detach = degraded.attach({ forceDisconnectAndRefresh: () => Promise.resolve() });
  await script.looked(2);
  unsubscribe();
  await script.looked(2);
  detach();
});

Deno.test("watchFallback() asks for nothing once it is closed, and fetches on", async () => {
  const script = new ScriptedFetch();
  script.isDegraded = true;
  const { watch: degraded, modes } = watch(script, { statusIntervalMs: SOON_MS });
  await degraded.fetchClient(CATCH_UP);
  await script.looked(1);
  degraded.close();
  script.isDegraded = false;
  assert.equal((await degraded.fetchClient(LIVE_REQUEST)).status, 200);
  degraded.subscribe((mode) => modes.push(mode));
  assert.deepEqual(modes, ["fallback"]);
});

Deno.test("watchFallback() refreshes the streams that are attached when it is live again, and only then", async () => {
  const script = new ScriptedFetch();
  const { watch: degraded } = watch(script);
  const refreshed: string[] = [];
  const stream = (name: string) => ({
    forceDisconnectAndRefresh() {
      refreshed.push(name);
      return Promise.reject(new Error("The stream is paused"));
    },
  });
  degraded.attach(stream("a"));
  const detach = degraded.attach(stream("b"));
  detach();
  script.isDegraded = true;
  await degraded.fetchClient(LIVE_REQUEST);
  assert.deepEqual(refreshed, []);
  script.isDegraded = false;
  await degraded.fetchClient(LIVE_REQUEST);
  await degraded.fetchClient(LIVE_REQUEST);
  assert.deepEqual(refreshed, ["a"]);
});

Deno.test("watchFallback() tells every subscriber, also after one has thrown", async () => {
  const script = new ScriptedFetch();
  const { watch: degraded, modes } = watch(script, { onMode: undefined });
  const thrown = new Promise<unknown>((resolve) =>
    globalThis.addEventListener("error", (event) => {
      event.preventDefault();
      resolve(event.error);
    }, { once: true })
  );
  const error = new Error("A subscriber's own");
  degraded.subscribe(() => {
    throw error;
  });
  degraded.subscribe((mode) => modes.push(mode));
  script.isDegraded = true;
  await degraded.fetchClient(LIVE_REQUEST);
  assert.equal(await thrown, error);
  assert.deepEqual(modes, ["fallback"]);
  degraded.close();
});
