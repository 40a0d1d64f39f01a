/** `/metrics`: what the server has counted goes to whoever knows the rest and how it is written. */

import type { Admission } from "./admission.ts";
import { type Answer, textBody } from "./answer.ts";
import type { Handler } from "./handler.ts";
import { CACHE, CONTENT_TYPE, HEADER } from "./protocol.ts";
import type { RequestMeter } from "./request_meter.ts";
import { matchRoute, splitTarget } from "./router.ts";

/** What only the server knows. */
export interface HttpFigures {
  readonly requests: RequestMeter;
  readonly admission: Admission;
  /** Requests that wait for news now, event streams included. */
  readonly waiters: number;
}

/** Writes all metrics in the text format of Prometheus. */
export type WriteMetrics = (http: HttpFigures) => Promise<string>;

export async function metricsAnswer(write: WriteMetrics, http: HttpFigures): Promise<Answer> {
  return {
    status: 200,
    headers: [[HEADER.contentType, CONTENT_TYPE.metrics], [HEADER.cacheControl, CACHE.never]],
    body: textBody(await write(http)),
  };
}

/** The handler of a port that tells metrics and nothing else. */
export function metricsOnly(handler: Handler): Handler {
  return (request, delivery) => {
    const { kind } = matchRoute(request.method, splitTarget(request.url).path);
    return kind === "metrics" ? handler(request, delivery) : new Response(null, { status: 404 });
  };
}
