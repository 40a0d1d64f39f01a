/** The texts of a snapshot: what it asks, how the answers read, what its errors mean. Pure. */

import { InvalidRequestError, TooSlowError, UnavailableError } from "../shapes/errors.ts";
import type { SnapshotRequest, SourceOrigin, Visibility } from "../shapes/ports.ts";
import { TableChangedError } from "../shapes/ports.ts";
import type { Table, TableColumn } from "../shapes/table.ts";
import { displaySettingsSql } from "./connection.ts";
import { parseLsn } from "./lsn.ts";
import { quoteIdent, quoteLiteral, quoteTable } from "./sql_text.ts";
import { isConnectionError, QueueTimeoutError } from "./transaction.ts";
import { FLUSHED_SQL } from "./wal_flush.ts";

const RETRY_AFTER_SECONDS = 10;

/**
 * Settings of the transaction, and then the table's lock. The lock comes before the snapshot: TRUNCATE
 * and the ALTER TABLEs that rewrite a table hide its rows from older snapshots, so a snapshot must
 * not wait for them. Neither SET nor LOCK takes a snapshot; any SELECT would, and what commits between
 * that and the reservation would then be in neither snapshot nor log.
 */
export function prepareSnapshotSql(
  table: Table,
  options: { isLocked: boolean; lockTimeoutMs: number; statementTimeoutMs: number },
): string {
  return [
    displaySettingsSql("transaction"),
    `SET LOCAL lock_timeout = ${options.lockTimeoutMs}`,
    // The server's, so that it holds for a query whose client is gone as well; 0 for none.
    `SET LOCAL statement_timeout = ${options.statementTimeoutMs}`,
    // Rows may have to wait until what they are compared with has been read.
    "SET LOCAL idle_in_transaction_session_timeout = 0",
    ...(options.isLocked ? [`LOCK TABLE ${source(table)} IN ACCESS SHARE MODE`] : []),
  ].join("; ");
}

/**
 * The first statement of a REPEATABLE READ transaction takes its snapshot, before it calls any
 * function. So the WAL position is read after that: what committed at or beyond it is not in it.
 */
export function visibilitySql(table: Table): string {
  return `SELECT pg_catalog.pg_current_snapshot()::text AS snapshot,
    (CASE WHEN pg_catalog.pg_is_in_recovery() THEN pg_catalog.pg_last_wal_replay_lsn()
      ELSE pg_catalog.pg_current_wal_insert_lsn() END)::text AS wal,
    ${FLUSHED_SQL} AS flushed,
    pg_catalog.to_regclass(${quoteLiteral(quoteTable(table))})::oid::text AS oid`;
}

/**
 * Whose rows a reconcile reads. On a replica the position is read before the snapshot is taken:
 * what it has replayed by then is in the snapshot for certain.
 */
export function originSql({ hasControlData }: { hasControlData: boolean }): string {
  const system = hasControlData
    ? "(SELECT system_identifier FROM pg_catalog.pg_control_system())::text"
    : "NULL";
  return `SELECT in_recovery, pg_catalog.current_database()::text AS database,
    ${system} AS system,
    CASE WHEN in_recovery THEN NULL ELSE
      pg_catalog.substr(pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_insert_lsn()), 1, 8)
    END AS timeline,
    CASE WHEN in_recovery THEN pg_catalog.pg_last_wal_replay_lsn()::text END AS replayed
  FROM (SELECT pg_catalog.pg_is_in_recovery() AS in_recovery) r`;
}

/** The WAL position now, of a replica the one that it has replayed. */
export const POSITION_SQL = `SELECT (CASE WHEN pg_catalog.pg_is_in_recovery()
    THEN pg_catalog.pg_last_wal_replay_lsn() ELSE pg_catalog.pg_current_wal_insert_lsn() END)::text
  AS position`;

export interface OriginRow {
  readonly in_recovery: boolean;
  readonly database: string;
  readonly system: string | null;
  /** Hexadecimal, as WAL files are named. */
  readonly timeline: string | null;
  readonly replayed: string | null;
}

export function parseOrigin({ in_recovery, database, system, timeline }: OriginRow): SourceOrigin {
  return {
    systemId: system ?? undefined,
    database,
    timeline: timeline === null ? 0 : parseInt(timeline, 16),
    isReplica: in_recovery,
  };
}

/** On a replica ids say nothing of what is visible; the position does. */
export function placeOnReplica(visibility: Visibility, { replayed }: OriginRow): Visibility {
  if (replayed === null) return visibility;
  return { ...visibility, inProgress: [], walPosition: parseLsn(replayed), isByPosition: true };
}

/** `xmin:xmax:xip,…`, as `pg_snapshot` prints. Throws `SyntaxError`. */
export function parseVisibility(snapshot: string, wal: string): Visibility {
  const match = /^(\d+):(\d+):([\d,]*)$/.exec(snapshot);
  if (!match) throw new SyntaxError(`Cannot parse "${snapshot}" as a snapshot`);
  const [, xmin, xmax, list] = match;
  return {
    xmin: BigInt(xmin),
    xmax: BigInt(xmax),
    inProgress: list === "" ? [] : list.split(",").map(BigInt),
    walPosition: parseLsn(wal),
  };
}

/** Throws `TableChangedError` if the table has not all the columns. */
export function copySql(request: SnapshotRequest): string {
  return `COPY (${rowsSql(request)}) TO STDOUT`;
}

