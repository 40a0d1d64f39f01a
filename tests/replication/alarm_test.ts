import assert from "node:assert/strict";
import { Alarm } from "../../replication/alarm.ts";

const FOREVER_MS = 60_000;

Deno.test("Alarm wakes when it rings, when the time is over, and with the signal's reason", async () => {
  const alarm = new Alarm();
  const controller = new AbortController();
  const rung = alarm.sleep(FOREVER_MS, controller.signal);
  alarm.ring();
  await rung;
  await alarm.sleep(1, controller.signal);
  const aborted = alarm.sleep(FOREVER_MS, controller.signal);
  controller.abort(new Error("over"));
  await assert.rejects(aborted, /over/);
  await assert.rejects(alarm.sleep(1, controller.signal), /over/);
});

Deno.test("Alarm rings for nobody when nobody sleeps", async () => {
  const alarm = new Alarm();
  alarm.ring();
  const controller = new AbortController();
  const sleeping = alarm.sleep(FOREVER_MS, controller.signal);
  controller.abort(new Error("still asleep"));
  await assert.rejects(sleeping, /still asleep/);
});
