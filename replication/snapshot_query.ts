/** Reads a table's rows, and which transactions they are the result of. */

import type { SnapshotRequest, SnapshotSink } from "../shapes/ports.ts";
import { TableChangedError } from "../shapes/ports.ts";
import type { Sql } from "./connection.ts";
import { copyRows } from "./copy_rows.ts";
import {
  conditionError,
  copySql,
  firstRowTimeout,
  type OriginRow,
  originSql,
  parseOrigin,
  parseVisibility,
  placeOnReplica,
  planConditionSql,
  prepareSnapshotSql,
  snapshotError,
  statementTimeout,
  visibilitySql,
} from "./snapshot_sql.ts";
import { runTransaction, type Transaction } from "./transaction.ts";
import { awaitFlush, isFlushed } from "./wal_flush.ts";

export interface SnapshotLimits {
  /** Wait for a free connection. */
  readonly queueTimeoutMs: number;
  /** Wait for whoever alters or truncates the table. */
  readonly lockTimeoutMs: number;
  /** Run time until the first row. */
  readonly firstRowTimeoutMs: number;
  /** Run time of a reconcile; 0 for no limit. First rows take what they take: there is no shape yet. */
  readonly reconcileTimeoutMs: number;
}

export const SNAPSHOT_LIMITS: SnapshotLimits = {
  queueTimeoutMs: 30_000,
  lockTimeoutMs: 10_000,
  firstRowTimeoutMs: 30_000,
  reconcileTimeoutMs: 0,
};

export interface SnapshotOptions {
  readonly onReserved: () => void;
  readonly signal: AbortSignal;
  readonly limits?: SnapshotLimits;
  /** See `WalFlushOptions`. */
  readonly flush?: () => Promise<unknown>;
}

/**
 * `Source.snapshot` on a pool, which may be a pooler's: all state is the transaction's. Rejects at
 * once when the signal fires, and never calls the sink after that; the connection follows when the
 * server has let go of it.
 */
export async function readSnapshot(
  sql: Sql,
  request: SnapshotRequest,
  sink: SnapshotSink,
  options: SnapshotOptions,
): Promise<void> {
  options.signal.throwIfAborted();
  const run = new SnapshotRun(sql, request, sink, options);
  try {
    await run.run();
  } catch (error) {
    options.signal.throwIfAborted();
    const isCondition = request.where !== undefined;
    throw run.timeoutOf(error) ??
      (isCondition ? conditionError(error, run.isReading) : undefined) ?? snapshotError(error);
  }
}

class SnapshotRun {
  readonly #sql: Sql;
  readonly #request: SnapshotRequest;
  readonly #sink: SnapshotSink;
  readonly #options: SnapshotOptions;
  readonly #limits: SnapshotLimits;
  #isReserved = false;
  #startedMs = 0;
  /** Of reconciles only. */
  #origin: OriginRow | undefined;
  /** The condition itself has been found to be right; what fails now fails for a row. */
  isReading = false;

  constructor(sql: Sql, request: SnapshotRequest, sink: SnapshotSink, options: SnapshotOptions) {
    this.#sql = sql;
    this.#request = request;
    this.#sink = sink;
    this.#options = options;
    this.#limits = options.limits ?? SNAPSHOT_LIMITS;
  }

  /** The time limit, if the error came of it: Postgres says the same whoever cancels a statement. */
  timeoutOf(error: unknown): Error | undefined {
    const limitMs = this.#statementTimeoutMs;
    const isOver = limitMs > 0 && performance.now() - this.#startedMs >= limitMs;
    return isOver && codeOf(error) === "57014" ? statementTimeout(limitMs, error) : undefined;
  }

  get #statementTimeoutMs(): number {
    return this.#request.purpose === "reconcile" ? this.#limits.reconcileTimeoutMs : 0;
  }

  async run(): Promise<void> {
    if (this.#request.purpose === "reconcile") {
      this.#origin = await this.#readOrigin();
    }
    try {
      await this.#attempt(this.#request.table.kind !== "view");
    } catch (error) {
      // LOCK TABLE wants SELECT on the whole table, where COPY is content with the columns it reads.
      if (this.#isReserved || !isDenied(error)) throw error;
      await this.#attempt(false);
    }
  }

  async #readOrigin(): Promise<OriginRow> {
    const ask = (hasControlData: boolean) =>
      this.#sql.unsafe<OriginRow[]>(originSql({ hasControlData }));
    try {
      return (await ask(true))[0];
    } catch (error) {
      if (!isDenied(error)) throw error;
      return (await ask(false))[0];
    }
  }

  #attempt(isLocked: boolean): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const { signal } = this.#options;
    const abort = () => reject(signal.reason);
    signal.addEventListener("abort", abort, { once: true });
    const transaction = runTransaction(this.#sql, {
      mode: "isolation level repeatable read read only",
      queueTimeoutMs: this.#limits.queueTimeoutMs,
    }, (transaction) => this.#read(transaction, isLocked, reject));
    transaction.then(resolve, reject);
    return promise.finally(() => signal.removeEventListener("abort", abort));
  }

  async #read(
    transaction: Transaction,
    isLocked: boolean,
    reject: (error: unknown) => void,
  ): Promise<void> {
    const { signal, onReserved } = this.#options;
    const { table, hasRows, where } = this.#request;
    const origin = this.#origin;
    const text = copySql(this.#request);
    signal.throwIfAborted();
    const { lockTimeoutMs } = this.#limits, statementTimeoutMs = this.#statementTimeoutMs;
    this.#startedMs = performance.now();
    const options = { isLocked, lockTimeoutMs, statementTimeoutMs };
    await transaction.query(prepareSnapshotSql(table, options));
    signal.throwIfAborted();
    this.#isReserved = true;
    onReserved();
    const [row] = await transaction.query(visibilitySql(table));
    signal.throwIfAborted();
    if (Number(row.oid) !== table.oid) {
      throw new TableChangedError("Another table goes by the name now");
    }
    if (where !== undefined) await transaction.query(planConditionSql(table, where));
    signal.throwIfAborted();
    this.isReading = true;
    const visibility = parseVisibility(row.snapshot, row.wal);
    await (origin
      ? this.#sink.visible(placeOnReplica(visibility, origin), parseOrigin(origin))
      : this.#sink.visible(visibility, undefined));
    signal.throwIfAborted();
    if (hasRows) await this.#copy(transaction, text, reject);
    const { walPosition } = visibility;
    if (isFlushed(row.flushed, walPosition)) return;
    await awaitFlush(transaction, walPosition, { flush: this.#options.flush, signal });
  }

  async #copy(
    transaction: Transaction,
    text: string,
    reject: (error: unknown) => void,
  ): Promise<void> {
    const { firstRowTimeoutMs } = this.#limits;
    const { done, drained } = copyRows(transaction, text, {
      sink: this.#sink,
      signal: this.#options.signal,
      firstRowTimeoutMs,
      onTimeout: () => firstRowTimeout(firstRowTimeoutMs),
    });
    // The caller learns at once; the transaction can't end before the rest has come.
    done.catch(reject);
    await drained;
    await done;
  }
}

function isDenied(error: unknown): boolean {
  return codeOf(error) === "42501";
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && "code" in error ? error.code : undefined;
}
