import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
import { Deadlines } from "../../server/deadlines.ts";
import { DEADLINE_GRAIN_MS } from "../../server/limits.ts";
import { ManualClock } from "./manual_clock.ts";

function setUp() {
  const clock = new ManualClock();
  const startMs = clock.now();
  const deadlines = new Deadlines(clock);
  const told: [string, number][] = [];
  const target = (name: string) => ({ due: () => void told.push([name, clock.now() - startMs]) });
  return { clock, startMs, deadlines, told, target };
}

Deno.test("Deadlines tells targets in order, never early and at most a grain late", async () => {
  const { clock, startMs, deadlines, told, target } = setUp();
  const delays = [300, 10, 170, 10, 299, 1];
  for (const delay of delays) deadlines.add(startMs + delay, target(String(delay)));
  await clock.advance(1_000);
  deepEqual(told.map(([name]) => Number(name)), [10, 10, 1, 170, 300, 299]);
  for (const [name, atMs] of told) {
    equal(
      atMs >= Number(name) && atMs <= Number(name) + DEADLINE_GRAIN_MS,
      true,
      `${name} ${atMs}`,
    );
  }
  equal(deadlines.size, 0);
  equal(clock.armed, 0);
});

Deno.test("Deadlines shares one timer and keeps none for nobody", async () => {
  const { clock, startMs, deadlines, told, target } = setUp();
  const targets = Array.from({ length: 1000 }, (_, n) => target(String(n)));
  const taken = targets.map((one, n) => deadlines.add(startMs + 1000 + n, one));
  equal(clock.armed, 1);
  targets.forEach((one, n) => deadlines.remove(taken[n], one));
  deadlines.remove(taken[0], targets[0]);
  equal(deadlines.size, 0);
  await clock.advance(5_000);
  equal(clock.armed, 0);
  deepEqual(told, []);
});

Deno.test("Deadlines takes new targets while it tells others", async () => {
  const { clock, startMs, deadlines, told, target } = setUp();
  const again = {
    due: () => {
      told.push(["again", clock.now() - startMs]);
      if (told.length < 3) deadlines.add(clock.now() + 100, again);
    },
  };
  deadlines.add(startMs + 100, again);
  deadlines.add(startMs + 500, target("late"));
  await clock.advance(1_000);
  deepEqual(told.map(([name]) => name), ["again", "again", "again", "late"]);
});

Deno.test("Deadlines tells nobody once disposed", async () => {
  const { clock, startMs, deadlines, told, target } = setUp();
  deadlines.add(startMs + 100, target("never"));
  deadlines[Symbol.dispose]();
  equal(clock.armed, 0);
  await clock.advance(1_000);
  deepEqual(told, []);
});
