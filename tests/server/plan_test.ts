import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
import { type Offset, parseRequestedOffset, SNAPSHOT_END } from "../../shapes/offset.ts";
import type { Page } from "../../shapes/service.ts";
import type { LiveMode } from "../../server/cache_rules.ts";
import { planResponse } from "../../server/plan.ts";

const HEAD: Offset = { lsn: 100n, op: 4 };
const BODY = { kind: "bytes", bytes: new Uint8Array(0) } as const;

/** Where a page ends, whether that is the end of all, and whether it carries anything. */
const PAGES = {
  start: { until: { lsn: 0n, op: 0 }, isUpToDate: false, hasData: true, body: BODY },
  growing: { until: { lsn: 0n, op: 1 }, isUpToDate: false, hasData: false, body: BODY },
  chunk: { until: { lsn: 90n, op: 0 }, isUpToDate: false, hasData: true, body: BODY },
  last: { until: HEAD, isUpToDate: true, hasData: true, body: BODY },
  empty: { until: HEAD, isUpToDate: true, hasData: false, body: BODY },
} satisfies Record<string, Page>;

type PageName = keyof typeof PAGES | "unknown";

/** Offset, live, page, If-None-Match; then what to do. */
const TABLE: [string, LiveMode, PageName, string | undefined, string][] = [
  ["-1", "no", "start", undefined, "chunk start"],
  ["-1", "no", "unknown", undefined, "awaitSnapshot"],
  ["-1", "no", "start", '"h:-1:0_0"', "notModified start"],
  ["-1", "no", "start", '"h:-1:0_1"', "chunk start"],
  ["now", "no", "unknown", undefined, "position"],
  ["now", "no", "unknown", '"h:now:100_4"', "position"],
  ["0_0", "no", "growing", undefined, "chunk growing"],
  ["0_0", "no", "unknown", undefined, "awaitSnapshot"],
  ["0_0", "longPoll", "unknown", undefined, "awaitSnapshot"],
  ["0_0", "sse", "unknown", undefined, "awaitSnapshot"],
  ["0_inf", "no", "chunk", undefined, "chunk chunk"],
  ["0_inf", "no", "last", undefined, "chunk last"],
  ["100_4", "no", "empty", undefined, "chunk empty"],
  ["100_4", "no", "empty", '"h:100_4:100_4"', "notModified empty"],
  ["100_4", "no", "empty", 'W/"h:100_4:100_4"', "chunk empty"],
  ["100_4", "no", "empty", "*", "chunk empty"],
  ["0_inf", "longPoll", "growing", undefined, "chunk growing"],
  ["0_inf", "longPoll", "chunk", undefined, "chunk chunk"],
  ["0_inf", "longPoll", "last", undefined, "chunk last"],
  ["100_4", "longPoll", "empty", undefined, "hold"],
  ["0_inf", "longPoll", "empty", undefined, "hold"],
  ["100_4", "longPoll", "empty", '"x","h:100_4:100_4"', "notModified empty"],
  ["100_4", "sse", "empty", '"h:100_4:100_4"', "notModified empty"],
  ["100_4", "sse", "empty", undefined, "events empty"],
  ["0_inf", "sse", "chunk", undefined, "events chunk"],
  ["0_inf", "sse", "last", undefined, "events last"],
  ["100_5", "no", "empty", undefined, "awaitOffset"],
  ["100_5", "no", "empty", '"h:100_5:100_4"', "awaitOffset"],
  ["101_0", "longPoll", "empty", undefined, "awaitOffset"],
  ["100_inf", "no", "empty", undefined, "awaitOffset"],
  ["101_0", "sse", "empty", undefined, "events none"],
];

for (const [offsetText, live, pageName, ifNoneMatch, expected] of TABLE) {
  const [kind, carried] = expected.split(" ");
  Deno.test(`planResponse() of ${offsetText}, live ${live}, ${pageName} page, etag ${ifNoneMatch} is ${expected}`, () => {
    const offset = parseRequestedOffset(offsetText);
    if (!offset) throw new TypeError(offsetText);
    const page = pageName === "unknown" ? undefined : PAGES[pageName];
    const view = { kind: "open", head: HEAD, page, shared: {} } as const;
    const plan = planResponse({ handle: "h", offset, live, ifNoneMatch }, view, false);
    const details = carried === undefined
      ? kind === "position" ? { head: HEAD } : {}
      : { page: carried === "none" ? undefined : PAGES[carried as keyof typeof PAGES] };
    deepEqual(plan, { kind, ...details });
  });
}

Deno.test("planResponse() of a shape that is gone is mustRefetch whatever was asked", () => {
  for (const live of ["no", "longPoll", "sse"] as const) {
    const offset = { kind: "at", offset: SNAPSHOT_END } as const;
    const request = { handle: "h", offset, live, ifNoneMatch: '"h:0_inf:0_inf"' };
    deepEqual(planResponse(request, { kind: "gone" }, false), { kind: "mustRefetch" });
  }
});

const ETAGS: [string, boolean, string][] = [
  ['"h:100_4:100_4"', false, "notModified"],
  ['"h:100_4:100_4"', true, "chunk"],
  ['"h:100_4:100_4:fallback"', false, "chunk"],
  ['"h:100_4:100_4:fallback"', true, "notModified"],
];

for (const [ifNoneMatch, isFallback, expected] of ETAGS) {
  Deno.test(`planResponse() answers ${ifNoneMatch}, fallback ${isFallback}, with ${expected}`, () => {
    const request = { handle: "h", offset: { kind: "at", offset: HEAD }, live: "no" } as const;
    const view = { kind: "open", head: HEAD, page: PAGES.empty, shared: {} } as const;
    equal(planResponse({ ...request, ifNoneMatch }, view, isFallback).kind, expected);
  });
}
