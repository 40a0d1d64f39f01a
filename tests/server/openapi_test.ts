/** docs/openapi.yaml says what the router does, no more and no less. */

import assert from "node:assert/strict";
import { parse } from "yaml";
import { matchRoute, type Route } from "../../server/router.ts";
import { readProjectFile } from "../support/source_tree.ts";

interface Operation {
  readonly summary: string;
  readonly security?: readonly unknown[];
  readonly responses: Readonly<Record<string, unknown>>;
}

interface OpenApi {
  readonly openapi: string;
  readonly info: { readonly version: string };
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
}

const METHODS = ["get", "head", "post", "put", "patch", "delete", "options"];

/** An example of each route: a new kind does not compile until it has one. */
const EXAMPLES: Readonly<Record<Exclude<Route["kind"], "notFound">, readonly [string, string]>> = {
  root: ["get", "/"],
  health: ["get", "/v1/health"],
  status: ["get", "/v1/status"],
  probeLive: ["get", "/health/live"],
  probeReady: ["get", "/health/ready"],
  shape: ["get", "/v1/shape"],
  deleteShape: ["delete", "/v1/shape"],
  preflight: ["options", "/v1/shape"],
  metrics: ["get", "/metrics"],
  adminStatus: ["get", "/admin/status"],
  adminShapes: ["get", "/admin/shapes"],
  adminShape: ["get", "/admin/shapes/{handle}"],
};

const GUARDED: readonly Route["kind"][] = [
  "shape",
  "deleteShape",
  "adminStatus",
  "adminShapes",
  "adminShape",
];

// Anchors and aliases are resolved; every `$ref` stays.
const api = parse(readProjectFile("docs/openapi.yaml"), { merge: true }) as OpenApi;

Deno.test("docs/openapi.yaml has the version of the program", () => {
  const { version } = JSON.parse(readProjectFile("deno.json")) as { version: string };
  assert.equal(api.info.version, version);
});

Deno.test("every route is in docs/openapi.yaml", () => {
  for (const [kind, [method, path]] of Object.entries(EXAMPLES)) {
    assert.equal(matchRoute(method.toUpperCase(), path).kind, kind);
    assert(api.paths[path]?.[method], `${method} ${path}`);
  }
});

for (const [path, operations] of Object.entries(api.paths)) {
  for (const method of METHODS) {
    const isThere = operations[method] !== undefined;
    Deno.test(`${method} ${path} is ${isThere ? "" : "not "}documented, as it is ${isThere ? "" : "not "}routed`, () => {
      const { kind } = matchRoute(method.toUpperCase(), path.replace("{handle}", "h-1"));
      assert.equal(kind !== "notFound", isThere);
      if (!isThere) return;
      assert.equal(operations[method].security !== undefined, GUARDED.includes(kind));
    });
  }
}

Deno.test("every reference in docs/openapi.yaml leads somewhere", () => {
  const text = readProjectFile("docs/openapi.yaml");
  const references = [...text.matchAll(/\$ref: "#\/([\w/]+)"/g)].map(([, path]) => path);
  assert(references.length > 20);
  for (const reference of references) {
    let node: unknown = api;
    for (const part of reference.split("/")) {
      assert(typeof node === "object" && node !== null && part in node, reference);
      node = (node as Record<string, unknown>)[part];
    }
  }
});
