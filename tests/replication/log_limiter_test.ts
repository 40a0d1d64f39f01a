import assert from "node:assert/strict";
import { LogLimiter } from "../../replication/log_limiter.ts";

Deno.test("LogLimiter lets each cause through once, then every 30 s with their number", () => {
  const limiter = new LogLimiter();
  assert.equal(limiter.admit("refused", 0), 1);
  assert.equal(limiter.admit("refused", 1000), undefined);
  assert.equal(limiter.admit("password", 2000), 1);
  assert.equal(limiter.admit("refused", 29_999), undefined);
  assert.equal(limiter.admit("refused", 30_000), 3);
  assert.equal(limiter.admit("refused", 59_999), undefined);
});

Deno.test("LogLimiter forgets the oldest of a hundred causes", () => {
  const limiter = new LogLimiter();
  for (let i = 0; i <= 100; i++) assert.equal(limiter.admit(`cause ${i}`, i), 1);
  assert.equal(limiter.admit("cause 100", 200), undefined);
  assert.equal(limiter.admit("cause 0", 200), 1);
});
