import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
import { isAuthorized, matchRoute, type Route, splitTarget } from "../../server/router.ts";
import { parseQuery } from "../../server/query.ts";

const TARGETS: [string, string, string][] = [
  ["http://h/v1/shape?a=1?b#c?d", "/v1/shape", "a=1?b"],
  ["http://h:1//v1//shape", "//v1//shape", ""],
  ["http://h", "/", ""],
  ["http://h/x#y?z", "/x", ""],
  ["/v1/shape?a", "/v1/shape", "a"],
];

for (const [url, path, query] of TARGETS) {
  Deno.test(`splitTarget() cuts "${url}"`, () => deepEqual(splitTarget(url), { path, query }));
}

const ROUTES: [string, string, string][] = [
  ["GET", "/v1/shape", "shape"],
  ["HEAD", "/v1/shape/", "shape"],
  ["POST", "//v1//shape//", "shape"],
  ["GET", "/v1/%73hape", "shape"],
  ["GET", "/%76%31/shape", "shape"],
  ["DELETE", "/v1/shape", "deleteShape"],
  ["DELETE", "/v1//shape", "deleteShape"],
  ["OPTIONS", "/v1/shape", "preflight"],
  ["PUT", "/v1/shape", "notFound"],
  ["PATCH", "//v1/shape", "notFound"],
  ["GET", "/v1/health", "health"],
  ["HEAD", "/v1//health/", "health"],
  ["POST", "/v1/health", "notFound"],
  ["GET", "/v1/status", "status"],
  ["HEAD", "//v1/%73tatus/", "status"],
  ["POST", "/v1/status", "notFound"],
  ["DELETE", "/v1/status", "notFound"],
  ["GET", "/status", "notFound"],
  ["GET", "/v1/status/x", "notFound"],
  ["GET", "/health/live", "probeLive"],
  ["HEAD", "/health//live/", "probeLive"],
  ["GET", "/health/ready", "probeReady"],
  ["HEAD", "/%68ealth/ready", "probeReady"],
  ["POST", "/health/ready", "notFound"],
  ["GET", "/health%2Fready", "notFound"],
  ["GET", "/health", "notFound"],
  ["GET", "/health/shape", "notFound"],
  ["GET", "/v1/ready", "notFound"],
  ["GET", "/metrics", "metrics"],
  ["HEAD", "//m%65trics/", "metrics"],
  ["POST", "/metrics", "notFound"],
  ["GET", "/v1/metrics", "notFound"],
  ["GET", "/metrics/x", "notFound"],
  ["GET", "/admin/shapes", "adminShapes"],
  ["HEAD", "/%61dmin//shapes/", "adminShapes"],
  ["DELETE", "/admin/shapes", "notFound"],
  ["GET", "/admin", "notFound"],
  ["GET", "/admin%2Fshapes", "notFound"],
  ["GET", "/admin/shapes/h-1", "adminShape"],
  ["HEAD", "/admin/%73hapes//h-1", "adminShape"],
  ["DELETE", "/admin/shapes/h-1", "notFound"],
  ["GET", "/admin/shapes/a%2Fb", "notFound"],
  ["GET", "/admin/shapes/h-1/x", "notFound"],
  ["GET", "/", "root"],
  ["GET", "//", "root"],
  ["OPTIONS", "/", "notFound"],
  ["GET", "/v1", "notFound"],
  ["GET", "/v1%2Fshape", "notFound"],
  ["GET", "/v1/./shape", "notFound"],
  ["GET", "/v1/Shape", "notFound"],
  ["GET", "/v2/shape", "notFound"],
  ["GET", "/v1/shape/x", "notFound"],
  ["GET", "/v1/%zz", "notFound"],
];

for (const [method, path, kind] of ROUTES) {
  Deno.test(`matchRoute() leads ${method} ${path} to ${kind}`, () => {
    equal(matchRoute(method, path).kind, kind);
  });
}

const SECRETS: [string, boolean][] = [
  ["", false],
  ["secret=", false],
  ["secret=abc", true],
  ["secret=abcd", false],
  ["secret=ab", false],
  ["secret[]=abc", false],
  ["api_secret=abc", true],
  ["secret=x&api_secret=abc", false],
  ["secret=x&secret=abc", true],
];

for (const [query, expected] of SECRETS) {
  Deno.test(`isAuthorized() says ${expected} to "${query}"`, () => {
    const read = parseQuery(query) ?? new Map();
    const guarded = ["shape", "deleteShape", "adminShapes"] as const;
    const routes: Route[] = [
      ...guarded.map((kind) => ({ kind })),
      { kind: "adminShape", handle: "h-1" },
    ];
    for (const route of routes) {
      equal(isAuthorized(route, read, "abc"), expected);
      equal(isAuthorized(route, read, undefined), true);
    }
    equal(isAuthorized({ kind: "preflight" }, read, "abc"), true);
    for (const kind of ["health", "status", "probeLive", "probeReady", "metrics"] as const) {
      equal(isAuthorized({ kind }, read, "abc"), true);
    }
  });
}
