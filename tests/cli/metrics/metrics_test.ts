import assert from "node:assert/strict";
import { formatExposition } from "../../../cli/metrics/exposition.ts";
import { describeMetrics, type Figures } from "../../../cli/metrics/metrics.ts";
import { Admission } from "../../../server/admission.ts";
import { RequestMeter } from "../../../server/request_meter.ts";
import {
  CommitCounters,
  EndCounters,
  IntakeCounters,
  ReconcileCounters,
  SnapshotCounters,
} from "../../../shapes/counters.ts";
import type { StatusReport } from "../../../shapes/status.ts";
import { FakeService } from "../../server/fake_service.ts";
import { readProjectFile } from "../../support/source_tree.ts";

const SLOT = {
  name: "electric_slot_x",
  state: "active",
  walStatus: "reserved",
  retainedBytes: 1024,
  safeBytes: 2048,
  budgetBytes: 4096,
} as const;

function figures(report: Partial<StatusReport> = {}): Figures {
  const service = new FakeService();
  service.replication = { slot: SLOT };
  const requests = new RequestMeter();
  requests.note("shape", 200, 0, 2);
  requests.note("shapeLive", 204, 0, 20_000);
  requests.note("status", 200, 0, 0.1);
  const admission = new Admission({ initial: 0, existing: 1 });
  admission.acquire("initial");
  admission.acquire("existing");
  return {
    version: "1.2.3",
    startedMs: 1_700_000_000_000,
    status: { ...service.report(), ...report },
    http: { requests, admission, waiters: 7 },
    modes: { live: 2, fallback: 1, starting: 0 },
    intake: new IntakeCounters(),
    snapshots: new SnapshotCounters(),
    reconciles: new ReconcileCounters(),
    ends: new EndCounters(),
    watchedShapes: 3,
    commits: new CommitCounters(),
    queuedBytes: 10,
    storageBytes: 20,
    memory: { rss: 1, heapTotal: 2, heapUsed: 3, external: 4 },
  };
}

function lines(of: Figures): string[] {
  return formatExposition(describeMetrics(of)).split("\n");
}

Deno.test("describeMetrics() says one of each set of words, and the others not", () => {
  const live = lines(figures());
  assert(live.includes('electric_mode{mode="live"} 1'));
  assert(live.includes('electric_mode{mode="fallback"} 0'));
  assert(live.includes('electric_postgres_replication_slot_wal_status{wal_status="reserved"} 1'));
  assert(live.includes('electric_postgres_replication_slot_wal_status{wal_status="lost"} 0'));
  assert(!live.some((line) => line.startsWith("electric_mode_reason_info")));
  const mode = { kind: "fallback", reason: "slot_in_use", detail: "By 5", sinceMs: 1000 } as const;
  const fallen = lines(figures({ mode }));
  assert(fallen.includes('electric_mode{mode="fallback"} 1'));
  assert(fallen.includes('electric_mode_reason_info{reason="slot_in_use"} 1'));
  assert(fallen.includes("electric_mode_since_timestamp_seconds 1"));
});

Deno.test("describeMetrics() counts requests by route and class, held ones apart", () => {
  const told = lines(figures());
  for (
    const line of [
      'electric_plug_serve_shape_requests_count{status="200"} 1',
      'electric_plug_serve_shape_requests_count{status="204"} 1',
      'electric_http_request_duration_seconds_count{route="shape",status="2xx"} 1',
      'electric_http_request_duration_seconds_sum{route="shapeLive",status="2xx"} 20',
      'electric_http_request_duration_seconds_bucket{route="shape",status="2xx",le="0.0025"} 1',
      "electric_held_requests 7",
      'electric_admission_control_acquire_current{kind="existing"} 1',
      'electric_admission_control_reject_count{kind="initial"} 1',
    ]
  ) assert(told.includes(line), line);
});

Deno.test("describeMetrics() leaves out what is not known", () => {
  const service = new FakeService();
  service.replication = { lagBytes: undefined, lagMs: undefined, slot: undefined };
  const told = lines(figures(service.report()));
  assert(!told.some((line) => line.includes("_received_lag_") || line.includes("_slot_retained")));
});

Deno.test("docs/metrics.md tells of every metric, and of no other", () => {
  const families = describeMetrics(figures());
  const named = [...readProjectFile("docs/metrics.md").matchAll(/^\| `(\w+)/gm)].map(([, name]) =>
    name
  );
  assert.deepEqual(named.toSorted(), families.map(({ name }) => name).toSorted());
});

Deno.test("dashboard and alerts ask only for metrics that there are", () => {
  const names = new Set(describeMetrics(figures()).map(({ name }) => name));
  for (const path of ["deploy/grafana-dashboard.json", "deploy/prometheus-rules.yml"]) {
    const asked = readProjectFile(path).match(/\b(?:electric|process)_[a-z_]+/g) ?? [];
    assert(asked.length > 5, path);
    for (const name of asked) {
      const base = name.replace(/_(?:bucket|sum|count)$/, "");
      assert(names.has(name) || names.has(base), `${path}: ${name}`);
    }
  }
});
