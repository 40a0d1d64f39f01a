/** What `doctor` wants to know of a Postgres: asked only, nothing is changed. */

import { openPool, openReplication, type Sql } from "./connection.ts";
import type { DatabaseUrl } from "./database_url.ts";
import {
  classifyPostgresError,
  describePostgresError,
  type PostgresErrorCode,
} from "./postgres_error.ts";
import {
  parsePublicationState,
  type PublicationState,
  publicationStateSql,
  type TableState,
} from "./publication_state.ts";
import { type SetupNames, setupNames } from "./setup_plan.ts";
import type { Table, TableName } from "../shapes/table.ts";
import { describeTable } from "./inspect.ts";
import { quoteLiteral } from "./sql_text.ts";

export interface DoctorRequest {
  readonly url: DatabaseUrl;
  readonly streamId: string;
  /** To be looked at whether they are published or not. */
  readonly tables: readonly TableName[];
  readonly nowMs: () => number;
}

export interface Failure {
  readonly code: PostgresErrorCode;
  readonly message: string;
}

/** Everything that was found out; the judging is in doctor_findings.ts. */
export interface DoctorReadings {
  readonly names: SetupNames;
  readonly server: ServerReading;
  readonly role: RoleReading;
  readonly session: SessionReading;
  /** Null when there is no publication of that name. */
  readonly publication: PublicationReading | null;
  readonly slot: SlotReading | null;
  /** Those that are published and were not asked for by name. */
  readonly tables: PublicationState["tables"];
  readonly wanted: readonly WantedTable[];
  /** Schema-qualified, quoted names of tables that can't be read in full. */
  readonly unreadable: readonly UnreadableTable[];
  /** Why a connection in replication mode is refused; undefined if it is not. */
  readonly replicationFailure: Failure | undefined;
}

export interface ServerReading {
  readonly version: number;
  readonly versionText: string;
  readonly encoding: string;
  readonly isInRecovery: boolean;
  /** By name as `current_setting` has them; null for those that the version lacks. */
  readonly settings: Readonly<Record<string, string | null>>;
  readonly slotsUsed: number;
  readonly walSendersUsed: number;
}

export interface RoleReading {
  readonly name: string;
  readonly isSuperuser: boolean;
  readonly isReplicating: boolean;
  readonly database: string;
  readonly canCreate: boolean;
  readonly canReadStats: boolean;
}

export interface SessionReading {
  readonly isTls: boolean;
  readonly tlsVersion: string | null;
  /** The address is the machine's own, or a Unix socket. */
  readonly isLocal: boolean;
  /** The process that greeted us is not the one that answers: something stands between. */
  readonly isPooled: boolean;
  /** Of the database's clock, by ours. */
  readonly clockAheadMs: number;
}

export interface PublicationReading {
  readonly isOwned: boolean;
  readonly isComplete: boolean;
  /** It publishes stored generated columns, which it can from Postgres 18 on. */
  readonly hasGenerated: boolean;
}

export interface SlotReading {
  readonly plugin: string | null;
  readonly database: string | null;
  readonly isActive: boolean;
  readonly walStatus: string | null;
  readonly retainedBytes: number | null;
}

/** A table that was asked for by name. */
export interface WantedTable {
  readonly name: TableName;
  /** Undefined if there is none. */
  readonly table: Table | undefined;
  /** Undefined for what can't be published. */
  readonly state: TableState | undefined;
}

export interface UnreadableTable {
  readonly name: string;
  /** No SELECT; otherwise row security hides rows. */
  readonly isForbidden: boolean;
}

export type DoctorResult =
  | { readonly kind: "readings"; readonly readings: DoctorReadings }
  | { readonly kind: "unreachable"; readonly failure: Failure };

const SETTINGS = [
  "wal_level",
  "max_replication_slots",
  "max_wal_senders",
  "max_slot_wal_keep_size",
  "wal_sender_timeout",
  "statement_timeout",
  "idle_in_transaction_session_timeout",
  "idle_session_timeout",
  "transaction_timeout",
  "idle_replication_slot_timeout",
  "default_transaction_read_only",
];

