import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
import { parse } from "yaml";
import type { HttpFigures } from "../../server/metrics.ts";
import { metricsOnly } from "../../server/metrics.ts";
import type { ShapeAdmin, ShapeDetail } from "../../shapes/admin.ts";
import { readProjectFile } from "../support/source_tree.ts";
import { FakeShape } from "./fake_service.ts";
import { openHarness } from "./harness.ts";
import { settle } from "./manual_clock.ts";

const detail: ShapeDetail = {
  shape: new FakeShape("h-items"),
  table: { schema: "public", name: "items" },
  where: "n > 1",
  columns: undefined,
  declaredKey: undefined,
  replica: "default",
  log: "full",
  state: "live",
  isSlow: true,
  snapshotBytes: 10,
  logBytes: 20,
  isLogBytesExact: false,
  appendedChanges: 3,
  appendedBytes: 15,
  lastUsedMs: 0,
  tableOid: 5000,
  allColumns: [],
  key: ["id"],
  appended: { lsn: 7n, op: 2 },
  isFollowed: true,
  isFrozen: false,
  reconciledTo: undefined,
  visibleTo: 99n,
  snapshotChunks: [10],
  logChunkEnds: [{ lsn: 5n, op: 0 }],
  openChunkBytes: 20,
};

const admin: ShapeAdmin = {
  list: () => [detail],
  describe: (handle) => handle === "h-items" ? detail : undefined,
};

interface Schema {
  readonly required: readonly string[];
  readonly properties: Readonly<Record<string, { properties?: Record<string, unknown> }>>;
}

interface Schemas {
  readonly components: {
    readonly schemas: {
      readonly Process: Schema;
      readonly Shape: Schema;
      readonly ShapeDetail: { readonly allOf: readonly [unknown, Schema] };
    };
  };
}

const { schemas } = (parse(readProjectFile("docs/openapi.yaml")) as Schemas).components;

Deno.test("/admin/shapes lists shapes under the documented names", async () => {
  const response = await openHarness({}, { admin }).send("/admin/shapes");
  equal(response.status, 200);
  equal(response.headers.get("cache-control"), "no-cache, no-store, must-revalidate");
  const { shapes: [shape] } = await response.json();
  deepEqual(Object.keys(shape), schemas.Shape.required);
  deepEqual(Object.keys(shape), Object.keys(schemas.Shape.properties));
  deepEqual(shape, {
    handle: "h-items",
    table: { schema: "public", name: "items" },
    where: "n > 1",
    columns: null,
    key_columns: null,
    replica: "default",
    log: "full",
    state: "live",
    slow: true,
    head: "0_inf",
    snapshot_bytes: 10,
    log_bytes: 20,
    log_bytes_exact: false,
    appended_changes: 3,
    appended_bytes: 15,
    last_used: "1970-01-01T00:00:00.000Z",
    waiters: 0,
  });
});

Deno.test("/admin/status tells how the process does under the documented names", async () => {
  const figures = {
    storageBytes: undefined,
    queuedBytes: 5,
    residentBytes: 200,
    heapUsedBytes: 100,
  };
  const harness = openHarness({}, { process: () => Promise.resolve(figures) });
  const poll = harness.read("0_inf", "&live=true");
  await harness.read("-1");
  const response = await harness.send("/admin/status");
  equal(response.headers.get("cache-control"), "no-cache, no-store, must-revalidate");
  const told = await response.json();
  deepEqual(Object.keys(told), schemas.Process.required);
  for (const [name, { properties }] of Object.entries(schemas.Process.properties)) {
    if (properties) deepEqual(Object.keys(told[name]), Object.keys(properties));
  }
  equal(told.uptime_seconds > 0 && told.requests.per_second > 0, true);
  equal(told.requests.held, 1);
  deepEqual(told.storage, { used_bytes: null, queued_bytes: 5 });
  deepEqual(told.memory, { resident_bytes: 200, heap_used_bytes: 100 });
  deepEqual(told.publication, { name: "electric_publication_default", state: "complete" });
  harness.service.replication = { publication: undefined };
  equal((await (await harness.send("/admin/status")).json()).publication, null);
  harness.shape.append({ lsn: 1n, op: 0 }, { key: "1" });
  await poll;
});

Deno.test("/admin/shapes/HANDLE tells more of one shape, and 404 of none", async () => {
  const harness = openHarness({}, { admin });
  const told = await (await harness.send("/admin/shapes/h-items")).json();
  const more = schemas.ShapeDetail.allOf[1];
  deepEqual(Object.keys(told), [...schemas.Shape.required, ...more.required]);
  for (const [name, { properties }] of Object.entries(more.properties)) {
    if (properties) deepEqual(Object.keys(told[name]), Object.keys(properties));
  }
  deepEqual(told.schema, { id: { type: "int4" } });
  deepEqual(told.positions, { appended: "7_2", reconciled_to: null, visible_to_lsn: "99" });
  deepEqual(told.chunks, { snapshot_bytes: [10], log_ends: ["5_0"], open_bytes: 20 });
  equal((await harness.send("/admin/shapes/unknown")).status, 404);
});

