import type { Mode } from "../shapes/mode.ts";
import { type Answer, type HeaderPair, jsonBody, NO_BODY } from "./answer.ts";
import { CACHE, CONTENT_TYPE, CORS, HEADER, KEEP_CONNECTION } from "./protocol.ts";

/** States of the health route; the modes of `/v1/status` say more. */
type HealthState = "active" | "waiting" | "starting";

const HEALTH_STATUS: Readonly<Record<HealthState, number>> = {
  active: 200,
  waiting: 202,
  starting: 202,
};

/** What probes ask (WIRE.md 1.3). */
export function healthAnswer(mode: Mode): Answer {
  const state = healthState(mode);
  return {
    status: HEALTH_STATUS[state],
    headers: [[HEADER.contentType, CONTENT_TYPE.json], [HEADER.cacheControl, CACHE.never]],
    body: jsonBody({ status: state }),
  };
}

function healthState({ kind, reason }: Mode): HealthState {
  const isAsMeant = reason === "sleeping" || (kind === "fallback" && reason === "query_mode");
  if (kind === "live" || isAsMeant) return "active";
  return reason === "lock_held" ? "waiting" : "starting";
}

/** Names of headers with separators, as browsers list them. */
const HEADER_NAMES = /^[\w\-, ]{1,1000}$/;

/** What browsers ask before a request with headers of its own: any header is fine. */
export function preflightAnswer(request: Request): Answer {
  const headers: HeaderPair[] = [
    [HEADER.maxAge, CORS.preflightMaxAge],
    [HEADER.connection, KEEP_CONNECTION],
  ];
  const wanted = request.headers.get(HEADER.requestHeaders);
  if (wanted !== null && HEADER_NAMES.test(wanted)) headers.push([HEADER.allowHeaders, wanted]);
  return { status: 204, headers, body: NO_BODY };
}
