/**
 * Transactions on a pool's connection, kept clear of three traps of the driver (postgres 3.4.9, read
 * in its source and reproduced):
 * - `reserve()` never resolves when it has to dial and `fetch_types` is off;
 * - `begin()` sends ROLLBACK when its callback fails, also when it failed because the connection is
 *   gone; writing to no socket then throws where nobody can catch it, and the process ends;
 * - `cancel()` drops its promise, so that a server that can't be reached to cancel ends the process
 *   too, and it does nothing once a COPY has begun.
 */

import type postgres from "postgres";
import type { Sql } from "./connection.ts";

type Query = postgres.PendingQuery<postgres.Row[]>;

export interface Transaction {
  /** Runs SQL by the simple protocol. The rows are right only if it is one statement. */
  query(text: string): Promise<readonly postgres.Row[]>;
  /** Starts `COPY … TO STDOUT`. Its stream must be read to its end before the transaction ends. */
  copy(text: string): Query;
}

export interface TransactionOptions {
  /** What follows BEGIN: letters and spaces only. */
  readonly mode: string;
  /** How long to wait for a connection; then rejects with `QueueTimeoutError`. */
  readonly queueTimeoutMs: number;
}

/** No connection of the pool became free in time. */
export class QueueTimeoutError extends Error {
  override readonly name = "QueueTimeoutError";
}

/**
 * Runs `work` between BEGIN and COMMIT on a connection of its own; rolls back if it rejects. Rejects
 * with what `work` throws, with the driver's error when the connection is lost, or with
 * `QueueTimeoutError`.
 */
export function runTransaction<T>(
  sql: Sql,
  { mode, queueTimeoutMs }: TransactionOptions,
  work: (transaction: Transaction) => Promise<T>,
): Promise<T> {
  const { promise, resolve, reject } = Promise.withResolvers<T>();
  let isOver = false;
  const timer = setTimeout(() => {
    isOver = true;
    reject(new QueueTimeoutError("No connection became free in time"));
  }, queueTimeoutMs);
  const begun = sql.begin(mode, async (tx) => {
    clearTimeout(timer);
    // Its turn came too late: give the connection back.
    if (isOver) throw new QueueTimeoutError();
    try {
      const result = await work(openTransaction(tx, () => isOver));
      return isOver ? await never() : { result };
    } catch (error) {
      // The connection is gone or about to: the driver must not be told, or it writes a ROLLBACK to
      // it. `begin()` rejects by itself when the connection closes.
      if (isOver || isConnectionError(error)) return await never();
      throw error;
    }
  });
  begun.then(({ result }) => resolve(result), reject).finally(() => {
    isOver = true;
    clearTimeout(timer);
  });
  return promise;
}

function openTransaction(tx: postgres.TransactionSql, isOver: () => boolean): Transaction {
  return {
    query: async (text) => isOver() ? await never() : await tx.unsafe(text),
    copy: (text) => tx.unsafe(text),
  };
}

/** Codes of the driver and of the runtime's sockets, as opposed to five-letter SQLSTATEs. */
const CONNECTION_CODE =
  /^(CONNECTION_|CONNECT_|E[A-Z]{4,}$|ERR_|SASL_|UNSAFE_TRANSACTION|closed|timeout|refused)/;

/** True for errors of the connection rather than of a statement. */
export function isConnectionError(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  if (error.name === "ConnectionError") return true;
  return error.name !== "PostgresError" && "code" in error && typeof error.code === "string" &&
    CONNECTION_CODE.test(error.code);
}

function never(): Promise<never> {
  return new Promise(() => {});
}

/** What the driver keeps in a query, and its own way to cancel one. */
interface Cancellable {
  active: boolean;
  readonly state: unknown;
  readonly canceller: ((query: unknown) => Promise<void>) | null;
}

/** The server's answer to a cancel request is to hang up; a lost one must not hold up anybody. */
const CANCEL_TIMEOUT_MS = 5000;

/**
 * Asks the server to cancel the query, also in the middle of a COPY. Resolves when the server has
 * passed the request on; never rejects. Until then nothing else may run on the connection: the
 * request names the connection, not the query, and would hit the next one.
 */
export async function cancelQuery(query: Query): Promise<void> {
  const internal = query as unknown as Cancellable;
  if (!internal.state || !internal.canceller) return;
  internal.active = true;
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<void>((resolve) => timer = setTimeout(resolve, CANCEL_TIMEOUT_MS));
  await Promise.race([internal.canceller(query).catch(() => {}), late]);
  clearTimeout(timer);
}
