/**
 * What `/metrics` shows: plain numbers of all folders get their outside names here. Where the
 * reference server has the same metric it has the reference's name. Documented in docs/metrics.md.
 */

import type { HttpFigures } from "../../server/metrics.ts";
import type {
  CommitCounters,
  EndCounters,
  IntakeCounters,
  ReconcileCounters,
  SnapshotCounters,
} from "../../shapes/counters.ts";
import { END_KINDS } from "../../shapes/counters.ts";
import type { Mode } from "../../shapes/mode.ts";
import type { SlotStatus, StatusReport } from "../../shapes/status.ts";
import type { Family, Labels } from "./exposition.ts";

/** Everything that is read for one scrape. */
export interface Figures {
  readonly version: string;
  readonly startedMs: number;
  readonly status: StatusReport;
  readonly http: HttpFigures;
  /** How often the mode became each of its kinds. */
  readonly modes: Readonly<Record<Mode["kind"], number>>;
  readonly intake: IntakeCounters;
  readonly snapshots: SnapshotCounters;
  readonly reconciles: ReconcileCounters;
  readonly ends: EndCounters;
  /** Shapes that somebody waits for. */
  readonly watchedShapes: number;
  readonly commits: CommitCounters;
  readonly queuedBytes: number;
  /** Undefined where nothing is kept on a disk. */
  readonly storageBytes: number | undefined;
  readonly memory: Deno.MemoryUsage;
}

const MODES = ["live", "fallback", "starting"] as const;
const WAL_STATUSES = ["reserved", "extended", "unreserved", "lost"] as const;
const SLOT_STATES: readonly SlotStatus["state"][] = [
  "active",
  "inactive",
  "missing",
  "lost",
  "unknown",
];

export function describeMetrics(figures: Figures): readonly Family[] {
  return [
    ...describeService(figures),
    ...describeReplication(figures),
    ...describeSlot(figures),
    ...describeShapes(figures),
    ...describeReconciles(figures),
    ...describeRequests(figures),
    ...describeStorage(figures),
    ...describeProcess(figures),
  ];
}

function describeService({ status: { mode }, modes, version }: Figures): Family[] {
  return [
    gauge("electric_build_info", "The version that runs", 1, { version }),
    oneOf("electric_mode", "1 for the mode that the service is in", "mode", MODES, mode.kind),
    {
      name: "electric_mode_reason_info",
      help: "1 for the reason why the service is not live; nothing while it is",
      type: "gauge",
      samples: mode.reason === undefined ? [] : [{ labels: { reason: mode.reason }, value: 1 }],
    },
    gauge(
      "electric_mode_since_timestamp_seconds",
      "Since when the mode is what it is",
      mode.sinceMs / 1000,
    ),
    {
      name: "electric_mode_transitions_total",
      help: "How often the service came into a mode",
      type: "counter",
      samples: MODES.map((to) => ({ labels: { to }, value: modes[to] })),
    },
  ];
}

function describeReplication({ status: { replication }, intake }: Figures): Family[] {
  const prefix = "electric_postgres_replication";
  return [
    gauge(
      `${prefix}_last_progress_age_seconds`,
      "Since the stream last brought anything, a keepalive too",
      seconds(replication.lastProgressMs),
    ),
    gauge(
      `${prefix}_received_lag_bytes`,
      "WAL that the server has and the stream has not brought",
      replication.lagBytes,
    ),
    gauge(
      `${prefix}_transaction_received_receive_lag`,
      "Milliseconds since the stream last had all that the server had",
      milliseconds(replication.lagMs),
    ),
    gauge(
      `${prefix}_received_lag_seconds`,
      "Since the stream last had all that the server had",
      seconds(replication.lagMs),
    ),
    gauge(
      `${prefix}_slot_confirmed_flush_lsn_lag`,
      "Bytes of WAL that the server has and that are not yet durable here",
      replication.confirmedLagBytes,
    ),
    gauge(
      `${prefix}_confirmed_lag_seconds`,
      "Since all that the server had was last durable here",
      seconds(replication.confirmedLagMs),
    ),
    counter(`${prefix}_transactions_total`, "Transactions taken in", intake.transactions),
    counter(
      `${prefix}_changes_total`,
      "Changes taken in, also those that concern no shape",
      intake.changes,
    ),
  ];
}

function describeSlot({ status: { replication: { slot } } }: Figures): Family[] {
  if (!slot) return [];
  const prefix = "electric_postgres_replication_slot";
  return [
    gauge(
      `${prefix}_retained_wal_size`,
      "Bytes of WAL that the server keeps because of our slot",
      slot.retainedBytes,
    ),
    gauge(
      `${prefix}_safe_wal_bytes`,
      "What may still be written before the slot is in danger; nothing without a limit",
      slot.safeBytes,
    ),
    gauge(
      `${prefix}_budget_bytes`,
      "What the slot may retain at most; nothing without a limit",
      slot.budgetBytes,
    ),
    oneOf(
      `${prefix}_wal_status`,
      "1 for the slot's wal_status",
      "wal_status",
      WAL_STATUSES,
      slot.walStatus,
    ),
    oneOf(`${prefix}_state`, "1 for the slot's state", "state", SLOT_STATES, slot.state),
  ];
}

