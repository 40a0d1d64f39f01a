import {
  compareOffsets,
  formatOffset,
  formatRequestedOffset,
  type Offset,
  type RequestedOffset,
} from "../shapes/offset.ts";
import type { Page } from "../shapes/service.ts";
import type { LiveMode } from "./cache_rules.ts";
import { formatEtag, matchesEtag } from "./etag.ts";
import type { ShapeView } from "./hold.ts";

/** What to do about a request, given the shape as it is now. */
export type ResponsePlan =
  /** The shape is gone: 409 without a handle. */
  | { readonly kind: "mustRefetch" }
  /** Nothing but the position: `offset=now`. */
  | { readonly kind: "position"; readonly head: Offset }
  | { readonly kind: "notModified"; readonly page: Page }
  | { readonly kind: "chunk"; readonly page: Page }
  /** Live and nothing to say: until the head moves. */
  | { readonly kind: "hold" }
  | { readonly kind: "events"; readonly page: Page | undefined }
  /** The snapshot is still being read where the client is: until it has grown. */
  | { readonly kind: "awaitSnapshot" }
  /** Beyond the head: refused unless the log gets there soon (WIRE.md 5.3). */
  | { readonly kind: "awaitOffset" };

export interface PlanInput {
  readonly handle: string;
  readonly offset: RequestedOffset;
  readonly live: LiveMode;
  readonly ifNoneMatch: string | undefined;
}

/** The decision table: the first row that applies. `isFallback`: see `isInFallback`. */
export function planResponse(
  request: PlanInput,
  view: ShapeView,
  isFallback: boolean,
): ResponsePlan {
  if (view.kind === "gone") return { kind: "mustRefetch" };
  const { head, page } = view;
  if (request.offset.kind === "now") return { kind: "position", head };
  if (isBeyond(request.offset, head)) {
    return request.live === "sse" ? { kind: "events", page: undefined } : { kind: "awaitOffset" };
  }
  if (!page) return { kind: "awaitSnapshot" };
  if (isNotModified(request, page, isFallback)) return { kind: "notModified", page };
  switch (request.live) {
    case "no":
      return { kind: "chunk", page };
    case "sse":
      return { kind: "events", page };
    case "longPoll":
      return page.hasData || !page.isUpToDate ? { kind: "chunk", page } : { kind: "hold" };
  }
}

export function isBeyond(offset: RequestedOffset, head: Offset): boolean {
  return offset.kind === "at" && compareOffsets(offset.offset, head) > 0;
}

/** Asked before any waiting, of live requests too (WIRE.md 3.4). */
function isNotModified(
  { handle, offset, ifNoneMatch }: PlanInput,
  { until }: Page,
  isFallback: boolean,
): boolean {
  if (ifNoneMatch === undefined) return false;
  const since = formatRequestedOffset(offset);
  return matchesEtag(ifNoneMatch, formatEtag(handle, since, formatOffset(until), isFallback));
}
