/** What anyone may know of the service: `/v1/status` and the probes. */

import type { ConnectionStatus, ReplicationStatus, StatusReport } from "../shapes/status.ts";
import type { Mode } from "../shapes/mode.ts";
import { type Answer, type HeaderPair, jsonBody } from "./answer.ts";
import { CACHE, CONTENT_TYPE, HEADER } from "./protocol.ts";

/**
 * `up`: shapes can be served and made. `read_only`: those that are stored can be served.
 * `starting`: neither, yet.
 */
export type ShapeState = "up" | "read_only" | "starting";

/**
 * The body of `/v1/status`, documented in docs/http-api.md: names are only ever added. Numbers that
 * are not known are null. Neither identities, positions nor names of the database are in it, for it
 * asks for no secret.
 */
export interface PublicStatus {
  readonly status: Mode["kind"];
  readonly since: string;
  readonly reason: Mode["reason"] | null;
  readonly replication_available: boolean;
  readonly connection: ConnectionStatus["state"];
  readonly shape: ShapeState;
  readonly version: string;
  readonly replication: {
    readonly last_progress_age_seconds: number | null;
    readonly lag_bytes: number | null;
    readonly lag_seconds: number | null;
  };
  readonly slot: PublicSlot | null;
  readonly shapes: StatusReport["shapes"];
}

export interface PublicSlot {
  readonly state: NonNullable<ReplicationStatus["slot"]>["state"];
  readonly wal_status: string | null;
  readonly retained_bytes: number | null;
  readonly safe_wal_bytes: number | null;
  readonly budget_bytes: number | null;
}

export function describeStatus(report: StatusReport, version: string): PublicStatus {
  const { mode, connection, replication, shapes } = report;
  return {
    status: mode.kind,
    since: new Date(mode.sinceMs).toISOString(),
    reason: mode.reason ?? null,
    replication_available: replication.isAvailable,
    connection: connection.state,
    shape: shapeState(report),
    version,
    replication: {
      last_progress_age_seconds: toSeconds(replication.lastProgressMs),
      lag_bytes: replication.lagBytes ?? null,
      lag_seconds: toSeconds(replication.lagMs),
    },
    slot: describeSlot(replication.slot),
    // One by one: what is added to the report is not public by that.
    shapes: {
      total: shapes.total,
      live: shapes.live,
      snapshotting: shapes.snapshotting,
      reconciling: shapes.reconciling,
      behind: shapes.behind,
      slow: shapes.slow,
    },
  };
}

function describeSlot(slot: ReplicationStatus["slot"]): PublicSlot | null {
  if (!slot) return null;
  return {
    state: slot.state,
    wal_status: slot.walStatus ?? null,
    retained_bytes: slot.retainedBytes ?? null,
    safe_wal_bytes: slot.safeBytes ?? null,
    budget_bytes: slot.budgetBytes ?? null,
  };
}

function toSeconds(ms: number | undefined): number | null {
  return ms === undefined ? null : Math.max(0, Math.round(ms)) / 1000;
}

function shapeState({ mode, shapes }: StatusReport): ShapeState {
  if (mode.kind !== "starting" || mode.reason === "sleeping") return "up";
  return shapes.total > 0 ? "read_only" : "starting";
}

export function statusAnswer(report: StatusReport, version: string): Answer {
  const headers: HeaderPair[] = [
    [HEADER.contentType, CONTENT_TYPE.json],
    [HEADER.cacheControl, CACHE.status],
  ];
  return { status: 200, headers, body: jsonBody(describeStatus(report, version)) };
}

/** The process answers: nothing else is asked, so that no outage of Postgres restarts it. */
export function liveAnswer(): Answer {
  return probeAnswer(200, { status: "ok" });
}

/** Whether requests should be sent here; `isStrict`: only while the stream is followed. */
export function readyAnswer(report: StatusReport, isStrict: boolean): Answer {
  const { mode } = report;
  const isFit = isStrict ? mode.kind === "live" : isReady(report);
  return probeAnswer(isFit ? 200 : 503, { status: mode.kind, reason: mode.reason ?? null });
}

/**
 * Once the database has been reached shapes are served whatever happens to it. Before that an
 * instance knows nothing that is worth taking requests from another.
 */
function isReady({ mode, connection }: StatusReport): boolean {
  if (mode.reason === "stopping") return false;
  if (mode.kind !== "starting" || mode.reason === "sleeping") return true;
  // It waits on purpose, and serves what is stored.
  return connection.serverVersion !== undefined || connection.state === "waiting";
}

function probeAnswer(status: number, body: unknown): Answer {
  return {
    status,
    headers: [[HEADER.contentType, CONTENT_TYPE.json], [HEADER.cacheControl, CACHE.never]],
    body: jsonBody(body),
  };
}