function describeShapes(figures: Figures): Family[] {
  const { status: { shapes }, watchedShapes, snapshots, ends } = figures;
  const states = ["live", "snapshotting", "reconciling", "behind", "slow"] as const;
  return [
    gauge("electric_shapes_total_shapes_count", "Shapes", shapes.total),
    gauge(
      "electric_shapes_active_shapes_count",
      "Shapes that somebody waits for news of",
      watchedShapes,
    ),
    {
      name: "electric_shapes",
      help: "Shapes by what they are doing; one that is reconciled is behind as well",
      type: "gauge",
      samples: states.map((state) => ({ labels: { state }, value: shapes[state] })),
    },
    {
      name: "electric_shapes_ended_total",
      help: "Shapes that ended, by why",
      type: "counter",
      samples: END_KINDS.map((reason) => ({ labels: { reason }, value: ends.of(reason) })),
    },
    {
      name: "electric_snapshot_duration_seconds",
      help: "From a shape being asked for to its first rows being durable",
      type: "histogram",
      samples: [{ histogram: snapshots.seconds }],
    },
    counter("electric_snapshot_rows_total", "First rows of shapes", snapshots.rows),
    counter("electric_snapshot_failures_total", "Shapes without first rows", snapshots.failures),
  ];
}

function describeReconciles({ reconciles }: Figures): Family[] {
  return [
    counter("electric_reconcile_queries_total", "Comparisons begun", reconciles.queries),
    counter("electric_reconcile_failures_total", "Comparisons that failed", reconciles.failures),
    counter(
      "electric_reconcile_timeouts_total",
      "Comparisons that took longer than they may",
      reconciles.timeouts,
    ),
    counter("electric_reconcile_read_rows_total", "Rows that they read", reconciles.readRows),
    counter(
      "electric_reconcile_appended_rows_total",
      "Rows that differed",
      reconciles.appendedRows,
    ),
    {
      name: "electric_reconcile_duration_seconds",
      help: "How long comparisons took that did not fail",
      type: "histogram",
      samples: [{ histogram: reconciles.seconds }],
    },
  ];
}

function describeRequests({ http: { requests, admission, waiters } }: Figures): Family[] {
  const kinds = ["initial", "existing"] as const;
  return [
    {
      name: "electric_plug_serve_shape_requests_count",
      help: "Answers to requests for shapes, by status",
      type: "counter",
      samples: [...requests.shapeStatuses].map(([status, value]) => ({
        labels: { status: `${status}` },
        value,
      })),
    },
    {
      name: "electric_http_request_duration_seconds",
      help: "From a request to its answer's head; shapeLive waits for news",
      type: "histogram",
      samples: Array.from(requests.durations(), ({ route, statusClass, histogram }) => ({
        labels: { route, status: `${statusClass}xx` },
        histogram,
      })),
    },
    counter(
      "electric_fallback_requests_total",
      "Answers that said to be from the fallback",
      requests.fallbackAnswers,
    ),
    gauge("electric_held_requests", "Requests that wait for news", waiters),
    {
      name: "electric_admission_control_acquire_current",
      help: "Requests for shapes being served",
      type: "gauge",
      samples: kinds.map((kind) => ({ labels: { kind }, value: admission.held(kind) })),
    },
    {
      name: "electric_admission_control_reject_count",
      help: "Requests refused for being too many",
      type: "counter",
      samples: kinds.map((kind) => ({ labels: { kind }, value: admission.refused(kind) })),
    },
  ];
}

function describeStorage({ commits, queuedBytes, storageBytes }: Figures): Family[] {
  return [
    {
      name: "electric_storage_commit_duration_seconds",
      help: "How long commits took",
      type: "histogram",
      samples: [{ histogram: commits.seconds }],
    },
    counter("electric_storage_committed_bytes_total", "Keys and values committed", commits.bytes),
    counter("electric_storage_commit_failures_total", "Attempts that failed", commits.failures),
    gauge("electric_storage_queued_bytes", "Written and not yet durable", queuedBytes),
    gauge("electric_storage_used_bytes", "Files of the storage folder", storageBytes),
  ];
}

function describeProcess({ memory, startedMs }: Figures): Family[] {
  return [
    gauge("process_resident_memory_bytes", "Resident memory", memory.rss),
    gauge("process_heap_bytes", "The JavaScript heap", memory.heapTotal),
    gauge("process_heap_used_bytes", "Used of it", memory.heapUsed),
    gauge("process_external_memory_bytes", "Memory outside of the heap", memory.external),
    gauge("process_start_time_seconds", "When the process started", startedMs / 1000),
  ];
}

/** No sample where the value is not known. */
function gauge(name: string, help: string, value: number | undefined, labels?: Labels): Family {
  return { name, help, type: "gauge", samples: value === undefined ? [] : [{ labels, value }] };
}

function counter(name: string, help: string, value: number): Family {
  return { name, help, type: "counter", samples: [{ value }] };
}

/** One sample for each word that may be: 1 for the one that is, 0 for the others. */
function oneOf(
  name: string,
  help: string,
  label: string,
  words: readonly string[],
  current: string | undefined,
): Family {
  const samples = words.map((word) => ({
    labels: { [label]: word },
    value: word === current ? 1 : 0,
  }));
  return { name, help, type: "gauge", samples: current === undefined ? [] : samples };
}

function seconds(ms: number | undefined): number | undefined {
  return ms === undefined ? undefined : Math.max(0, ms) / 1000;
}

function milliseconds(ms: number | undefined): number | undefined {
  return ms === undefined ? undefined : Math.max(0, Math.round(ms));
}
