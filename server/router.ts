import type { QueryMap } from "./query.ts";
import { PARAM, ROUTE_SEGMENTS, SHAPE_PATH } from "./protocol.ts";

export type Route =
  | { readonly kind: "root" }
  | { readonly kind: "health" }
  | { readonly kind: "status" }
  /** The process is there. */
  | { readonly kind: "probeLive" }
  /** Requests may be sent to it. */
  | { readonly kind: "probeReady" }
  | { readonly kind: "shape" }
  | { readonly kind: "deleteShape" }
  | { readonly kind: "preflight" }
  | { readonly kind: "metrics" }
  | { readonly kind: "adminStatus" }
  | { readonly kind: "adminShapes" }
  | { readonly kind: "adminShape"; readonly handle: string }
  | { readonly kind: "notFound" };

type ReadKind =
  | "root"
  | "health"
  | "status"
  | "probeLive"
  | "probeReady"
  | "metrics"
  | "adminStatus"
  | "adminShapes";

const { version, health, status, live, ready, metrics, admin, shapes } = ROUTE_SEGMENTS;

/** By the decoded segments. */
const READ_ROUTES: ReadonlyMap<string, ReadKind> = new Map([
  ["", "root"],
  [metrics, "metrics"],
  [`${admin}/${status}`, "adminStatus"],
  [`${admin}/${shapes}`, "adminShapes"],
  [`${version}/${health}`, "health"],
  [`${version}/${status}`, "status"],
  [`${health}/${live}`, "probeLive"],
  [`${health}/${ready}`, "probeReady"],
]);

export interface Target {
  readonly path: string;
  /** Without the question mark. */
  readonly query: string;
}

/** Cuts a request's URL without parsing it: neither part is decoded. */
export function splitTarget(url: string): Target {
  const authority = url.indexOf("://");
  const start = authority < 0 ? 0 : url.indexOf("/", authority + 3);
  if (start < 0) return { path: "/", query: "" };
  const hash = url.indexOf("#", start);
  const end = hash < 0 ? url.length : hash;
  const mark = url.indexOf("?", start);
  if (mark < 0 || mark > end) return { path: url.slice(start, end), query: "" };
  return { path: url.slice(start, mark), query: url.slice(mark + 1, end) };
}

/**
 * Matches on decoded segments with empty ones dropped (WIRE.md 1.1): no spelling gets around. None
 * holds a slash.
 */
export function matchRoute(method: string, path: string): Route {
  if (path === SHAPE_PATH) return shapeRoute(method);
  const segments = decodeSegments(path);
  if (!segments || segments.some((segment) => segment.includes("/"))) return { kind: "notFound" };
  const [first, second, third] = segments;
  if (segments.length === 2 && first === version && second === ROUTE_SEGMENTS.shape) {
    return shapeRoute(method);
  }
  if (segments.length === 3 && first === admin && second === shapes) {
    return isRead(method) ? { kind: "adminShape", handle: third } : { kind: "notFound" };
  }
  const kind = READ_ROUTES.get(segments.join("/"));
  return kind && isRead(method) ? { kind } : { kind: "notFound" };
}

function decodeSegments(path: string): string[] | undefined {
  try {
    return path.split("/").filter((part) => part !== "").map(decodeURIComponent);
  } catch {
    return undefined;
  }
}

function shapeRoute(method: string): Route {
  switch (method) {
    case "GET":
    case "HEAD":
    case "POST":
      return { kind: "shape" };
    case "DELETE":
      return { kind: "deleteShape" };
    case "OPTIONS":
      return { kind: "preflight" };
    default:
      return { kind: "notFound" };
  }
}

function isRead(method: string): boolean {
  return method === "GET" || method === "HEAD";
}

const GUARDED: ReadonlySet<Route["kind"]> = new Set([
  "shape",
  "deleteShape",
  "adminStatus",
  "adminShapes",
  "adminShape",
]);

/** Whether the query carries the secret that the route wants (WIRE.md 1.2). */
export function isAuthorized(route: Route, query: QueryMap, secret: string | undefined): boolean {
  if (secret === undefined) return true;
  if (!GUARDED.has(route.kind)) return true;
  const given = query.get(PARAM.secret) ?? query.get(PARAM.apiSecret);
  return typeof given === "string" && isSameText(given, secret);
}

/** Compares in a time that depends on the lengths only. */
function isSameText(a: string, b: string): boolean {
  let difference = a.length ^ b.length;
  for (let i = 0; i < a.length; i++) {
    difference |= a.charCodeAt(i) ^ b.charCodeAt(i % b.length || 0);
  }
  return difference === 0;
}
