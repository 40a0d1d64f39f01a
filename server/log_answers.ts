/** The answers of a shape's log and their headers (WIRE.md 3.1). */

import { formatOffset, formatRequestedOffset, type Offset } from "../shapes/offset.ts";
import type { Page, ServedShape } from "../shapes/service.ts";
import { type Answer, type BodySource, type HeaderPair, NO_BODY, textBody } from "./answer.ts";
import { cacheForAnswer, cacheInFallback, isReadMethod } from "./cache_rules.ts";
import type { ServerContext } from "./context.ts";
import { nextCursor } from "./cursor.ts";
import { formatEtag, formatUniqueEtag } from "./etag.ts";
import { isInFallback } from "./fallback.ts";
import type { SharedParts } from "./hold.ts";
import { FIRST_EVENTS_BYTES_MAX } from "./limits.ts";
import { encodeItem, pageBody } from "./page_body.ts";
import type { ShapeRequest } from "./params.ts";
import {
  CONTENT_TYPE,
  HEADER,
  KEEP_CONNECTION,
  NO,
  PRESENT,
  upToDateItem,
  YES,
} from "./protocol.ts";

/** Who asks what of which shape. */
export interface Reader {
  readonly context: ServerContext;
  readonly method: string;
  readonly request: ShapeRequest;
  readonly shape: ServedShape;
}

/** A page of the log; `shared` keeps what other long polls from the same offset will need. */
export function chunkAnswer(reader: Reader, page: Page, shared: SharedParts): Answer {
  const isFallback = isReaderInFallback(reader);
  if (reader.request.live === "no") return makeChunk(reader, page, isFallback);
  const isShared = isReadMethod(reader.method) && page.body.kind === "bytes";
  const known = isShared ? shared.answer : undefined;
  // The mode may have changed since it was made.
  const answer = known?.isFallback === isFallback ? known : makeChunk(reader, page, isFallback);
  if (isShared && answer.body.kind === "bytes") shared.answer = answer;
  return { ...answer, headers: [...answer.headers, cursorHeader(reader)] };
}

function makeChunk(reader: Reader, page: Page, isFallback: boolean): Answer {
  const headers = pageHeaders(reader, page, isFallback);
  headers.push([HEADER.contentType, CONTENT_TYPE.json], [HEADER.hasData, YES]);
  if (reader.request.live === "no") headers.push(schemaHeader(reader));
  if (!page.isUpToDate) return { status: 200, headers, body: pageBody(page), isFallback };
  headers.push([HEADER.upToDate, PRESENT]);
  const body = pageBody(page, encodeItem(upToDateText(reader, page)));
  return { status: 200, headers, body, isFallback };
}

/**
 * A page that waits for changes speaks of its own end only; one that does not may also promise
 * that nothing of the shape is missing up to the last transaction seen (WIRE.md 4.5).
 */
function upToDateText({ context, request }: Reader, page: Page): string {
  const seen = context.service.lastSeenLsn;
  const isLater = request.live === "no" && seen > page.until.lsn;
  return upToDateItem(isLater ? seen : page.until.lsn);
}

/** `offset=now`: where the log ends. */
export function positionAnswer(reader: Reader, head: Offset): Answer {
  return unchanged(reader, formatOffset(head), schemaHeader(reader));
}

/** A long poll that ran out: nothing new, the same offset. */
export function idleAnswer(reader: Reader): Answer {
  const until = formatRequestedOffset(reader.request.offset);
  return unchanged(reader, until, cursorHeader(reader));
}

function unchanged(reader: Reader, until: string, lastHeader: HeaderPair): Answer {
  const { context, request, shape } = reader;
  const isFallback = isReaderInFallback(reader);
  const since = formatRequestedOffset(request.offset);
  const etag = formatUniqueEtag(shape.handle, since, until, context.unique());
  const headers: HeaderPair[] = [
    ...positionHeaders(reader, until, etag, cacheOf(reader, isFallback, false)),
    [HEADER.contentType, CONTENT_TYPE.json],
    [HEADER.hasData, NO],
    [HEADER.upToDate, PRESENT],
    lastHeader,
  ];
  const body = textBody(`[${upToDateItem(context.service.lastSeenLsn)}]`);
  return { status: 200, headers, body, isFallback };
}

