/** What the domain asks of the world. Adapters implement these; tests script them. */

import type { Row } from "./row.ts";
import type { Table, TableName } from "./table.ts";

export interface Logger {
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
}

export type LogFields = Readonly<Record<string, string | number | boolean | bigint | null>>;

/**
 * Which transactions a snapshot saw. Ids are 64-bit (`pg_current_snapshot()`); the stream's are
 * 32-bit, so they are compared modulo 2^32.
 */
export interface Visibility {
  readonly xmin: bigint;
  readonly xmax: bigint;
  readonly inProgress: readonly bigint[];
  /**
   * WAL insert position read right after the snapshot was taken. A transaction whose commit record
   * lies at or beyond it cannot be in the snapshot, whatever its id.
   */
  readonly walPosition: bigint;
  /**
   * Taken on a replica: its snapshots do not list what is in progress, but it replays in order, so
   * what lies before the position is in, and the rest is not.
   */
  readonly isByPosition?: boolean;
}

/** What a snapshot was taken of. */
export interface SourceOrigin {
  /** Undefined where the role may not ask for it. */
  readonly systemId: string | undefined;
  readonly database: string;
  /** 0 on a replica, whose primary's it is. */
  readonly timeline: number;
  readonly isReplica: boolean;
}

/** A column of a snapshot query and how its text is to be spelled. */
export interface SnapshotRequest {
  readonly table: Table;
  /** Names of the columns to read, in the order wanted. */
  readonly columns: readonly string[];
  /** Boolean SQL over the table's columns, safe to embed in parentheses; absent for all rows. */
  readonly where: string | undefined;
  /** False: take the visibility only and send no rows (`log=changes_only`). */
  readonly hasRows: boolean;
  /**
   * `reconcile`: values are spelled as the stream spells them, after the columns comes the row's
   * `xmin` (NULL where there is none), and the sink is told the origin.
   */
  readonly purpose: "snapshot" | "reconcile";
}

export interface SnapshotSink {
  /** Called once, before any row; rows wait for what it returns. */
  visible(visibility: Visibility, origin: SourceOrigin | undefined): Promise<void> | void;
  /**
   * Rows in the text format of COPY: fields parted by tabs, rows ended by newlines, always whole
   * rows. The bytes may be reused after the call. The returned promise, if any, is back-pressure.
   */
  rows(copyText: Uint8Array): Promise<void> | undefined;
}

/** A column that conditions look at. */
export interface EvaluationColumn {
  readonly name: string;
  /** OID of its own type: of the array type, of the domain. */
  readonly typeOid: number;
  /** `pg_collation.collname` when it is not the default one. */
  readonly collation: string | null;
  /** Where the rows have it. */
  readonly place: number;
}

/** Conditions that are Postgres' to evaluate, and rows of the stream to evaluate each of them for. */
export interface EvaluationRequest {
  /** All columns that the conditions look at. */
  readonly columns: readonly EvaluationColumn[];
  readonly rows: readonly Row[];
  /** Boolean SQL over the columns' quoted names, immutable, safe to embed in parentheses. */
  readonly conditions: readonly string[];
}

/** What a condition is for a row: SQL's three values, and that evaluating it raised an error. */
export const IS_FALSE = 0, IS_TRUE = 1, IS_UNKNOWN = 2, IS_ERROR = 3;

/** Some rows for which a condition raised an error. Holds nothing of their values. */
export interface EvaluationFailure {
  /** Index of the condition. */
  readonly condition: number;
  /** SQLSTATE, or the driver's code. */
  readonly code: string;
  /** How many rows. */
  readonly rows: number;
}

export interface Evaluation {
  /** One of the four above each, row by row: at `row * conditions.length + condition`. */
  readonly truths: Uint8Array;
  readonly failures: readonly EvaluationFailure[];
}

/** Postgres, as the domain sees it. */
export interface Source {
  /**
   * Looks a table up in the catalog: an ordinary or partitioned table with at least one column.
   * Undefined if there is none. Throws `UnavailableError` when the database can't be asked.
   */
  describe(name: TableName): Promise<Table | undefined>;

  /**
   * Sees to it that every change of the table from now on is in the stream with its old row: table
   * published, REPLICA IDENTITY FULL (partitions too). Cheap when it has been done before. Throws
   * `UnavailableError` that says what is missing.
   */
  prepare(table: Table): Promise<void>;

  /**
   * Reads rows in one REPEATABLE READ transaction with the display settings of the stream. Must
   * reserve its connection first: `onReserved` is called then, and `sink.visible` follows within
   * one round trip. Resolves after the last row. Throws `UnavailableError`, or
   * `TableChangedError` when the table is no longer what the request says.
   */
  snapshot(
    request: SnapshotRequest,
    sink: SnapshotSink,
    options: { onReserved: () => void; signal: AbortSignal },
  ): Promise<void>;

  /** The WAL position now, however it is read: cheap. Throws `UnavailableError`. */
  position(): Promise<bigint>;

  /** OIDs of the tables that a partition belongs to, at every level; empty for ordinary tables. */
  ancestors(relationOid: number): Promise<readonly number[]>;

  /**
   * Evaluates conditions for rows, as a snapshot's query would. A row that raises an error costs
   * nothing but itself. Waits for as long as Postgres can't be asked; rejects only with the signal's
   * reason, or when the source has been closed.
   */
  evaluate(request: EvaluationRequest, signal: AbortSignal): Promise<Evaluation>;
}

/** The table changed between being described and being read: the caller starts again. */
export class TableChangedError extends Error {
  override readonly name = "TableChangedError";
}
