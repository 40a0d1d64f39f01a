/**
 * `/admin/shapes`: what an operator may know of each shape, behind the secret. The names are
 * documented in docs/http-api.md and only ever added to.
 */

import type { ShapeAdmin, ShapeDetail, ShapeSummary } from "../shapes/admin.ts";
import { formatOffset, type Offset } from "../shapes/offset.ts";
import { type Answer, jsonBody } from "./answer.ts";
import { notFoundAnswer } from "./error_answers.ts";
import type { Holds } from "./hold.ts";
import { CACHE, CONTENT_TYPE, HEADER } from "./protocol.ts";

export interface AdminShape {
  readonly handle: string;
  readonly table: { readonly schema: string; readonly name: string };
  readonly where: string | null;
  readonly columns: readonly string[] | null;
  readonly key_columns: readonly string[] | null;
  readonly replica: ShapeSummary["replica"];
  readonly log: ShapeSummary["log"];
  readonly state: ShapeSummary["state"];
  readonly head: string;
  readonly snapshot_bytes: number;
  readonly log_bytes: number;
  readonly appended_changes: number;
  readonly appended_bytes: number;
  readonly last_used: string;
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

export function shapesAnswer(admin: ShapeAdmin, holds: Holds): Answer {
  return adminAnswer({ shapes: admin.list().map((shape) => describeShape(shape, holds)) });
}

export function shapeDetailAnswer(admin: ShapeAdmin, holds: Holds, handle: string): Answer {
  const detail = admin.describe(handle);
  return detail ? adminAnswer(describeDetail(detail, holds)) : notFoundAnswer();
}

function adminAnswer(body: unknown): Answer {
  return {
    status: 200,
    headers: [[HEADER.contentType, CONTENT_TYPE.json], [HEADER.cacheControl, CACHE.never]],
    body: jsonBody(body),
  };
}

function describeShape(summary: ShapeSummary, holds: Holds): AdminShape {
  const { shape, table, where, columns, declaredKey, replica, log, state } = summary;
  return {
    handle: shape.handle,
    table: { schema: table.schema, name: table.name },
    where: where ?? null,
    columns: columns ?? null,
    key_columns: declaredKey ?? null,
    replica,
    log,
    state,
    head: formatOffset(shape.head),
    snapshot_bytes: summary.snapshotBytes,
    log_bytes: summary.logBytes,
    appended_changes: summary.appendedChanges,
    appended_bytes: summary.appendedBytes,
    last_used: new Date(summary.lastUsedMs).toISOString(),
    waiters: holds.of(shape).waiters,
  };
}

function describeDetail(detail: ShapeDetail, holds: Holds): AdminShapeDetail {
  const schema: unknown = JSON.parse(detail.shape.schemaHeader);
  return {
    ...describeShape(detail, holds),
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
