/** The domain's `Source` on Postgres. */

import type {
  Evaluation,
  EvaluationRequest,
  Logger,
  SnapshotRequest,
  SnapshotSink,
  Source,
} from "../shapes/ports.ts";
import { UnavailableError } from "../shapes/errors.ts";
import type { Table, TableName } from "../shapes/table.ts";
import type { Sql } from "./connection.ts";
import type { Evaluator } from "./evaluate.ts";
import { describeTable, readAncestors } from "./inspect.ts";
import { parseLsn } from "./lsn.ts";
import { Publisher } from "./publication.ts";
import { setupNames } from "./setup_plan.ts";
import { readSnapshot, SNAPSHOT_LIMITS } from "./snapshot_query.ts";
import { POSITION_SQL } from "./snapshot_sql.ts";
import { type LostPreparation, watchTables } from "./table_watch.ts";
import { flushSql } from "./wal_flush.ts";

export interface PostgresSourceOptions {
  /** Straight to the database: catalog and DDL. Its size limits how many tables are altered at once. */
  readonly admin: Sql;
  /**
   * For snapshots only, maybe through a pooler. A pool of its own: the driver sends queries of
   * different callers down one connection, and a snapshot's would wait for the one before.
   */
  readonly query: Sql;
  /** A replica, and whether it is to be asked in place of its primary, which is down. */
  readonly replica?: { readonly sql: Sql; readonly isInUse: () => boolean };
  readonly evaluator: Evaluator;
  readonly streamId: string;
  /** The publication and the tables' identities are somebody else's: found missing, never altered. */
  readonly isManual: boolean;
  /** After so long the query of a reconcile is cancelled; 0, the default, for never. */
  readonly reconcileTimeoutMs?: number;
  /** See `PublisherOptions`. */
  readonly onUnpublished?: (oid: number) => Promise<void>;
  readonly logger: Logger;
}

export interface SourceWatch {
  /** The tables in use, as they were described. */
  readonly tables: () => readonly Table[];
  /** Tables that must be prepared; those that were prepared since the start if it is left out. */
  readonly isInUse?: (oid: number) => boolean;
  readonly onChange: (oid: number, now: Table | undefined) => void;
  /** The table is no longer prepared: not published, or without some of its old rows. */
  readonly onUnprepared?: (oid: number, lost: LostPreparation) => void;
  /** See `PreparationWatch`. */
  readonly onPublished?: (oid: number, xids: readonly number[]) => void;
  readonly intervalMs?: number;
  readonly signal: AbortSignal;
}

const WATCH_INTERVAL_MS = 1000;

/** Owns neither the pools nor the evaluator. May be used by many callers at once. */
export class PostgresSource implements Source {
  readonly #options: PostgresSourceOptions;
  readonly #publication: string;
  readonly #publisher: Publisher;

  constructor(options: PostgresSourceOptions) {
    this.#options = options;
    this.#publication = setupNames(options.streamId).publication;
    this.#publisher = new Publisher({
      sql: options.admin,
      publication: this.#publication,
      isManual: options.isManual,
      onUnpublished: options.onUnpublished,
      logger: options.logger,
    });
  }

  get #standIn(): Sql | undefined {
    const { replica } = this.#options;
    return replica?.isInUse() ? replica.sql : undefined;
  }

  describe(name: TableName): Promise<Table | undefined> {
    return describeTable(this.#standIn ?? this.#options.admin, name);
  }

  prepare(table: Table): Promise<void> {
    return this.#publisher.prepare(table);
  }

  snapshot(
    request: SnapshotRequest,
    sink: SnapshotSink,
    options: { onReserved: () => void; signal: AbortSignal },
  ): Promise<void> {
    const { query, admin, reconcileTimeoutMs = 0 } = this.#options;
    const limits = { ...SNAPSHOT_LIMITS, reconcileTimeoutMs };
    const flush = () => admin.unsafe(flushSql());
    return readSnapshot(this.#standIn ?? query, request, sink, { ...options, limits, flush });
  }

  async position(): Promise<bigint> {
    try {
      const sql = this.#standIn ?? this.#options.admin;
      const [row] = await sql.unsafe<{ position: string }[]>(POSITION_SQL);
      return parseLsn(row.position);
    } catch (cause) {
      throw new UnavailableError("Database connection not available", {
        retryAfterSeconds: 1,
        cause,
      });
    }
  }

  ancestors(relationOid: number): Promise<readonly number[]> {
    return readAncestors(this.#options.admin, relationOid);
  }

  evaluate(request: EvaluationRequest, signal: AbortSignal): Promise<Evaluation> {
    return this.#options.evaluator.evaluate(request, signal);
  }

  /** Watches tables until the signal fires; never rejects. What changed is prepared anew. */
  watch(watch: SourceWatch): Promise<void> {
    const { tables, isInUse, onChange, onUnprepared, onPublished, intervalMs, signal } = watch;
    return watchTables({
      sql: this.#options.admin,
      tables,
      onChange: (oid, now) => {
        this.forget(oid);
        onChange(oid, now);
      },
      preparation: {
        publication: this.#publication,
        isPrepared: isInUse ?? ((oid) => this.#publisher.isPrepared(oid)),
        onLost: (oid, lost) => {
          this.forget(oid);
          onUnprepared?.(oid, lost);
        },
        onPublished,
      },
      intervalMs: intervalMs ?? WATCH_INTERVAL_MS,
      signal,
      logger: this.#options.logger,
    });
  }

  /** The next `prepare` of the table looks again. */
  forget(oid: number): void {
    this.#publisher.forget(oid);
  }

  /** After a reconnection: the next `prepare` of every table looks again. */
  forgetAll(): void {
    this.#publisher.forgetAll();
  }
}
