import assert from "node:assert/strict";
import {
  createLiveness,
  isSilent,
  judgeTrouble,
  mustRequestReply,
  retryDelayMs,
  statusDueMs,
  statusIntervalMs,
} from "../../replication/liveness.ts";

Deno.test("statusIntervalMs() is a third of the server's patience, 0.5 s at most", () => {
  assert.equal(statusIntervalMs(60_000), 500);
  assert.equal(statusIntervalMs(1500), 500);
  assert.equal(statusIntervalMs(1000), 333);
  assert.equal(statusIntervalMs(100), 100);
  assert.equal(statusIntervalMs(0), 500);
});

Deno.test("statusDueMs() is one interval after the last status", () => {
  const liveness = createLiveness(6000, 1000);
  assert.equal(statusDueMs(liveness), 1500);
  liveness.lastStatusMs = 5000;
  assert.equal(statusDueMs(liveness), 5500);
});

Deno.test("statusDueMs() is now when the server asked", () => {
  const liveness = createLiveness(6000, 1000);
  liveness.isReplyRequested = true;
  assert.ok(statusDueMs(liveness) <= 1000);
});

Deno.test("statusDueMs() is soon after a confirmation, and never later than without it", () => {
  const liveness = createLiveness(6000, 1000);
  liveness.unreportedSinceMs = 1100;
  assert.equal(statusDueMs(liveness), 1200);
  liveness.unreportedSinceMs = 1490;
  assert.equal(statusDueMs(liveness), 1500);
});

Deno.test("mustRequestReply() asks a silent server, but not while held back", () => {
  const liveness = createLiveness(6000, 0);
  assert.equal(mustRequestReply(liveness, 499), false);
  assert.equal(mustRequestReply(liveness, 500), true);
  liveness.isPaused = true;
  assert.equal(mustRequestReply(liveness, 500), false);
});

Deno.test("isSilent() is a server that gives no answer, but not while held back", () => {
  const liveness = createLiveness(6000, 0);
  assert.deepEqual([isSilent(liveness, 1199), isSilent(liveness, 1200)], [false, true]);
  liveness.isPaused = true;
  assert.equal(isSilent(liveness, 9000), false);
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

Deno.test("judgeTrouble() tells of silence, and of changes that come long after they were made", () => {
  assert.equal(judgeTrouble(undefined, false, 1199), undefined);
  assert.equal(judgeTrouble(undefined, false, 1200), "late");
  assert.equal(judgeTrouble("late", false, 500), "late");
  assert.equal(judgeTrouble("late", false, 499), undefined);
  assert.equal(judgeTrouble("late", true, 0), "silent");
  assert.equal(judgeTrouble("silent", false, 0), undefined);
});
