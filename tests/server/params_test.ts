import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
import { parseDeleteRequest, parseShapeRequest, type ShapeRequest } from "../../server/params.ts";
import { parseBodyParams } from "../../server/body.ts";
import { parseQuery } from "../../server/query.ts";

function parse(query: string) {
  return parseShapeRequest(parseQuery(query) ?? new Map());
}

function accepted(query: string): ShapeRequest {
  const parsed = parse(query);
  if (parsed.kind === "invalid") throw new Error(JSON.stringify(parsed.errors));
  return parsed.value;
}

const BLANK = ["can't be blank"];
const INVALID = ["is invalid"];
const AT_START = ["can't be true when offset == -1"];

/** One row a message, in the order of the stages (WIRE.md 2.1, golden "validation"). */
const REFUSED: [string, Record<string, string[]>][] = [
  ["", { offset: BLANK }],
  ["table=t", { offset: BLANK }],
  ["table=t&offset=", { offset: BLANK }],
  ["table=t&offset=++", { offset: BLANK }],
  ["offset[]=1", { offset: INVALID }],
  ["offset=-1&table[x]=1&handle[]=1", { table: INVALID, handle: INVALID }],
  ["table=nope&offset=-1&replica=bad&log=bad", { replica: INVALID, log: INVALID }],
  ["replica=bad", { replica: INVALID, offset: BLANK }],
  ["offset=bad&where[a]=1", { where: INVALID }],
  ["offset=-1&table=t&params=1", { params: INVALID }],
  ["offset=-1&table=t&params[]=1", { params: INVALID }],
  ["offset=-1&table=t&params[1][x]=1", { params: INVALID }],
  ["offset=-1&table=t&columns[a]=b", { columns: INVALID }],
  ["offset=-1&table=t&columns[][a]=b", { columns: INVALID }],
  ["offset=-1&table=t&queryable_columns[a]=b", { queryable_columns: INVALID }],
  ["offset=-1&table=t&experimental_compaction=maybe", { experimental_compaction: INVALID }],
  ["offset=-1&table=t&experimental_live_sse=maybe", { live_sse: INVALID }],
  ["table=nope&offset=bad&live=true", { offset: ["has invalid format"] }],
  ["table=t&offset=10_3.1", { offset: ["has invalid format"] }],
  ["table=nope&offset=0_0&live=true", { handle: ["can't be blank when offset != -1"] }],
  ["table=t&offset=0_inf&handle=+", { handle: ["can't be blank when offset != -1"] }],
  ["table=nope&offset=-1&live=true", { live: AT_START }],
  ["table=t&offset=-1&live=banana", { live: AT_START }],
  ["table=t&offset=-1&live=", { live: AT_START }],
  ["table=t&offset=-1&live=0&live_sse", { live: AT_START }],
  ["table=t&offset=now&live", { live: ["can't be true when offset is 'now'"] }],
  ["offset=-1&live_sse=true", { live_sse: ["can't be true unless live is also true"] }],
  ["table=t&offset=-1&experimental_live_sse=1", {
    live_sse: ["can't be true unless live is also true"],
  }],
  ["offset=-1", { table: BLANK }],
  ["table=&offset=-1", { table: BLANK }],
];

for (const [query, errors] of REFUSED) {
  Deno.test(`parseShapeRequest() refuses "${query}"`, () => {
    deepEqual(parse(query), { kind: "invalid", errors });
  });
}

Deno.test("parseShapeRequest() fills in what is not said", () => {
  deepEqual(accepted("table=t&offset=-1"), {
    definition: {
      table: "t",
      where: undefined,
      params: new Map(),
      columns: undefined,
      queryableColumns: undefined,
      replica: "default",
      log: "full",
    },
    offset: { kind: "before" },
    handle: undefined,
    live: "no",
    cursor: undefined,
    isSubset: false,
  });
});

Deno.test("parseShapeRequest() takes everything as the request spells it", () => {
  const query = "table=+t&offset=1_2&handle=h&where=a=$1&params[1]=&params[x]=y&columns=a,%22B%22" +
    "&queryable_columns[]=a&queryable_columns[]=&replica=full&log=changes_only&cursor=7&live";
  const { definition, ...rest } = accepted(query);
  deepEqual(definition, {
    table: " t",
    where: "a=$1",
    params: new Map([["1", ""], ["x", "y"]]),
    columns: 'a,"B"',
    queryableColumns: ["a", ""],
    replica: "full",
    log: "changes_only",
  });
  deepEqual(rest, {
    offset: { kind: "at", offset: { lsn: 1n, op: 2 } },
    handle: "h",
    live: "longPoll",
    cursor: "7",
    isSubset: false,
  });
});

Deno.test("parseShapeRequest() drops the handle where the offset makes it meaningless", () => {
  for (const offset of ["-1", "-1_0", "now"]) {
    equal(accepted(`table=t&offset=${offset}&handle=h`).handle, undefined);
  }
});

