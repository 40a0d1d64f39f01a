import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
import { MODE_REASONS } from "../../shapes/mode.ts";
import type { Mode } from "../../shapes/mode.ts";
import { CACHE } from "../../server/protocol.ts";
import { describeStatus } from "../../server/status.ts";
import { readProjectFile } from "../support/source_tree.ts";
import { FakeService, FALLBACK, LIVE, STARTING } from "./fake_service.ts";
import { openHarness, told } from "./harness.ts";

const SINCE_MS = Date.UTC(2026, 4, 1, 12);
const SLEEPING: Mode = { kind: "starting", reason: "sleeping", detail: "", sinceMs: SINCE_MS };
const STOPPING: Mode = { kind: "starting", reason: "stopping", detail: "", sinceMs: SINCE_MS };
const LOCKED: Mode = { kind: "starting", reason: "lock_held", detail: "", sinceMs: SINCE_MS };
const QUERYING: Mode = { kind: "fallback", reason: "query_mode", detail: "", sinceMs: SINCE_MS };

Deno.test("/v1/status tells of a live service in words that stay", async () => {
  const { service, send } = openHarness();
  service.mode = { ...LIVE, sinceMs: SINCE_MS };
  service.replication = {
    lagBytes: 4096,
    lagMs: 1500,
    slot: {
      name: "electric_slot_default",
      state: "active",
      walStatus: "reserved",
      retainedBytes: 16_777_216,
      safeBytes: undefined,
      budgetBytes: 1_073_741_824,
    },
  };
  const response = await send("/v1/status");
  equal(response.status, 200);
  deepEqual(told(response), {
    "cache-control": "public, max-age=5",
    "content-type": "application/json; charset=utf-8",
  });
  deepEqual(await response.json(), {
    status: "live",
    since: "2026-05-01T12:00:00.000Z",
    reason: null,
    replication_available: true,
    connection: "up",
    shape: "up",
    version: "1.2.3",
    replication: { last_progress_age_seconds: 0.25, lag_bytes: 4096, lag_seconds: 1.5 },
    slot: {
      state: "active",
      wal_status: "reserved",
      retained_bytes: 16_777_216,
      safe_wal_bytes: null,
      budget_bytes: 1_073_741_824,
    },
    shapes: { total: 1, live: 1, snapshotting: 0, reconciling: 0, behind: 0, slow: 0 },
  });
});

Deno.test("/v1/status says since when and why the service is not live", async () => {
  const { service, send } = openHarness();
  service.mode = { ...FALLBACK, sinceMs: SINCE_MS };
  service.replication = { lagBytes: undefined, lagMs: undefined, lastProgressMs: undefined };
  const status = await (await send("/v1/status")).json();
  equal(status.status, "fallback");
  equal(status.reason, "slot_lost");
  equal(status.since, "2026-05-01T12:00:00.000Z");
  equal(status.replication_available, false);
  equal(status.slot, null);
  deepEqual(status.replication, {
    last_progress_age_seconds: null,
    lag_bytes: null,
    lag_seconds: null,
  });
});

const SHAPE_STATES: [Mode, number, string][] = [
  [LIVE, 0, "up"],
  [FALLBACK, 0, "up"],
  [QUERYING, 3, "up"],
  [SLEEPING, 0, "up"],
  [STARTING, 3, "read_only"],
  [LOCKED, 3, "read_only"],
  [STARTING, 0, "starting"],
];

for (const [mode, total, expected] of SHAPE_STATES) {
  const name = mode.reason ?? mode.kind;
  Deno.test(`the shape state of ${total} shapes while ${name} is ${expected}`, () => {
    const report = { ...new FakeService().report(), mode };
    const shapes = { ...report.shapes, total };
    equal(describeStatus({ ...report, shapes }, "1").shape, expected);
  });
}

