import assert from "node:assert/strict";
import {
  createLiveness,
  isStalled,
  mustRequestReply,
  retryDelayMs,
  statusDueMs,
  statusIntervalMs,
} from "../../replication/liveness.ts";

Deno.test("statusIntervalMs() is a third of the server's patience, 10 s at most", () => {
  assert.equal(statusIntervalMs(60_000), 10_000);
  assert.equal(statusIntervalMs(6000), 2000);
  assert.equal(statusIntervalMs(2000), 666);
  assert.equal(statusIntervalMs(100), 100);
  assert.equal(statusIntervalMs(0), 10_000);
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

Deno.test("isStalled() gives up only beyond the server's own patience", () => {
  const liveness = createLiveness(60_000, 0);
  assert.equal(isStalled(liveness, 60_000), false);
  assert.equal(isStalled(liveness, 90_000), false);
  assert.equal(isStalled(liveness, 90_001), true);
  liveness.isPaused = true;
  assert.equal(isStalled(liveness, 10 ** 9), false);
});

Deno.test("isStalled() never gives up when wal_sender_timeout is off", () => {
  assert.equal(isStalled(createLiveness(0, 0), 10 ** 12), false);
});

Deno.test("isStalled() comes after several requests for an answer", () => {
  for (const timeoutMs of [1000, 60_000, 600_000]) {
    const liveness = createLiveness(timeoutMs, 0);
    const asked = statusIntervalMs(timeoutMs);
    assert.equal(mustRequestReply(liveness, asked), true);
    assert.equal(isStalled(liveness, asked * 3), false);
  }
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