const LIVE: [string, string][] = [
  ["", "no"],
  ["&live=false", "no"],
  ["&live=FALSE", "longPoll"],
  ["&live=0", "longPoll"],
  ["&live&live_sse", "sse"],
  ["&live&live_sse=false", "longPoll"],
  ["&live&live_sse=false&experimental_live_sse=true", "longPoll"],
  ["&live&experimental_live_sse=true", "sse"],
  ["&live&experimental_live_sse=1", "sse"],
  ["&live&experimental_live_sse=false", "longPoll"],
  ["&live&experimental_live_sse=", "longPoll"],
];

for (const [more, live] of LIVE) {
  Deno.test(`parseShapeRequest() takes "${more}" for ${live}`, () => {
    equal(accepted(`table=t&offset=0_0&handle=h${more}`).live, live);
  });
}

Deno.test("parseShapeRequest() sees a subset in any key with the prefix", () => {
  for (const key of ["subset__where=a", "subset__", "subset__params[1]=x", "subset__x"]) {
    equal(accepted(`table=t&offset=-1&${key}`).isSubset, true, key);
  }
  equal(accepted("table=t&offset=-1&subset_where=a&xsubset__where=a").isSubset, false);
});

function parseBody(query: string, body: unknown) {
  const text = typeof body === "string" ? body : JSON.stringify(body);
  return parseBodyParams(new TextEncoder().encode(text), parseQuery(query) ?? new Map());
}

function mergedBody(query: string, body: unknown) {
  const parsed = parseBody(query, body);
  if (parsed.kind !== "params") throw new Error(parsed.kind);
  return parseShapeRequest(parsed.params);
}

Deno.test("parseBodyParams() lays a body over the query", () => {
  const merged = mergedBody("table=a&offset=-1", { table: "b", log: "changes_only" });
  equal(merged.kind === "ok" && merged.value.definition.table, "b");
  equal(merged.kind === "ok" && merged.value.definition.log, "changes_only");
  equal(merged.kind === "ok" && merged.value.isSubset, false);
  equal(mergedBody("table=a&offset=-1", "").kind, "ok");
});

Deno.test("parseBodyParams() keeps a subset's keys from the shape", () => {
  const keys = ["where", "order_by", "limit", "offset", "params", "where_expr", "order_by_expr"];
  for (const key of keys) {
    const merged = mergedBody("table=a&offset=-1&where=mine", { [key]: "theirs" });
    equal(merged.kind === "ok" && merged.value.isSubset, true, key);
    equal(merged.kind === "ok" && merged.value.definition.where, "mine", key);
  }
  const named = mergedBody("table=a&offset=-1", { where: "x", subset: {} });
  equal(named.kind === "ok" && named.value.definition.where, "x");
  equal(named.kind === "ok" && named.value.isSubset, true);
});

Deno.test("parseBodyParams() reads JSON values by the rules of their fields", () => {
  const at = "table=a&offset=0_0&handle=h";
  const live = mergedBody(at, { live: false });
  equal(live.kind === "ok" && live.value.live, "longPoll");
  const odd = mergedBody(at, { table: 5, replica: true, columns: [1], handle: null, subset: {} });
  deepEqual(odd, {
    kind: "invalid",
    errors: { table: INVALID, replica: INVALID, columns: INVALID },
  });
  const withParams = (params: unknown) => mergedBody(at, { params, subset: {} });
  const texts = withParams({ 1: "x" });
  deepEqual(texts.kind === "ok" && texts.value.definition.params, new Map([["1", "x"]]));
  for (const params of [{ 1: 5 }, ["x"], "x", 5, { 1: null }]) {
    deepEqual(withParams(params), { kind: "invalid", errors: { params: INVALID } });
  }
});

Deno.test("parseBodyParams() refuses what is no JSON object", () => {
  for (const body of ["[]", "1", "null", '"x"']) {
    deepEqual(parseBody("", body), {
      kind: "refused",
      error: "Request body must be a JSON object",
    });
  }
  for (const body of ["{", "x", "{}x"]) equal(parseBody("", body).kind, "refused");
  const invalidUtf8 = parseBodyParams(new Uint8Array([0x22, 0xff, 0x22]), new Map());
  equal(invalidUtf8.kind === "refused" && invalidUtf8.error, "Invalid JSON in request body");
});

Deno.test("parseDeleteRequest() wants a table or a handle", () => {
  const parseDelete = (query: string) => parseDeleteRequest(parseQuery(query) ?? new Map());
  deepEqual(parseDelete("where=x"), {
    kind: "invalid",
    errors: { handle: ["can't be blank when shape definition is missing"] },
  });
  deepEqual(parseDelete("handle=h"), {
    kind: "ok",
    value: { definition: undefined, handle: "h" },
  });
  const both = parseDelete("table=t&handle=h&offset=bad&live=true");
  equal(both.kind === "ok" && both.value.definition?.table, "t");
  deepEqual(parseDelete("table=t&live=banana"), { kind: "invalid", errors: { live: INVALID } });
});
