import assert from "node:assert/strict";
import {
  explainReason,
  joinDocuments,
  parseStatusDocument,
} from "../../../cli/status/status_document.ts";
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
  shapes: { total: 1210, live: 0, snapshotting: 1, reconciling: 4, behind: 9, slow: 2 },
};

/** The example of docs/http-api.md, too. */
const PROCESS = {
  uptime_seconds: 3600.25,
  requests: { per_second: 41.27, held: 57 },
  storage: { used_bytes: 104857600, queued_bytes: 0 },
  memory: { resident_bytes: 157286400, heap_used_bytes: 41943040 },
  publication: { name: "electric_publication_default", state: "complete" },
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
    "shapes       1,210: 1 snapshotting, 4 reconciling, 9 behind, 2 slow",
    "version      0.1.0",
    "server       http://localhost:3000",
    "more         requests, storage and memory with --secret, or ELECTRIC_SECRET",
  ]);
});

Deno.test("formatStatus() tells what the admin API adds", () => {
  assert.deepEqual(screen(joinDocuments(FALLBACK, PROCESS)).slice(3), [
    "slot         active, reserved, retains 16.0 MiB of WAL (of 1.0 GiB allowed)",
    "publication  electric_publication_default, complete",
    "connection   up",
    "shapes       1,210: 1 snapshotting, 4 reconciling, 9 behind, 2 slow",
    "requests     41.3 a second for shapes, 57 waiting for news",
    "storage      100.0 MiB, 0 B not yet durable",
    "memory       150.0 MiB, heap 40.0 MiB",
    "version      0.1.0",
    "server       http://localhost:3000",
  ]);
  const storage = { used_bytes: null, queued_bytes: 0 };
  const sparse = screen(joinDocuments(FALLBACK, { ...PROCESS, storage, publication: null }));
  assert(sparse.includes("storage      in memory, 0 B not yet durable"));
  assert(!sparse.some((line) => line.startsWith("publication")));
});

Deno.test("joinDocuments() takes nothing else for what the admin API says", () => {
  for (const other of [undefined, null, [], "ok", {}, FALLBACK, { requests: 1 }]) {
    assert.deepEqual(joinDocuments(FALLBACK, other), { ...FALLBACK, process: null });
  }
  assert.deepEqual(joinDocuments(FALLBACK, PROCESS), { ...FALLBACK, process: PROCESS });
  assert.equal(joinDocuments(undefined, PROCESS), undefined);
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
    "more         requests, storage and memory with --secret, or ELECTRIC_SECRET",
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