Deno.test("/admin/shapes with a definition tells of that shape, and makes none", async () => {
  const harness = openHarness({}, {
    admin: { ...admin, list: () => [detail, { ...detail, shape: harness.shape, where: "mine" }] },
  });
  const list = async (query: string) => {
    const response = await harness.send(`/admin/shapes?${query}`);
    return { status: response.status, body: await response.json() };
  };
  const found = await list("table=items");
  deepEqual(found.body.shapes.map(({ where }: { where: string }) => where), ["mine"]);
  equal(found.body.uptime_seconds > 0, true);
  deepEqual((await list("table=others")).body.shapes, []);
  equal(harness.service.shapes.size, 1);
  equal((await list("table=items&replica=odd")).status, 400);
  equal((await list("")).body.shapes.length, 2);
});

Deno.test("/admin wants the secret that shapes want", async () => {
  const process = () => Promise.reject(new Error("It must not be asked"));
  const harness = openHarness({ secret: "hush" }, { admin, process });
  for (
    const path of [
      "/admin/status",
      "/admin/shapes",
      "/admin/shapes/h-items",
      "/admin/shapes/unknown",
    ]
  ) {
    equal((await harness.send(path)).status, 401, path);
    equal((await harness.send(`${path}?secret=no`)).status, 401, path);
  }
  equal((await harness.send("/admin/shapes?secret=hush")).status, 200);
});

Deno.test("docs/http-api.md tells of every name of the admin API", () => {
  const page = readProjectFile("docs/http-api.md");
  const names = [
    ...schemas.Process.required,
    ...schemas.Shape.required,
    ...schemas.ShapeDetail.allOf[1].required,
  ];
  deepEqual(names.filter((name) => !page.includes(`"${name}"`) && !page.includes(`\`${name}`)), []);
});

Deno.test("/metrics is given what the server has counted", async () => {
  const seen: HttpFigures[] = [];
  const metrics = (http: HttpFigures) => {
    seen.push(http);
    return Promise.resolve("electric_up 1\n");
  };
  const harness = openHarness({ secret: "hush" }, { metrics });
  const poll = harness.read("0_inf", "&live=true&secret=hush");
  await settle();
  const first = await harness.send("/metrics");
  equal(first.headers.get("content-type"), "text/plain; version=0.0.4; charset=utf-8");
  equal(await first.text(), "electric_up 1\n");
  equal(seen[0].waiters, 1);
  harness.service.mode = { kind: "fallback", reason: "no_slot", detail: "", sinceMs: 0 };
  harness.shape.append({ lsn: 1n, op: 0 }, { key: "1" });
  equal((await poll).status, 200);
  await harness.read("-1");
  await harness.send("/nowhere");
  await harness.send("/metrics");
  const { requests, waiters } = seen[1];
  equal(waiters, 0);
  deepEqual([...requests.shapeStatuses], [[200, 1], [401, 1]]);
  equal(requests.fallbackAnswers, 1);
  deepEqual(
    Array.from(requests.durations(), ({ route, statusClass, histogram }) => [
      route,
      statusClass,
      histogram.counts.reduce((sum, count) => sum + count),
    ]),
    [["metrics", 2, 2], ["shapeLive", 2, 1], ["shape", 4, 1], ["notFound", 4, 1]],
  );
});

Deno.test("a scrape that fails is answered 500, and a server without metrics has no such route", async () => {
  const metrics = () => Promise.reject(new Error("The disk is gone"));
  const broken = openHarness({}, { metrics });
  equal((await broken.send("/metrics")).status, 500);
  equal((await openHarness().send("/metrics")).status, 404);
  equal((await openHarness().send("/admin/status")).status, 404);
  equal((await openHarness().send("/admin/shapes")).status, 404);
  equal((await openHarness().send("/admin/shapes/h-items")).status, 404);
});

Deno.test("metricsOnly() lets nothing else through, however it is spelled", async () => {
  const harness = openHarness({}, { metrics: () => Promise.resolve("") });
  const only = metricsOnly((request) => harness.send(request.url.replace("http://test", "")));
  const status = async (path: string) => (await only(new Request(`http://test${path}`))).status;
  equal(await status("/metrics"), 200);
  equal(await status("//%6detrics/?x=1"), 200);
  for (const path of ["/", "/v1/shape?table=items&offset=-1", "/v1/status", "/admin/shapes"]) {
    equal(await status(path), 404, path);
  }
});