/** Has a condition planned, but not run: its constants are for Postgres to judge (`conditionError`). */
export function planConditionSql(table: Table, where: string): string {
  return `SELECT FROM ${source(table)} WHERE (${where}\n) LIMIT 0`;
}

function rowsSql({ table, columns, where, purpose }: SnapshotRequest): string {
  const isReconcile = purpose === "reconcile";
  const list = columns.map((name) => {
    const column = table.columns.find((column) => column.name === name);
    if (!column) throw new TableChangedError(`Table has no column "${name}"`);
    return isReconcile ? quoteIdent(column.name) : columnSql(column);
  });
  if (isReconcile) list.push(table.kind === "view" ? "NULL" : "xmin");
  const condition = where === undefined ? "" : ` WHERE (${where}\n)`;
  return `SELECT ${list.join(", ")} FROM ${source(table)}${condition}`;
}

/** Their cast to text and their output function differ; clients are used to the former (WIRE.md 7.2). */
const CAST_TYPES: readonly string[] = ["bool", "inet"];

function columnSql({ name, dims, baseTypeName }: TableColumn): string {
  const isCast = dims === 0 && CAST_TYPES.includes(baseTypeName);
  return isCast ? `${quoteIdent(name)}::pg_catalog.text` : quoteIdent(name);
}

/** Rows of inheritance children are not in the parent's log, so they must not be in its snapshot. */
function source(table: Table): string {
  return table.kind === "ordinary" ? `ONLY ${quoteTable(table)}` : quoteTable(table);
}

/** What is thrown for an error of a snapshot. Never holds SQL of ours, nor a value of the table. */
export function snapshotError(error: unknown): unknown {
  if (error instanceof QueueTimeoutError) return queueTimeout();
  if (isConnectionError(error)) return unavailable("Database connection not available", error);
  if (!(error instanceof Error) || error.name !== "PostgresError") return error;
  const code = "code" in error ? `${error.code}` : "";
  if (CHANGED_STATES.includes(code)) return new TableChangedError(error.message, { cause: error });
  if (code === "55P03" || code === "40P01") return lockTimeout(error);
  if (/^(53|57P|08)/.test(code)) return unavailable("Database connection not available", error);
  // Privileges; a standby that had to give way to its primary; cancelled by somebody.
  if (/^(42501|40001|57014)$/.test(code)) {
    return unavailable(`Unable to create initial snapshot: ${error.message}`, error);
  }
  if (NAMES_ONLY.test(code)) return new Error(error.message, { cause: error });
  // Clients may ask about columns that they must not read: a bad cast would tell them the value.
  return new Error(rowMessage(code));
}

/** Division by zero; syntax and access rules; features: their messages hold names, never values. */
const NAMES_ONLY = /^(22012|42...|0A...)$/;

/** undefined_table, undefined_column, undefined_function, undefined_object, invalid_schema_name. */
const CHANGED_STATES = ["42P01", "42703", "42883", "42704", "3F000"];

/**
 * What is wrong with a condition if Postgres refuses it, for its constants or, once rows are read,
 * for a row's values; undefined if that is not why a statement with one failed. Values are not the
 * client's to know: they may be of columns that it can't select.
 */
export function conditionError(error: unknown, ofRows = false): InvalidRequestError | undefined {
  if (!(error instanceof Error) || error.name !== "PostgresError") return undefined;
  const code = "code" in error ? `${error.code}` : "";
  const isCollation = code === "42704" && error.message.startsWith("collation ");
  const isCondition = /^(22|42)/.test(code) && code !== "42501" && !CHANGED_STATES.includes(code);
  if (!isCondition && !isCollation) return undefined;
  if (ofRows && !isConstantText(error.message)) {
    return new InvalidRequestError({ where: [rowMessage(code)] });
  }
  const syntax = /^invalid input (?:syntax for type|value for) (.+?): "(.*)"$/s.exec(error.message);
  const message = syntax ? `invalid syntax for type ${syntax[1]}: ${syntax[2]}` : error.message;
  return new InvalidRequestError({ where: [message] });
}

/** Such as "division by zero": whatever quotes or counts may tell a value. */
function isConstantText(message: string): boolean {
  return !/["'\d]/.test(message);
}

function rowMessage(code: string): string {
  return `Postgres can't evaluate the shape for some row (SQLSTATE ${code})`;
}

export function lockTimeout(cause?: unknown): UnavailableError {
  return unavailable("Snapshot timed out while waiting for a table lock", cause);
}

export function firstRowTimeout(timeoutMs: number): TooSlowError {
  return new TooSlowError(
    `Snapshot query took too long to return data (cancelled after ${timeoutMs}ms). Please ensure ` +
      "snapshot queries are using an index to avoid taking up all database connections.",
    { retryAfterSeconds: RETRY_AFTER_SECONDS, isKnown: true },
  );
}

export function statementTimeout(timeoutMs: number, cause: unknown): TooSlowError {
  return new TooSlowError(
    `Comparing the shape with the database took too long (cancelled after ${timeoutMs}ms)`,
    { retryAfterSeconds: RETRY_AFTER_SECONDS, isKnown: true, cause },
  );
}

function queueTimeout(): UnavailableError {
  return unavailable("Snapshot creation failed because of a connection pool queue timeout");
}

function unavailable(message: string, cause?: unknown): UnavailableError {
  return new UnavailableError(message, {
    retryAfterSeconds: RETRY_AFTER_SECONDS,
    isKnown: true,
    cause,
  });
}
