import assert from "node:assert/strict";
import type { DoctorOptions, Finding, Severity } from "../../replication/doctor_finding.ts";
import { judge } from "../../replication/doctor_findings.ts";
import type { DoctorReadings } from "../../replication/doctor_readings.ts";
import type { Table, TableColumn } from "../../shapes/table.ts";
import type { TableState } from "../../replication/publication_state.ts";

const OPTIONS: DoctorOptions = { isManual: false, maxRetainedBytes: undefined };

const HEALTHY: DoctorReadings = {
  names: { publication: "electric_publication_default", slot: "electric_slot_default" },
  server: {
    version: 180_004,
    versionText: "18.4",
    encoding: "UTF8",
    isInRecovery: false,
    settings: {
      wal_level: "logical",
      max_replication_slots: "10",
      max_wal_senders: "10",
      max_slot_wal_keep_size: "10GB",
      wal_sender_timeout: "1min",
      statement_timeout: "0",
      idle_in_transaction_session_timeout: "0",
      idle_session_timeout: "0",
      transaction_timeout: null,
      idle_replication_slot_timeout: null,
      default_transaction_read_only: "off",
    },
    slotsUsed: 1,
    walSendersUsed: 1,
  },
  role: {
    name: "electric",
    isSuperuser: false,
    isReplicating: true,
    database: "app",
    canCreate: true,
    canReadStats: true,
  },
  session: { isTls: true, tlsVersion: "TLSv1.3", isLocal: false, isPooled: false, clockAheadMs: 3 },
  publication: { isOwned: true, isComplete: true, hasGenerated: true },
  slot: {
    plugin: "pgoutput",
    database: "app",
    isActive: true,
    walStatus: "reserved",
    retainedBytes: 100,
  },
  tables: [],
  wanted: [],
  unreadable: [],
  replicationFailure: undefined,
};

function findingsOf(
  readings: DoctorReadings,
  options: Partial<DoctorOptions> = {},
): readonly Finding[] {
  return judge({ kind: "readings", readings }, { ...OPTIONS, ...options });
}

/** What is not well. */
function complaints(readings: DoctorReadings, options: Partial<DoctorOptions> = {}) {
  return findingsOf(readings, options).filter(({ severity }) => severity !== "ok");
}

function withSettings(settings: Record<string, string>): DoctorReadings {
  const { server } = HEALTHY;
  return { ...HEALTHY, server: { ...server, settings: { ...server.settings, ...settings } } };
}

Deno.test("judge() has nothing to mend in a healthy database, before and after the first start", () => {
  assert.deepEqual(complaints(HEALTHY), []);
  assert.deepEqual(complaints({ ...HEALTHY, publication: null, slot: null }), []);
  assert(findingsOf(HEALTHY).every(({ meaning, mend }) => meaning === "" && mend === ""));
});

