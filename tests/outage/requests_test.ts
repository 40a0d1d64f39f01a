import assert from "node:assert/strict";
import { type ProbeRequest, summarizeRequests } from "./requests.ts";
import { ServiceClock } from "./service_clock.ts";

function request(
  kind: ProbeRequest["kind"],
  startMs: number,
  outcome = "data",
  endMs = startMs + 10,
): ProbeRequest {
  return { kind, startMs, endMs, outcome };
}

Deno.test("summarizeRequests() judges requests by whether Postgres answered all the while", () => {
  const clock = new ServiceClock(), serverClock = new ServiceClock();
  clock.note("postgres", false, 10_000);
  clock.note("postgres", true, 20_000);
  const summary = summarizeRequests(
    [
      request("catchUp", 1_000),
      request("catchUp", 2_000, "503"),
      request("newClient", 3_000, "timeout", 6_000),
      request("newShape", 4_000),
      // Too close to tell, and while there was no Postgres.
      request("catchUp", 9_900, "503"),
      request("newShape", 15_000, "503"),
      request("catchUp", 15_000),
      request("newClient", 16_000, "503"),
      request("newShape", 20_300, "503"),
    ],
    clock,
    serverClock,
  );
  assert.deepEqual(summary, {
    catchUp: { answered: 1, asked: 2 },
    newClient: { answered: 0, asked: 1 },
    newShape: { answered: 1, asked: 2 },
    withoutPostgres: { answered: 1, asked: 2 },
    failures: { "503": 2, timeout: 1 },
  });
});

Deno.test("summarizeRequests() leaves out what was sent while the server's process was not there", () => {
  const clock = new ServiceClock(), serverClock = new ServiceClock();
  for (const one of [clock, serverClock]) {
    one.note("server", false, 1_000);
    one.note("server", true, 2_000);
  }
  const summary = summarizeRequests([request("catchUp", 1_500, "network")], clock, serverClock);
  assert.deepEqual([summary.catchUp.asked, summary.withoutPostgres.asked], [0, 0]);
});
