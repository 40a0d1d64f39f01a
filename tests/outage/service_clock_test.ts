import assert from "node:assert/strict";
import { ServiceClock } from "./service_clock.ts";

Deno.test("ServiceClock stands still while anything is missing", () => {
  const clock = new ServiceClock();
  assert.equal(clock.read(100), 100);
  clock.note("postgres", false, 100);
  assert.deepEqual([clock.read(150), clock.isRunning], [100, false]);
  clock.note("server", false, 160);
  clock.note("postgres", true, 170);
  assert.equal(clock.read(180), 100);
  clock.note("server", true, 200);
  assert.deepEqual([clock.read(230), clock.isRunning], [130, true]);
  clock.note("postgres", false, 250);
  clock.note("postgres", true, 260);
  assert.equal(clock.read(300), 190);
  // What was read before still reads the same.
  assert.deepEqual([clock.read(90), clock.read(150), clock.read(230)], [90, 100, 130]);
});

Deno.test("ServiceClock takes repeated notes for one", () => {
  const clock = new ServiceClock();
  for (const atMs of [10, 20, 30]) clock.note("postgres", false, atMs);
  for (const atMs of [40, 50]) clock.note("postgres", true, atMs);
  assert.equal(clock.read(60), 30);
});

Deno.test("ServiceClock.ranThroughout() sees gaps at the edges, and within the margin", () => {
  const clock = new ServiceClock();
  clock.note("postgres", false, 100);
  clock.note("postgres", true, 200);
  clock.note("postgres", false, 500);
  const cases: readonly [number, number, number, boolean][] = [
    [0, 90, 0, true],
    [0, 90, 20, false],
    [0, 110, 0, false],
    [120, 180, 0, false],
    [150, 300, 0, false],
    [200, 300, 0, true],
    [210, 300, 20, false],
    [300, 400, 50, true],
    [510, 600, 0, false],
  ];
  for (const [startMs, endMs, marginMs, ran] of cases) {
    assert.equal(clock.ranThroughout(startMs, endMs, marginMs), ran, `${startMs} ${endMs}`);
  }
});
