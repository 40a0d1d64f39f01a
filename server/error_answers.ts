/** Refusals and failures (WIRE.md 6). Nothing internal is in them. */

import type { Logger } from "../shapes/ports.ts";
import { InvalidRequestError, ShapeGoneError, UnavailableError } from "../shapes/errors.ts";
import { type ServedShape, type ShapeService, SnapshotError } from "../shapes/service.ts";
import type { AdmissionKind } from "./admission.ts";
import { type Answer, type HeaderPair, jsonBody, NO_BODY, textBody } from "./answer.ts";
import { cacheForRefetch, isReadMethod } from "./cache_rules.ts";
import type { ServerConfig } from "./config.ts";
import { formatEtag } from "./etag.ts";
import { isInFallback } from "./fallback.ts";
import type { FieldErrors } from "./params.ts";
import {
  CACHE,
  CONTENT_TYPE,
  HEADER,
  MESSAGE,
  MUST_REFETCH_ITEM,
  OVERLOADED_CODE,
  overloadedMessage,
  YES,
} from "./protocol.ts";

const JSON_TYPE: HeaderPair = [HEADER.contentType, CONTENT_TYPE.json];
const UNSET_CACHE: HeaderPair = [HEADER.cacheControl, CACHE.unset];
const NO_STORE: readonly HeaderPair[] = [
  [HEADER.cacheControl, CACHE.noStore],
  [HEADER.surrogateControl, CACHE.noStore],
];
const REVALIDATE: readonly HeaderPair[] = [[HEADER.cacheControl, CACHE.revalidate]];

/** Retry-after of an overloaded server: spread over these seconds. */
const OVERLOAD_RETRY_SECONDS_MIN = 6;
const OVERLOAD_RETRY_SECONDS_SPREAD = 5;

function errorCache(method: string): readonly HeaderPair[] {
  return isReadMethod(method) ? NO_STORE : REVALIDATE;
}

export function invalidAnswer(method: string, errors: FieldErrors): Answer {
  return messageAnswer(400, method, { message: MESSAGE.invalidRequest, errors });
}

export function messageAnswer(status: number, method: string, body: unknown): Answer {
  return { status, headers: [JSON_TYPE, ...errorCache(method)], body: jsonBody(body) };
}

export interface AnswerSetting {
  readonly config: ServerConfig;
  readonly service: ShapeService;
}

/** The 409; with the handle of the shape to go on with, when one is known. */
export function refetchAnswer(
  { config, service }: AnswerSetting,
  method: string,
  shape: ServedShape | undefined,
): Answer {
  const handle = shape?.handle;
  const isFallback = isInFallback(service, shape);
  const cache = cacheForRefetch(config, method, handle !== undefined, isFallback);
  const headers: HeaderPair[] = [JSON_TYPE, [HEADER.cacheControl, cache]];
  if (handle !== undefined) {
    headers.push([HEADER.handle, handle], [HEADER.etag, `"${formatEtag(handle, "", "")}"`]);
  }
  return { status: 409, headers, body: textBody(`[${MUST_REFETCH_ITEM}]`), isFallback };
}

export function unavailableAnswer(method: string, error: UnavailableError): Answer {
  const answer = messageAnswer(503, method, { message: error.message });
  const headers: HeaderPair[] = [
    ...answer.headers,
    [HEADER.retryAfter, String(error.retryAfterSeconds)],
  ];
  if (error.isKnown) headers.push([HEADER.knownError, YES]);
  return { ...answer, headers };
}

export function overloadedAnswer(
  kind: AdmissionKind,
  limit: number,
  random: () => number,
): Answer {
  const seconds = OVERLOAD_RETRY_SECONDS_MIN + Math.floor(random() * OVERLOAD_RETRY_SECONDS_SPREAD);
  return {
    status: 503,
    headers: [JSON_TYPE, ...NO_STORE, [HEADER.retryAfter, String(seconds)], [
      HEADER.knownError,
      YES,
    ]],
    body: jsonBody({ code: OVERLOADED_CODE, message: overloadedMessage(kind, limit) }),
  };
}

/** Refusals made before a shape is thought of: of the secret, of a body, of an escape. */
export function plainErrorAnswer(status: number, body: unknown): Answer {
  return { status, headers: [JSON_TYPE, UNSET_CACHE], body: jsonBody(body) };
}

export function notFoundAnswer(): Answer {
  return { status: 404, headers: [UNSET_CACHE], body: textBody(MESSAGE.notFound) };
}

/** An answer without a body, to which nothing about caching is said. */
export function bareAnswer(status: number): Answer {
  return { status, headers: [UNSET_CACHE], body: NO_BODY };
}

/** What an error is answered with; those that nobody expects are logged. */
export function errorAnswer(
  error: unknown,
  method: string,
  setting: AnswerSetting & { readonly logger: Logger },
): Answer {
  if (error instanceof InvalidRequestError) return invalidAnswer(method, error.errors);
  if (error instanceof UnavailableError) return unavailableAnswer(method, error);
  if (error instanceof ShapeGoneError) return refetchAnswer(setting, method, undefined);
  if (error instanceof SnapshotError) {
    return messageAnswer(500, method, { message: `${MESSAGE.snapshotFailed}${error.message}` });
  }
  setting.logger.error("Request failed", { error: describeError(error) });
  return plainErrorAnswer(500, { error: MESSAGE.internal });
}

function describeError(error: unknown): string {
  return error instanceof Error ? error.stack ?? String(error) : String(error);
}