Deno.test("/v1/status is open to anyone and gives nothing of the database away", async () => {
  const { service, send } = openHarness({ secret: "s" });
  service.mode = { ...FALLBACK, detail: "connection to db.internal as alice refused" };
  service.replication = {
    slot: {
      name: "electric_slot_default",
      state: "lost",
      walStatus: "lost",
      retainedBytes: undefined,
      safeBytes: undefined,
      budgetBytes: undefined,
    },
  };
  const response = await send("/v1/status", { headers: { origin: "https://app.example" } });
  equal(response.status, 200);
  equal(response.headers.get("access-control-allow-origin"), "https://app.example");
  equal(response.headers.get("access-control-allow-methods"), "GET, HEAD");
  const text = await response.text();
  const secrets = ["7400000000000000001", "11111", "22222", "33333", "180004"];
  for (const secret of [...secrets, "db.internal", "alice", "items", "electric_slot"]) {
    equal(text.includes(secret), false, secret);
  }
});

Deno.test("/v1/status answers HEAD without a body", async () => {
  const response = await openHarness().send("/v1/status", { method: "HEAD" });
  equal(response.status, 200);
  equal(response.headers.get("cache-control"), "public, max-age=5");
});

Deno.test("the liveness probe asks for the process alone", async () => {
  const { service, send } = openHarness({ secret: "s" });
  for (const mode of [LIVE, FALLBACK, STARTING]) {
    service.mode = mode;
    const response = await send("/health/live");
    equal(response.status, 200);
    equal(response.headers.get("cache-control"), "no-cache, no-store, must-revalidate");
    equal(await response.text(), '{"status":"ok"}');
  }
});

/** Mode, whether the database was ever reached; status, and status when strict. */
const READINESS: [Mode, boolean, number, number][] = [
  [LIVE, true, 200, 200],
  [FALLBACK, true, 200, 503],
  [QUERYING, true, 200, 503],
  [SLEEPING, true, 200, 503],
  [SLEEPING, false, 200, 503],
  [STARTING, true, 200, 503],
  [STARTING, false, 503, 503],
  [LOCKED, true, 200, 503],
  [STOPPING, true, 503, 503],
];

for (const [mode, wasReached, plain, strict] of READINESS) {
  const name = `${mode.reason ?? mode.kind}${wasReached ? "" : ", never reached"}`;
  Deno.test(`the readiness probe is answered ${plain}, strictly ${strict}, while ${name}`, async () => {
    const { service, send } = openHarness();
    service.mode = mode;
    if (!wasReached) service.connection = { state: "starting", serverVersion: undefined };
    const cases: [string, number][] = [
      ["", plain],
      ["?strict=0", plain],
      ["?strict=false", plain],
      ["?strict=1", strict],
      ["?strict=true", strict],
      ["?strict", strict],
    ];
    for (const [query, expected] of cases) {
      const response = await send(`/health/ready${query}`);
      equal(response.status, expected, query);
      equal(response.headers.get("cache-control"), "no-cache, no-store, must-revalidate");
      deepEqual(await response.json(), { status: mode.kind, reason: mode.reason ?? null });
    }
  });
}

Deno.test("every reason can be told", () => {
  const report = new FakeService().report();
  for (const reason of MODE_REASONS) {
    const mode = { kind: "fallback", reason, detail: "", sinceMs: 0 } as const;
    equal(describeStatus({ ...report, mode }, "1").reason, reason);
  }
});

Deno.test("docs/http-api.md names every reason, every member of the status, and every cache rule", () => {
  const page = readProjectFile("docs/http-api.md");
  const slot = {
    name: "s",
    state: "active",
    walStatus: undefined,
    retainedBytes: 1,
    safeBytes: 1,
    budgetBytes: 1,
  } as const;
  const report = new FakeService().report();
  const status = describeStatus({ ...report, replication: { ...report.replication, slot } }, "1");
  const { unset: _, ...rules } = CACHE;
  const members = [status, status.replication, status.slot ?? {}, status.shapes]
    .flatMap((value) => Object.keys(value));
  for (const name of [...members.map((name) => `"${name}"`), ...Object.values(rules)]) {
    equal(page.includes(name), true, name);
  }
  for (const reason of MODE_REASONS) equal(page.includes(`\`${reason}\``), true, reason);
});