/** How long a whole examination may take: a server that has fallen silent never answers. */
const DEADLINE_MS = 15_000;

/** Never throws for what the database says or does: that is a finding too. */
export async function readDoctor(request: DoctorRequest): Promise<DoctorResult> {
  const sql = openPool({ url: request.url, max: 1, isPrepared: false });
  try {
    return { kind: "readings", readings: await inTime(read(sql, request)) };
  } catch (error) {
    return { kind: "unreachable", failure: failureOf(error) };
  } finally {
    await sql.end({ timeout: 1 }).catch(() => {});
  }
}

async function inTime<T>(work: Promise<T>): Promise<T> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(
    () => late.reject(new Error(`The server did not answer within ${DEADLINE_MS / 1000} s`)),
    DEADLINE_MS,
  );
  try {
    return await Promise.race([work, late.promise]);
  } finally {
    clearTimeout(timer);
  }
}

async function read(sql: Sql, request: DoctorRequest): Promise<DoctorReadings> {
  const names = setupNames(request.streamId);
  const session = await readSession(sql, request);
  const server = await readJson<ServerReading>(sql, SERVER_SQL);
  const publication = quoteLiteral(names.publication);
  const found = await readWanted(sql, request.tables);
  const published = await readPublishedOids(sql, publication);
  const oids = [...new Set([...published, ...found.flatMap(({ table }) => table?.oid ?? [])])];
  const stateText = oids.length > 0
    ? await readText(sql, publicationStateSql(names.publication, oids, server.version))
    : '{"tables":[]}';
  const states = parsePublicationState(stateText).tables;
  return {
    names,
    server,
    session,
    role: await readJson<RoleReading>(sql, ROLE_SQL),
    publication: await readJson(sql, publicationSql(publication)),
    slot: await readJson(sql, slotSql(quoteLiteral(names.slot))),
    tables: states.filter(({ oid }) => !found.some(({ table }) => table?.oid === oid)),
    wanted: found.map((one) => ({
      ...one,
      state: states.find(({ oid }) => oid === one.table?.oid),
    })),
    unreadable: await readUnreadable(sql, oids),
    replicationFailure: await tryReplication(request),
  };
}

async function readSession(sql: Sql, { url, nowMs }: DoctorRequest): Promise<SessionReading> {
  // The first query dials, which must not count as the clock's difference.
  await sql.unsafe("SELECT");
  const beforeMs = nowMs();
  const rows = await sql.unsafe<{ session: string }[]>(SESSION_SQL);
  const middleMs = (beforeMs + nowMs()) / 2;
  const session = JSON.parse(rows[0].session);
  return {
    isTls: session.isTls === true,
    tlsVersion: session.tlsVersion ?? null,
    isLocal: url.hosts.every(({ host }) => /^(\/|localhost$|127\.|::1$)/.test(host)),
    // Poolers hand out process numbers of their own.
    isPooled: rows.state.pid !== session.pid,
    clockAheadMs: session.clockMs - middleMs,
  };
}

const SESSION_SQL = `SELECT pg_catalog.json_build_object(
  'pid', pg_catalog.pg_backend_pid(),
  'clockMs', pg_catalog.date_part('epoch', pg_catalog.clock_timestamp()) * 1000,
  'isTls', s.ssl, 'tlsVersion', s.version)::text AS session
FROM (SELECT) one LEFT JOIN pg_catalog.pg_stat_ssl s ON s.pid = pg_catalog.pg_backend_pid()`;

const SERVER_SQL = `SELECT pg_catalog.json_build_object(
  'version', pg_catalog.current_setting('server_version_num')::int,
  'versionText', pg_catalog.current_setting('server_version'),
  'encoding', pg_catalog.current_setting('server_encoding'),
  'isInRecovery', pg_catalog.pg_is_in_recovery(),
  'settings', pg_catalog.json_build_object(${
  SETTINGS.map((name) => `'${name}', pg_catalog.current_setting('${name}', true)`).join(", ")
}),
  'slotsUsed', (SELECT count(*) FROM pg_catalog.pg_replication_slots),
  'walSendersUsed', (SELECT count(*) FROM pg_catalog.pg_stat_replication))::text AS answer`;

