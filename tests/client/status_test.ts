import assert from "node:assert/strict";
import { parseStatus, statusUrlFor } from "../../client/status.ts";

Deno.test("parseStatus() finds the mode and takes nothing else for a status", () => {
  for (const status of ["live", "fallback", "starting"]) {
    assert.equal(parseStatus({ status, reason: null, replication_available: false }), status);
  }
  const others = [{ status: "active" }, { status: 200 }, {}, [], null, "live", undefined];
  for (const answer of others) assert.equal(parseStatus(answer), undefined);
});

Deno.test("statusUrlFor() finds the status beside the shape", () => {
  const cases = [
    ["https://sync.example/v1/shape", "https://sync.example/v1/status"],
    ["https://app.example/sync/v1/shape?table=items", "https://app.example/sync/v1/status"],
    ["http://localhost:3000", "http://localhost:3000/v1/status"],
    ["http://localhost:3000/", "http://localhost:3000/v1/status"],
  ];
  for (const [url, expected] of cases) {
    assert.equal(statusUrlFor(url), expected);
    assert.equal(statusUrlFor(new URL(url)), expected);
  }
  assert.throws(() => statusUrlFor("/v1/shape"), TypeError);
});
