import assert from "node:assert/strict";
import {
  createLiveness,
  mustRequestReply,
  retryDelayMs,
  statusDueMs,
  statusIntervalMs,
} from "../../replication/liveness.ts";

Deno.test("statusIntervalMs() is a third of the server's patience, 2 s at most", () => {
  assert.equal(statusIntervalMs(60_000), 2000);
  assert.equal(statusIntervalMs(6000), 2000);
  assert.equal(statusIntervalMs(2000), 666);
  assert.equal(statusIntervalMs(100), 100);
  assert.equal(statusIntervalMs(0), 2000);
});

Deno.test("statusDueMs() is one interval after the last status", () => {
  const liveness = createLiveness(6000, 1000);
  assert.equal(statusDueMs(liveness), 3000);
  liveness.lastStatusMs = 5000;
  assert.equal(statusDueMs(liveness), 7000);
});

Deno.test("statusDueMs() is now when the server asked", () => {
  const liveness = createLiveness(6000, 1000);
  liveness.isReplyRequested = true;
  assert.ok(statusDueMs(liveness) <= 1000);
});

Deno.test("statusDueMs() is soon after a confirmation, and never later than without it", () => {
  const liveness = createLiveness(6000, 1000);
  liveness.unreportedSinceMs = 1500;
  assert.equal(statusDueMs(liveness), 1600);
  liveness.unreportedSinceMs = 2990;
  assert.equal(statusDueMs(liveness), 3000);
});

Deno.test("mustRequestReply() asks a silent server, but not while held back", () => {
  const liveness = createLiveness(6000, 0);
  assert.equal(mustRequestReply(liveness, 1999), false);
  assert.equal(mustRequestReply(liveness, 2000), true);
  liveness.isPaused = true;
  assert.equal(mustRequestReply(liveness, 2000), false);
});

Deno.test("retryDelayMs() is a second for the first ten minutes of an outage, then 5 s", () => {
  for (const outageMs of [0, 1000, 599_999]) assert.equal(retryDelayMs(outageMs, 0), 1000);
  for (const outageMs of [600_000, 10 ** 9]) assert.equal(retryDelayMs(outageMs, 0), 5000);
});

Deno.test("retryDelayMs() takes up to a fifth off by chance", () => {
  for (const outageMs of [0, 10 ** 9]) {
    const whole = retryDelayMs(outageMs, 0);
    const least = retryDelayMs(outageMs, 0.999_999);
    assert.ok(least < whole && least >= whole * 0.8);
  }
});
