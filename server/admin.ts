/**
 * `/admin/shapes`: what an operator may know of each shape, behind the secret. The names are
 * documented in docs/http-api.md and only ever added to.
 */

import type { ShapeAdmin, ShapeDetail, ShapeSummary } from "../shapes/admin.ts";
import { formatOffset, type Offset } from "../shapes/offset.ts";
import type { ServedShape, ShapeService } from "../shapes/service.ts";
import { type Answer, jsonBody } from "./answer.ts";
import { invalidAnswer, notFoundAnswer } from "./error_answers.ts";
import type { Holds } from "./hold.ts";
import { parseShapeRequest } from "./params.ts";
import { CACHE, CONTENT_TYPE, HEADER, PARAM, START_OFFSET } from "./protocol.ts";
import type { QueryMap } from "./query.ts";

export interface AdminShape {
  readonly handle: string;
  readonly table: { readonly schema: string; readonly name: string };
  readonly where: string | null;
  readonly columns: readonly string[] | null;
  readonly key_columns: readonly string[] | null;
  readonly replica: ShapeSummary["replica"];
  readonly log: ShapeSummary["log"];
  readonly state: ShapeSummary["state"];
  readonly slow: boolean;
  readonly head: string;
  readonly snapshot_bytes: number;
  readonly log_bytes: number;
  /** False once a chunk has ended: it counts as its least size. */
  readonly log_bytes_exact: boolean;
  readonly appended_changes: number;
  readonly appended_bytes: number;
  /** Null in a storage that nothing serves. */
  readonly last_used: string | null;
  readonly waiters: number;
}

export interface AdminShapeDetail extends AdminShape {
  readonly table_oid: number;
  readonly schema: unknown;
  readonly key: readonly string[];
  readonly positions: {
    readonly appended: string;
    readonly reconciled_to: string | null;
    readonly visible_to_lsn: string | null;
  };
  readonly standing: { readonly followed: boolean; readonly frozen: boolean };
  readonly chunks: {
    readonly snapshot_bytes: readonly number[];
    readonly log_ends: readonly string[];
    readonly open_bytes: number;
  };
}

/** The body of `/admin/shapes`. */
export interface AdminShapes {
  /** Of the process: what is counted is counted since. */
  readonly uptime_seconds: number;
  readonly shapes: readonly AdminShape[];
}

/** All shapes; if the query defines one, it alone if it is there. Throws what `find` throws. */
export async function shapesAnswer(
  admin: ShapeAdmin,
  service: ShapeService,
  holds: Holds,
  query: QueryMap,
): Promise<Answer> {
  let wanted: ServedShape | undefined;
  const isFiltered = query.has(PARAM.table);
  if (isFiltered) {
    const parsed = parseShapeRequest(new Map([...query, [PARAM.offset, START_OFFSET]]));
    if (parsed.kind === "invalid") return invalidAnswer("GET", parsed.errors);
    wanted = await service.find(parsed.value.definition);
  }
  const shapes = admin.list().filter(({ shape }) => !isFiltered || shape === wanted)
    .map((summary) => describeShape(summary, holds.of(summary.shape).waiters));
  const answer: AdminShapes = {
    uptime_seconds: Math.round(performance.now()) / 1000,
    shapes,
  };
  return adminAnswer(answer);
}

export function shapeDetailAnswer(admin: ShapeAdmin, holds: Holds, handle: string): Answer {
  const detail = admin.describe(handle);
  if (!detail) return notFoundAnswer();
  return adminAnswer(describeDetail(detail, holds.of(detail.shape).waiters));
}

function adminAnswer(body: unknown): Answer {
  return {
    status: 200,
    headers: [[HEADER.contentType, CONTENT_TYPE.json], [HEADER.cacheControl, CACHE.never]],
    body: jsonBody(body),
  };
}

export function describeShape(summary: ShapeSummary, waiters: number): AdminShape {
  const { shape, table, where, columns, declaredKey, replica, log, state, isSlow } = summary;
  return {
    handle: shape.handle,
    table: { schema: table.schema, name: table.name },
    where: where ?? null,
    columns: columns ?? null,
    key_columns: declaredKey ?? null,
    replica,
    log,
    state,
    slow: isSlow,
    head: formatOffset(shape.head),
    snapshot_bytes: summary.snapshotBytes,
    log_bytes: summary.logBytes,
    log_bytes_exact: summary.isLogBytesExact,
    appended_changes: summary.appendedChanges,
    appended_bytes: summary.appendedBytes,
    last_used: summary.lastUsedMs === undefined ? null : new Date(summary.lastUsedMs).toISOString(),
    waiters,
  };
}

export function describeDetail(detail: ShapeDetail, waiters: number): AdminShapeDetail {
  const schema: unknown = JSON.parse(detail.shape.schemaHeader);
  return {
    ...describeShape(detail, waiters),
    table_oid: detail.tableOid,
    schema,
    key: detail.key,
    positions: {
      appended: formatOffset(detail.appended),
      reconciled_to: formatOptional(detail.reconciledTo),
      visible_to_lsn: detail.visibleTo === undefined ? null : `${detail.visibleTo}`,
    },
    standing: { followed: detail.isFollowed, frozen: detail.isFrozen },
    chunks: {
      snapshot_bytes: detail.snapshotChunks,
      log_ends: detail.logChunkEnds.map(formatOffset),
      open_bytes: detail.openChunkBytes,
    },
  };
}

function formatOptional(offset: Offset | undefined): string | null {
  return offset === undefined ? null : formatOffset(offset);
}
