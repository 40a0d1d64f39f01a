/** The answers of a shape's log and their headers (WIRE.md 3.1). */

import { formatOffset, formatRequestedOffset, type Offset } from "../shapes/offset.ts";
import type { Page, ServedShape } from "../shapes/service.ts";
import { type Answer, type BodySource, type HeaderPair, NO_BODY, textBody } from "./answer.ts";
import { cacheForAnswer, isReadMethod } from "./cache_rules.ts";
import type { ServerContext } from "./context.ts";
import { nextCursor } from "./cursor.ts";
import { formatEtag, formatUniqueEtag } from "./etag.ts";
import type { SharedParts } from "./hold.ts";
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
  if (reader.request.live === "no") return makeChunk(reader, page);
  const isShared = isReadMethod(reader.method) && page.body.kind === "bytes";
  const answer = (isShared ? shared.answer : undefined) ?? makeChunk(reader, page);
  if (isShared && answer.body.kind === "bytes") shared.answer = answer;
  return { ...answer, headers: [...answer.headers, cursorHeader(reader)] };
}

function makeChunk(reader: Reader, page: Page): Answer {
  const headers = logHeaders(reader, page.until, etagOf(reader, page.until));
  headers.push([HEADER.contentType, CONTENT_TYPE.json], [HEADER.hasData, YES]);
  if (reader.request.live === "no") headers.push(schemaHeader(reader));
  if (!page.isUpToDate) return { status: 200, headers, body: pageBody(page) };
  headers.push([HEADER.upToDate, PRESENT]);
  return { status: 200, headers, body: pageBody(page, encodeItem(upToDateText(reader, page))) };
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
  const headers = unchangedHeaders(reader, formatOffset(head));
  headers.push(schemaHeader(reader));
  return unchanged(reader, headers);
}

/** A long poll that ran out: nothing new, the same offset. */
export function idleAnswer(reader: Reader): Answer {
  const headers = unchangedHeaders(reader, formatRequestedOffset(reader.request.offset));
  headers.push(cursorHeader(reader));
  return unchanged(reader, headers);
}

function unchanged({ context }: Reader, headers: HeaderPair[]): Answer {
  return { status: 200, headers, body: textBody(`[${upToDateItem(context.service.lastSeenLsn)}]`) };
}

function unchangedHeaders(reader: Reader, until: string): HeaderPair[] {
  const { context, request, shape } = reader;
  const since = formatRequestedOffset(request.offset);
  const etag = formatUniqueEtag(shape.handle, since, until, context.unique());
  return [
    ...positionHeaders(reader, until, etag),
    [HEADER.contentType, CONTENT_TYPE.json],
    [HEADER.hasData, NO],
    [HEADER.upToDate, PRESENT],
  ];
}

export function notModifiedAnswer(reader: Reader, page: Page): Answer {
  const headers = logHeaders(reader, page.until, etagOf(reader, page.until));
  headers.push([HEADER.contentType, CONTENT_TYPE.json], [HEADER.hasData, YES]);
  if (page.isUpToDate) headers.push([HEADER.upToDate, PRESENT]);
  if (reader.request.live !== "no") headers.push(cursorHeader(reader));
  return { status: 304, headers, body: NO_BODY };
}

/**
 * An event stream. Clients take its offset header as reached once they have read up to an
 * up-to-date event, and lose what came before one if the stream breaks. So the header may only
 * name the end of the first page if such an event follows it at once.
 */
export function eventsAnswer(reader: Reader, page: Page | undefined, source: BodySource): Answer {
  const isUpToDate = page?.isUpToDate === true;
  const since = reader.request.offset;
  const until = isUpToDate ? formatOffset(page.until) : formatRequestedOffset(since);
  const etag = formatEtag(reader.shape.handle, formatRequestedOffset(since), until);
  const headers: HeaderPair[] = [
    ...positionHeaders(reader, until, etag),
    [HEADER.contentType, CONTENT_TYPE.events],
    [HEADER.connection, KEEP_CONNECTION],
    [HEADER.hasData, YES],
    cursorHeader(reader),
  ];
  if (isUpToDate) headers.push([HEADER.upToDate, PRESENT]);
  return { status: 200, headers, body: { kind: "stream", source, isQueued: false } };
}

function logHeaders(reader: Reader, until: Offset, etag: string): HeaderPair[] {
  return positionHeaders(reader, formatOffset(until), etag);
}

function positionHeaders(reader: Reader, until: string, etag: string): HeaderPair[] {
  const { context, method, request, shape } = reader;
  return [
    [HEADER.handle, shape.handle],
    [HEADER.offset, until],
    [HEADER.etag, `"${etag}"`],
    [HEADER.cacheControl, cacheForAnswer(context.config, method, request.offset, request.live)],
  ];
}

function etagOf({ request, shape }: Reader, until: Offset): string {
  return formatEtag(shape.handle, formatRequestedOffset(request.offset), formatOffset(until));
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
