/** Every word of the HTTP API, once (WIRE.md). Nothing else in `server/` spells one out. */

export const ROUTE_SEGMENTS = {
  version: "v1",
  shape: "shape",
  health: "health",
  status: "status",
  live: "live",
  ready: "ready",
  metrics: "metrics",
  admin: "admin",
  shapes: "shapes",
} as const;

export const SHAPE_PATH = `/${ROUTE_SEGMENTS.version}/${ROUTE_SEGMENTS.shape}`;

export const PARAM = {
  table: "table",
  offset: "offset",
  handle: "handle",
  live: "live",
  liveSse: "live_sse",
  experimentalLiveSse: "experimental_live_sse",
  cursor: "cursor",
  where: "where",
  params: "params",
  columns: "columns",
  queryableColumns: "queryable_columns",
  keyColumns: "key_columns",
  replica: "replica",
  log: "log",
  experimentalCompaction: "experimental_compaction",
  secret: "secret",
  apiSecret: "api_secret",
  subset: "subset",
  subsetPrefix: "subset__",
  strict: "strict",
} as const;

/** The offset that a shape is read from its beginning with. */
export const START_OFFSET = "-1";

/** Keys that make the body of a POST a subset when it has no `subset` object (WIRE.md 2.8). */
export const SUBSET_BODY_KEYS = [
  "where",
  "order_by",
  "limit",
  "offset",
  "params",
  "where_expr",
  "order_by_expr",
] as const;

export const HEADER = {
  cacheControl: "cache-control",
  connection: "connection",
  contentEncoding: "content-encoding",
  contentType: "content-type",
  cursor: "electric-cursor",
  etag: "etag",
  fallbackMode: "electric-fallback-mode",
  handle: "electric-handle",
  hasData: "electric-has-data",
  ifNoneMatch: "if-none-match",
  knownError: "electric-internal-known-error",
  offset: "electric-offset",
  origin: "origin",
  requestHeaders: "access-control-request-headers",
  requestId: "x-request-id",
  retryAfter: "retry-after",
  schema: "electric-schema",
  server: "electric-server",
  surrogateControl: "surrogate-control",
  upToDate: "electric-up-to-date",
  vary: "vary",
  allowHeaders: "access-control-allow-headers",
  allowMethods: "access-control-allow-methods",
  allowOrigin: "access-control-allow-origin",
  exposeHeaders: "access-control-expose-headers",
  maxAge: "access-control-max-age",
} as const;

export const CONTENT_TYPE = {
  json: "application/json; charset=utf-8",
  events: "text/event-stream",
  metrics: "text/plain; version=0.0.4; charset=utf-8",
} as const;

export const SERVER_NAME = "electric-ts";
export const KEEP_CONNECTION = "keep-alive";
export const VARY = "accept-encoding";
/** The content encoding of a body as it is. */
export const IDENTITY = "identity";
export const YES = "true";
export const NO = "false";
export const OFF = "0";
/** `electric-up-to-date` counts by being there. */
export const PRESENT = "";

export const CORS = {
  anyOrigin: "*",
  exposedHeaders:
    "electric-cursor,electric-handle,electric-has-data,electric-offset,electric-schema,electric-up-to-date,electric-internal-known-error,retry-after",
  shapeMethods: "GET, POST, HEAD, DELETE, OPTIONS",
  otherMethods: "GET, HEAD",
  preflightMaxAge: "86400",
} as const;

export const CACHE = {
  /** What Plug says when nobody else does: answers that are not about a shape. */
  unset: "max-age=0, private, must-revalidate",
  never: "no-cache, no-store, must-revalidate",
  revalidate: "no-cache",
  noStore: "no-store",
  start: "public, max-age=604800, s-maxage=3600, stale-while-revalidate=2629746",
  live: "public, max-age=5, stale-while-revalidate=5",
  refetchWithHandle: "public, max-age=60, must-revalidate",
  /** Of a 409 that knows no handle, and of what may change at any moment in fallback. */
  brief: "public, max-age=1, must-revalidate",
  status: "public, max-age=5",
} as const;

export function cacheForEvents(seconds: number): string {
  return `public, max-age=${seconds}`;
}

/** Of a page that does not reach the head, in fallback: its header must not be served for longer. */
export function cacheForFixed(maxAgeSeconds: number): string {
  return `public, max-age=${maxAgeSeconds}, must-revalidate`;
}

export function cacheForLog(maxAgeSeconds: number, staleAgeSeconds: number): string {
  return `public, max-age=${maxAgeSeconds}, stale-while-revalidate=${staleAgeSeconds}`;
}

export const MESSAGE = {
  invalidRequest: "Invalid request",
  unauthorized: "Unauthorized - Invalid API secret",
  notFound: "Not found",
  deleteNotAllowed: "DELETE not allowed",
  noShape: "No existing shape found",
  handleMismatch:
    "The specified shape definition and handle do not match. Please ensure the shape definition is correct or omit the shape handle from the request to obtain a new one.",
  internal: "Internal server error",
  snapshotFailed: "Unexpected error while creating snapshot: ",
  snapshotSlow: "Timeout waiting for the snapshot, please retry",
  logBehind: "The shape has not got to this offset again yet, please retry",
  shuttingDown: "Server is shutting down, please retry",
  bodyTooLarge: "Request body too large",
  bodyNotJson: "Invalid JSON in request body",
  bodyNotObject: "Request body must be a JSON object",
  bodyUnreadable: "Failed to read request body",
} as const;

export const FIELD_ERROR = {
  blank: "can't be blank",
  invalid: "is invalid",
  offsetFormat: "has invalid format",
  offsetOutOfBounds: "out of bounds for this shape",
  handleBlank: "can't be blank when offset != -1",
  handleBlankOnDelete: "can't be blank when shape definition is missing",
  liveAtStart: "can't be true when offset == -1",
  liveAtNow: "can't be true when offset is 'now'",
  sseWithoutLive: "can't be true unless live is also true",
  subsetUnsupported: "Subset requests are not supported yet",
} as const;

export const OVERLOADED_CODE = "concurrent_request_limit_exceeded";

export function overloadedMessage(kind: string, limit: number): string {
  return `Concurrent ${kind} request limit exceeded (limit: ${limit}), please retry`;
}

/** Control messages, as JSON text (WIRE.md 4.5). */
export const MUST_REFETCH_ITEM = '{"headers":{"control":"must-refetch"}}';

export function upToDateItem(lastSeenLsn: bigint): string {
  return `{"headers":{"control":"up-to-date","global_last_seen_lsn":"${lastSeenLsn}"}}`;
}

export const EVENT = {
  start: "data: ",
  end: "\n\n",
  keepAlive: ": keep-alive\n\n",
} as const;
