import assert from "node:assert/strict";
import { type Row, Shape, ShapeStream } from "@electric-sql/client";
import type { FallbackMode } from "../../client/status.ts";
import { watchFallback } from "../../client/watch_fallback.ts";
import { ShapeFixtureServer } from "./shape_fixture_server.ts";

/** The official client keeps a timer of its own running, with which it saves what it was told. */
const LEAVES_TIMER = { sanitizeOps: false, sanitizeResources: false };
const SOON_MS = 1;
const NEVER_MS = 1_000_000;

/** A server, and an official client that is watched and waits for changes. */
async function startWorld(statusIntervalMs: number) {
  const stack = new AsyncDisposableStack();
  const server = stack.use(new ShapeFixtureServer());
  server.insert(1);
  const modes: FallbackMode[] = [];
  const degraded = watchFallback({
    url: server.shapeUrl,
    statusIntervalMs,
    onMode(mode) {
      modes.push(mode);
      server.changed();
    },
  });
  stack.defer(() => degraded.close());
  const stop = new AbortController();
  stack.defer(() => stop.abort());
  const stream = new ShapeStream<Row>({
    url: server.shapeUrl,
    params: { table: "items" },
    fetchClient: degraded.fetchClient,
    signal: stop.signal,
  });
  degraded.attach(stream);
  const shape = new Shape(stream);
  shape.subscribe(server.changed);
  assert.equal((await shape.rows).length, 1);
  await server.until(() => server.held === 1);
  const ids = () => shape.currentRows.map(({ id }) => Number(id));
  return { server, degraded, modes, ids, [Symbol.asyncDispose]: () => stack.disposeAsync() };
}

Deno.test(
  "a watched stream tells the mode from the answers to its own requests",
  LEAVES_TIMER,
  async () => {
    await using world = await startWorld(NEVER_MS);
    const { server, modes, ids } = world;
    server.mode = "fallback";
    server.insert(2);
    server.release();
    await server.until(() => ids().length === 2);
    assert.deepEqual(modes, ["fallback"]);
    await server.until(() => server.held === 1);
    server.mode = "live";
    server.insert(3);
    server.release();
    await server.until(() => ids().length === 3);
    await server.until(() => modes.length === 2);
    assert.deepEqual(modes, ["fallback", "live"]);
    assert.equal(server.count("/v1/status"), 0);
  },
);

Deno.test(
  "a watched stream asks again as soon as the status is live, though its long poll still waits",
  LEAVES_TIMER,
  async () => {
    await using world = await startWorld(SOON_MS);
    const { server, degraded, modes, ids } = world;
    server.mode = "starting";
    server.release();
    await server.until(() => degraded.mode === "starting" && server.held === 1);
    const before = server.requests.length;
    server.insert(2);
    server.mode = "live";
    await server.until(() => ids().length === 2);
    assert.deepEqual(modes, ["fallback", "starting", "live"]);
    const asked = server.requests.slice(before).filter(({ path }) => path === "/v1/shape");
    assert.equal(asked[0].isLive, false);
    // It waits for changes again, and the status is left alone.
    await server.until(() => server.held === 1);
    const looks = server.count("/v1/status");
    server.insert(3);
    server.release();
    await server.until(() => ids().length === 3);
    assert.equal(server.count("/v1/status"), looks);
  },
);