const { server, role, session, slot } = HEALTHY;
const CASES: readonly (readonly [DoctorReadings, check: string, Severity, mend: RegExp])[] = [
  [{ ...HEALTHY, session: { ...session, isTls: false } }, "tls", "warning", /ssl = on/],
  [
    { ...HEALTHY, session: { ...session, isPooled: true } },
    "pooler",
    "error",
    /POOLED_DATABASE_URL/,
  ],
  [{ ...HEALTHY, session: { ...session, clockAheadMs: -60_000 } }, "clock", "warning", /NTP/],
  [{ ...HEALTHY, server: { ...server, version: 130_010 } }, "version", "error", /Upgrade/],
  [{ ...HEALTHY, server: { ...server, isInRecovery: true } }, "primary", "error", /primary/],
  [{ ...HEALTHY, server: { ...server, encoding: "LATIN1" } }, "encoding", "warning", /ENCODING/],
  [
    { ...HEALTHY, slot: null, server: { ...server, slotsUsed: 10 } },
    "max_replication_slots",
    "error",
    /= 15/,
  ],
  [
    { ...HEALTHY, slot: null, server: { ...server, walSendersUsed: 10 } },
    "max_wal_senders",
    "error",
    /= 15/,
  ],
  [withSettings({ wal_level: "replica" }), "wal_level", "error", /SET wal_level = logical/],
  [withSettings({ max_slot_wal_keep_size: "-1" }), "max_slot_wal_keep_size", "warning", /10GB/],
  [withSettings({ wal_sender_timeout: "0" }), "wal_sender_timeout", "warning", /60s/],
  [withSettings({ wal_sender_timeout: "500ms" }), "wal_sender_timeout", "warning", /60s/],
  [withSettings({ transaction_timeout: "5s" }), "transaction_timeout", "warning", /= 0/],
  [
    withSettings({ idle_replication_slot_timeout: "1d" }),
    "idle_replication_slot_timeout",
    "warning",
    /= 0/,
  ],
  [withSettings({ default_transaction_read_only: "on" }), "read_only", "error", /off/],
  [
    { ...HEALTHY, role: { ...role, canReadStats: false } },
    "pg_read_all_stats",
    "warning",
    /^GRANT pg_read/,
  ],
  [
    { ...HEALTHY, publication: null, role: { ...role, canCreate: false } },
    "create",
    "error",
    /^GRANT CREATE ON DATABASE "app" TO "electric";/,
  ],
  [
    { ...HEALTHY, publication: { isOwned: true, isComplete: false, hasGenerated: true } },
    "publication",
    "error",
    /SET \(publish = /,
  ],
  [
    { ...HEALTHY, publication: { isOwned: false, isComplete: true, hasGenerated: true } },
    "publication",
    "warning",
    /OWNER/,
  ],
  [
    { ...HEALTHY, slot: slot && { ...slot, plugin: "test_decoding" } },
    "slot",
    "error",
    /STREAM_ID/,
  ],
  [
    { ...HEALTHY, slot: slot && { ...slot, walStatus: "lost" } },
    "slot",
    "warning",
    /max_slot_wal_keep/,
  ],
  [
    { ...HEALTHY, replicationFailure: { code: "privilegeMissing", message: "no" } },
    "replication",
    "error",
    /^ALTER ROLE "electric" REPLICATION;$/,
  ],
  [
    { ...HEALTHY, replicationFailure: { code: "hostRejected", message: "no" } },
    "replication",
    "error",
    /pg_hba\.conf/,
  ],
  [
    { ...HEALTHY, unreadable: [{ name: "a", isForbidden: true }] },
    "table",
    "error",
    /^GRANT SELECT/,
  ],
  [
    { ...HEALTHY, unreadable: [{ name: "a", isForbidden: false }] },
    "table",
    "warning",
    /BYPASSRLS/,
  ],
];

Deno.test("judge() finds each thing that is wrong, alone, and says what mends it", () => {
  for (const [readings, check, severity, mend] of CASES) {
    const found = complaints(readings);
    assert.deepEqual(found.map((one) => [one.check, one.severity]), [[check, severity]]);
    assert.match(found[0].mend, mend);
    assert(found[0].meaning !== "");
  }
});

Deno.test("judge() goes by our own limit of WAL, and by manual publishing", () => {
  const readings = withSettings({ max_slot_wal_keep_size: "-1" });
  assert.deepEqual(complaints(readings, { maxRetainedBytes: 1e9 }), []);
  const [missing] = complaints({ ...HEALTHY, publication: null }, { isManual: true });
  assert.equal(missing.mend, 'CREATE PUBLICATION "electric_publication_default";');
  const foreign = {
    ...HEALTHY,
    publication: { isOwned: false, isComplete: true, hasGenerated: true },
  };
  assert.deepEqual(complaints(foreign, { isManual: true }), []);
});

const TABLE: TableState = {
  oid: 1,
  schema: "public",
  name: "a",
  isOwned: false,
  isLogged: true,
  hasStoredGenerated: false,
  isPublished: true,
  publishedXid: null,
  isPartial: false,
  leaves: [{ oid: 1, schema: "public", name: "a", isOwned: false, isFull: false }],
};

Deno.test("judge() names the tables that shapes of would be refused", () => {
  const table = TABLE;
  const [identity] = complaints({ ...HEALTHY, tables: [table] });
  assert.equal(identity.mend, 'ALTER TABLE ONLY "public"."a" REPLICA IDENTITY FULL;');
  const full = { ...table, leaves: table.leaves.map((leaf) => ({ ...leaf, isFull: true })) };
  assert.deepEqual(complaints({ ...HEALTHY, tables: [full] }), []);
  const owned = { ...table, leaves: table.leaves.map((leaf) => ({ ...leaf, isOwned: true })) };
  assert.deepEqual(complaints({ ...HEALTHY, tables: [owned] }), []);
  const broken = { ...full, isPartial: true, isLogged: false };
  assert.equal(complaints({ ...HEALTHY, tables: [broken] }).length, 2);
});

Deno.test("judge() has one finding for a database that can't be reached", () => {
  const failure = {
    code: "authenticationFailed",
    message: "password authentication failed",
  } as const;
  const findings = judge({ kind: "unreachable", failure }, OPTIONS);
  assert.deepEqual(findings.map(({ check, severity }) => [check, severity]), [[
    "connection",
    "error",
  ]]);
  assert.match(findings[0].mend, /password in DATABASE_URL/);
});

const COLUMN: TableColumn = {
  name: "id",
  number: 1,
  typeName: "int4",
  typeOid: 23,
  typeSchema: "pg_catalog",
  typeKind: "b",
  baseTypeName: "int4",
  typeMod: -1,
  dims: 0,
  isNotNull: true,
  keyIndex: 0,
  generated: null,
  collation: null,
};

function wanted(generated: TableColumn["generated"], isPublished = true): DoctorReadings["wanted"] {
  const name = { schema: "public", name: "items" };
  const columns = [COLUMN, { ...COLUMN, name: "sum", number: 2, keyIndex: null, generated }];
  const table: Table = {
    ...name,
    oid: 5,
    kind: "ordinary",
    columns,
    partitions: [],
    attached: [],
  };
  return [{ name, table, state: { ...TABLE, ...name, isPublished, isOwned: true, leaves: [] } }];
}

Deno.test("a wanted table's generated columns matter by version, kind and publication", () => {
  const worst = (generated: TableColumn["generated"], changes: Partial<DoctorReadings> = {}) => {
    const findings = findingsOf({ ...HEALTHY, wanted: wanted(generated), ...changes });
    return findings.filter(({ check }) => check === "table").map(({ severity }) => severity);
  };
  const older = { ...HEALTHY.server, version: 170_000 };
  const without = { isOwned: true, isComplete: true, hasGenerated: false };
  assert.deepEqual(worst(null), ["ok"]);
  assert.deepEqual(worst("stored"), ["ok"]);
  assert.deepEqual(worst("virtual"), ["ok", "warning"]);
  assert.deepEqual(worst("stored", { server: older }), ["ok", "warning"]);
  assert.deepEqual(worst("stored", { publication: without }), ["error"]);
  assert.deepEqual(worst("stored", { publication: null }), ["ok"]);
});

Deno.test("a wanted table can't be published into another's publication", () => {
  const publication = { isOwned: false, isComplete: true, hasGenerated: true };
  const found = (isPublished: boolean) =>
    findingsOf({ ...HEALTHY, publication, wanted: wanted(null, isPublished) })
      .filter(({ check }) => check === "table").map(({ severity }) => severity);
  assert.deepEqual(found(true), ["ok"]);
  assert.deepEqual(found(false), ["error"]);
});
