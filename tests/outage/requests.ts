/** What became of the probes' requests, and which of them count. */

import type { Share } from "./figures.ts";
import type { ServiceClock } from "./service_clock.ts";

export type RequestKind = "catchUp" | "newClient" | "newShape";

export interface ProbeRequest {
  readonly kind: RequestKind;
  readonly startMs: number;
  readonly endMs: number;
  /** `data`, or how it failed: a status, `timeout`, `network`, … */
  readonly outcome: string;
}

/** Data, and not a way to say that there is none. */
export const ANSWERED = "data";
/** How long before and after a change of Postgres' state it is unknown. */
const MARGIN_MS = 250;

export interface RequestSummary {
  readonly catchUp: Share;
  readonly newClient: Share;
  readonly newShape: Share;
  readonly withoutPostgres: Share;
  readonly failures: Readonly<Record<string, number>>;
}

/**
 * Sorts requests by whether they could be answered all the while. `clock` runs while Postgres and the
 * server are there, `serverClock` while the server is.
 */
export function summarizeRequests(
  requests: readonly ProbeRequest[],
  clock: ServiceClock,
  serverClock: ServiceClock,
): RequestSummary {
  const able = requests.filter(({ startMs, endMs }) =>
    clock.ranThroughout(startMs, endMs, MARGIN_MS)
  );
  const unable = requests.filter((request) =>
    request.kind !== "newShape" &&
    serverClock.ranThroughout(request.startMs, request.endMs, MARGIN_MS) &&
    !clock.ranThroughout(request.startMs, request.endMs)
  );
  const failures: Record<string, number> = {};
  for (const { outcome } of able) {
    if (outcome !== ANSWERED) failures[outcome] = (failures[outcome] ?? 0) + 1;
  }
  const shareOf = (kind: RequestKind) => share(able.filter((request) => request.kind === kind));
  return {
    catchUp: shareOf("catchUp"),
    newClient: shareOf("newClient"),
    newShape: shareOf("newShape"),
    withoutPostgres: share(unable),
    failures,
  };
}

function share(requests: readonly ProbeRequest[]): Share {
  const answered = requests.filter(({ outcome }) => outcome === ANSWERED).length;
  return { answered, asked: requests.length };
}
