import assert from "node:assert/strict";
import { explainReason, parseStatusDocument } from "../../../cli/status/status_document.ts";
import { formatStatus, formatUnreachable } from "../../../cli/status/status_screen.ts";
import { painter } from "../../../cli/terminal.ts";
import { MODE_REASONS } from "../../../shapes/mode.ts";

const NOW_MS = Date.parse("2026-05-01T12:03:12.000Z");

/** The example of docs/http-api.md. */
const FALLBACK = {
  status: "fallback",
  since: "2026-05-01T12:00:00.000Z",
  reason: "slot_in_use",
  replication_available: false,
  connection: "up",
  shape: "up",
  version: "0.1.0",
  replication: { last_progress_age_seconds: 12.5, lag_bytes: 81920, lag_seconds: 12.1 },
  slot: {
    state: "active",
    wal_status: "reserved",
    retained_bytes: 16777216,
    safe_wal_bytes: null,
    budget_bytes: 1073741824,
  },
  shapes: { total: 1210, live: 0, snapshotting: 1, reconciling: 4, behind: 9 },
};

function screen(document: unknown, isColored = false): readonly string[] {
  const view = parseStatusDocument(document);
  assert(view);
  return formatStatus(view, "http://localhost:3000", NOW_MS, painter(isColored));
}

Deno.test("formatStatus() tells mode, reason, lag, slot and shapes", () => {
  assert.deepEqual(screen(FALLBACK), [
    "fallback  for 3 min 12 s, since 2026-05-01 12:00:00 UTC",
    "reason       slot_in_use: somebody else reads our slot: look at pg_stat_replication",
    "replication  not running, 80.0 KiB and 12 s behind, last heard of 13 s ago",
    "slot         active, reserved, retains 16.0 MiB of WAL (of 1.0 GiB allowed)",
    "connection   up",
    "shapes       1,210: 1 snapshotting, 4 reconciling, 9 behind",
    "version      0.1.0",
    "server       http://localhost:3000",
  ]);
});

Deno.test("formatStatus() leaves out what is not known", () => {
  const nothing = { last_progress_age_seconds: null, lag_bytes: null, lag_seconds: null };
  const document = { ...FALLBACK, status: "live", reason: null, slot: null, replication: nothing };
  assert.deepEqual(screen({ ...document, replication_available: true }).slice(0, 3), [
    "live  for 3 min 12 s, since 2026-05-01 12:00:00 UTC",
    "replication  running",
    "connection   up",
  ]);
  assert.deepEqual(screen({ status: "starting" }), [
    "starting",
    "server       http://localhost:3000",
  ]);
});

Deno.test("formatStatus() colours the mode, and escapes what the server says", () => {
  assert(screen(FALLBACK, true)[0].startsWith("\x1b[1m\x1b[33mfallback"));
  assert.equal(
    screen({ status: "fallback", reason: "\x1b[2Jnew" })[1],
    "reason       \\u001b[2Jnew",
  );
});

Deno.test("parseStatusDocument() takes nothing else for a status", () => {
  for (const other of [null, [], "live", {}, { status: "ok" }, { status: 1 }]) {
    assert.equal(parseStatusDocument(other), undefined);
  }
});

Deno.test("every reason is explained, and a new one is none", () => {
  for (const reason of MODE_REASONS) assert(explainReason(reason));
  assert.equal(explainReason("toString"), undefined);
});

Deno.test("formatUnreachable() says why", () => {
  const message = "Can't reach http://x:1: nothing listens there. Start it";
  assert.deepEqual(formatUnreachable(message, painter(false)), [
    "unreachable",
    "Can't reach http://x:1:",
    "nothing listens there.",
    "Start it",
  ]);
});
