import assert from "node:assert/strict";
import { IdleMeter } from "../../replication/idle_meter.ts";

function meterAt(timeoutMs: number) {
  const clock = { nowMs: 0 };
  let wakes = 0;
  const meter = new IdleMeter(timeoutMs, () => clock.nowMs, () => wakes += 1);
  return { clock, meter, wakes: () => wakes };
}

Deno.test("IdleMeter is idle after the time without anything, and never with 0", () => {
  const { clock, meter, wakes } = meterAt(1000);
  const never = meterAt(0);
  never.clock.nowMs = 10 ** 9;
  assert.equal(never.meter.isIdle, false);
  clock.nowMs = 999;
  assert.equal(meter.isIdle, false);
  clock.nowMs = 1000;
  assert.equal(meter.isIdle, true);
  meter.note();
  assert.equal(meter.isIdle, false);
  assert.equal(wakes(), 1);
});

Deno.test("IdleMeter is not idle while anything is open, nor right after it", () => {
  const { clock, meter } = meterAt(1000);
  const endFirst = meter.begin(), endSecond = meter.begin();
  clock.nowMs = 5000;
  endFirst();
  endFirst();
  clock.nowMs = 9000;
  assert.equal(meter.isIdle, false);
  endSecond();
  assert.equal(meter.isIdle, false);
  clock.nowMs = 10_000;
  assert.equal(meter.isIdle, true);
});
