import type { RequestedOffset } from "../shapes/offset.ts";
import { CACHE, cacheForEvents, cacheForFixed, cacheForLog } from "./protocol.ts";
import type { ServerConfig } from "./config.ts";

/** How a request wants changes: not waiting for them, by long poll, or as an event stream. */
export type LiveMode = "no" | "longPoll" | "sse";

export function isReadMethod(method: string): boolean {
  return method === "GET" || method === "HEAD";
}

/** `cache-control` of log answers, 200 and 304 (WIRE.md 3.2). */
export function cacheForAnswer(
  config: ServerConfig,
  method: string,
  offset: RequestedOffset,
  live: LiveMode,
): string {
  if (!isReadMethod(method)) return CACHE.revalidate;
  if (!config.isCacheable) return CACHE.noStore;
  if (offset.kind === "before") return CACHE.start;
  switch (live) {
    case "sse":
      return cacheForEvents(Math.max(1, Math.floor(config.sseTimeoutMs / 1000) - 1));
    case "longPoll":
      return CACHE.live;
    case "no":
      return cacheForLog(config.maxAgeSeconds, config.staleAgeSeconds);
  }
}

/**
 * The same in fallback: long enough for caches to collapse requests, too short to outlive the
 * fallback. `isFixed`: a page that does not reach the head, which stays as it is.
 */
export function cacheInFallback(
  config: ServerConfig,
  method: string,
  live: LiveMode,
  isFixed: boolean,
): string {
  if (!isReadMethod(method)) return CACHE.revalidate;
  if (!config.isCacheable || live === "sse") return CACHE.noStore;
  return isFixed && live === "no" ? cacheForFixed(config.maxAgeSeconds) : CACHE.brief;
}

/** `cache-control` of a 409. In fallback its advice may not hold for long. */
export function cacheForRefetch(
  config: ServerConfig,
  method: string,
  hasHandle: boolean,
  isFallback: boolean,
): string {
  if (!isReadMethod(method)) return CACHE.revalidate;
  if (!config.isCacheable) return CACHE.noStore;
  return hasHandle && !isFallback ? CACHE.refetchWithHandle : CACHE.brief;
}