const ROLE_SQL = `SELECT pg_catalog.json_build_object(
  'name', r.rolname, 'isSuperuser', r.rolsuper, 'isReplicating', r.rolreplication,
  'database', pg_catalog.current_database(),
  'canCreate', pg_catalog.has_database_privilege(pg_catalog.current_database(), 'CREATE'),
  'canReadStats', pg_catalog.pg_has_role('pg_read_all_stats', 'USAGE'))::text AS answer
FROM pg_catalog.pg_roles r WHERE r.rolname = current_user`;

function publicationSql(publication: string): string {
  return `SELECT pg_catalog.json_build_object(
  'isOwned', pg_catalog.pg_has_role(p.pubowner, 'USAGE'),
  'isComplete', p.pubinsert AND p.pubupdate AND p.pubdelete AND p.pubtruncate,
  'hasGenerated', pg_catalog.to_jsonb(p) ->> 'pubgencols' = 's')::text AS answer
FROM pg_catalog.pg_publication p WHERE p.pubname = ${publication}`;
}

/** A standby has no position to write at. */
function slotSql(slot: string): string {
  return `SELECT pg_catalog.json_build_object(
  'plugin', s.plugin, 'database', s.database, 'isActive', s.active, 'walStatus', s.wal_status,
  'retainedBytes', CASE WHEN NOT pg_catalog.pg_is_in_recovery()
    THEN pg_catalog.pg_wal_lsn_diff(pg_catalog.pg_current_wal_lsn(), s.restart_lsn) END
)::text AS answer FROM pg_catalog.pg_replication_slots s WHERE s.slot_name = ${slot}`;
}

async function readPublishedOids(sql: Sql, publication: string): Promise<readonly number[]> {
  const rows = await sql.unsafe<{ oid: number }[]>(
    `SELECT c.oid FROM pg_catalog.pg_publication_tables t
    JOIN pg_catalog.pg_namespace n ON n.nspname = t.schemaname
    JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = t.tablename
    WHERE t.pubname = ${publication}`,
  );
  return rows.map(({ oid }) => oid);
}

async function readWanted(sql: Sql, names: readonly TableName[]) {
  const found: Omit<WantedTable, "state">[] = [];
  for (const name of names) found.push({ name, table: await describeTable(sql, name) });
  return found;
}

async function readUnreadable(
  sql: Sql,
  oids: readonly number[],
): Promise<readonly UnreadableTable[]> {
  if (oids.length === 0) return [];
  const rows = await sql.unsafe<{ name: string; forbidden: boolean }[]>(
    `SELECT oid::regclass::text AS name, NOT pg_catalog.has_table_privilege(oid, 'SELECT') AS forbidden
    FROM pg_catalog.pg_class WHERE oid IN (${oids})
    AND (NOT pg_catalog.has_table_privilege(oid, 'SELECT') OR pg_catalog.row_security_active(oid))
    ORDER BY 1`,
  );
  return rows.map(({ name, forbidden }) => ({ name, isForbidden: forbidden }));
}

/** Whether the right, pg_hba.conf and what stands between let replication through. */
async function tryReplication({ url }: DoctorRequest): Promise<Failure | undefined> {
  await using connection = openReplication({ url });
  try {
    await connection.query("IDENTIFY_SYSTEM");
    return undefined;
  } catch (error) {
    return failureOf(error);
  }
}

/** The query builds exactly the type; null when it gives no row. */
async function readJson<T>(sql: Sql, text: string): Promise<T> {
  return JSON.parse(await readText(sql, text) ?? "null");
}

async function readText(sql: Sql, text: string): Promise<string> {
  const [row] = await sql.unsafe<Record<string, string>[]>(text);
  return row ? Object.values(row)[0] : "null";
}

function failureOf(error: unknown): Failure {
  return { code: classifyPostgresError(error), message: describePostgresError(error) };
}
