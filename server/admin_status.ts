/** `/admin/status`: how the process does, behind the secret. Documented in docs/http-api.md. */

import type { PublicationStatus, StatusReport } from "../shapes/status.ts";
import { type Answer, jsonBody } from "./answer.ts";
import type { HttpFigures } from "./metrics.ts";
import { CACHE, CONTENT_TYPE, HEADER } from "./protocol.ts";

/** What only the process knows of itself. */
export interface ProcessFigures {
  /** Undefined where nothing is kept on a disk. */
  readonly storageBytes: number | undefined;
  /** Written and not yet durable. */
  readonly queuedBytes: number;
  readonly residentBytes: number;
  readonly heapUsedBytes: number;
}

export type ReadProcess = () => Promise<ProcessFigures>;

/** Numbers that are not known are null. */
export interface AdminStatus {
  readonly uptime_seconds: number;
  readonly requests: {
    /** Answers to requests for shapes, over about the last half minute. */
    readonly per_second: number;
    /** That wait for news now. */
    readonly held: number;
  };
  readonly storage: { readonly used_bytes: number | null; readonly queued_bytes: number };
  readonly memory: { readonly resident_bytes: number; readonly heap_used_bytes: number };
  readonly publication: PublicationStatus | null;
}

/** `uptimeMs`: since the process started. */
export async function adminStatusAnswer(
  read: ReadProcess,
  report: StatusReport,
  http: HttpFigures,
  uptimeMs: number,
): Promise<Answer> {
  return {
    status: 200,
    headers: [[HEADER.contentType, CONTENT_TYPE.json], [HEADER.cacheControl, CACHE.never]],
    body: jsonBody(describeProcess(await read(), report, http, uptimeMs)),
  };
}

function describeProcess(
  figures: ProcessFigures,
  { replication: { publication } }: StatusReport,
  { requests, waiters }: HttpFigures,
  uptimeMs: number,
): AdminStatus {
  return {
    uptime_seconds: Math.round(uptimeMs) / 1000,
    requests: {
      per_second: Math.round(requests.shapeRate.perSecond(uptimeMs) * 100) / 100,
      held: waiters,
    },
    storage: { used_bytes: figures.storageBytes ?? null, queued_bytes: figures.queuedBytes },
    memory: {
      resident_bytes: figures.residentBytes,
      heap_used_bytes: figures.heapUsedBytes,
    },
    publication: publication ? { name: publication.name, state: publication.state } : null,
  };
}