export function notModifiedAnswer(reader: Reader, page: Page): Answer {
  const isFallback = isReaderInFallback(reader);
  const headers = pageHeaders(reader, page, isFallback);
  headers.push([HEADER.contentType, CONTENT_TYPE.json], [HEADER.hasData, YES]);
  if (page.isUpToDate) headers.push([HEADER.upToDate, PRESENT]);
  if (reader.request.live !== "no") headers.push(cursorHeader(reader));
  return { status: 304, headers, body: NO_BODY, isFallback };
}

/**
 * An event stream. Clients take its offset header as reached, and lose what came before an
 * up-to-date event if the stream breaks. So the header may only name the end of the first page if
 * that reaches them together with it.
 */
export function eventsAnswer(reader: Reader, page: Page | undefined, source: BodySource): Answer {
  const isFallback = isReaderInFallback(reader);
  const isUpToDate = page !== undefined && arrivesWithHeaders(page);
  const since = reader.request.offset;
  const until = isUpToDate ? formatOffset(page.until) : formatRequestedOffset(since);
  const etag = etagOf(reader, until, isFallback);
  const headers: HeaderPair[] = [
    ...positionHeaders(reader, until, etag, cacheOf(reader, isFallback, false)),
    [HEADER.contentType, CONTENT_TYPE.events],
    [HEADER.connection, KEEP_CONNECTION],
    [HEADER.hasData, YES],
    cursorHeader(reader),
  ];
  if (isUpToDate) headers.push([HEADER.upToDate, PRESENT]);
  const body = { kind: "stream", source, isQueued: false } as const;
  return { status: 200, headers, body, isFallback };
}

/** Whether all of it, with the up-to-date event that ends it, goes out at once with the headers. */
function arrivesWithHeaders({ isUpToDate, hasData, body }: Page): boolean {
  if (!isUpToDate) return false;
  return !hasData || (body.kind === "bytes" && body.bytes.length <= FIRST_EVENTS_BYTES_MAX);
}

function isReaderInFallback({ context, shape }: Reader): boolean {
  return isInFallback(context.service, shape);
}

function pageHeaders(reader: Reader, page: Page, isFallback: boolean): HeaderPair[] {
  const until = formatOffset(page.until);
  const cache = cacheOf(reader, isFallback, !page.isUpToDate);
  return positionHeaders(reader, until, etagOf(reader, until, isFallback), cache);
}

function positionHeaders(
  { shape }: Reader,
  until: string,
  etag: string,
  cache: string,
): HeaderPair[] {
  return [
    [HEADER.handle, shape.handle],
    [HEADER.offset, until],
    [HEADER.etag, `"${etag}"`],
    [HEADER.cacheControl, cache],
  ];
}

function cacheOf(reader: Reader, isFallback: boolean, isFixed: boolean): string {
  const { context: { config }, method, request: { offset, live } } = reader;
  return isFallback
    ? cacheInFallback(config, method, live, isFixed)
    : cacheForAnswer(config, method, offset, live);
}

function etagOf({ request, shape }: Reader, until: string, isFallback: boolean): string {
  return formatEtag(shape.handle, formatRequestedOffset(request.offset), until, isFallback);
}

function schemaHeader({ shape }: Reader): HeaderPair {
  return [HEADER.schema, shape.schemaHeader];
}

function cursorHeader({ context, request }: Reader): HeaderPair {
  const cursor = nextCursor({
    nowMs: context.now(),
    longPollTimeoutMs: context.config.longPollTimeoutMs,
    previous: request.cursor,
    random: context.random,
  });
  return [HEADER.cursor, cursor];
}
