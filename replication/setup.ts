/** Runs the set-up steps of setup_plan.ts on a replication connection. */

import type { Logger } from "../shapes/ports.ts";
import { openPool, type ReplicationConnection } from "./connection.ts";
import type { DatabaseUrl } from "./database_url.ts";
import { classifyPostgresError, ConnectionError, describePostgresError } from "./postgres_error.ts";
import { type GapCause, nextStep, setupQuery, type SetupState, startSetup } from "./setup_plan.ts";

export interface SetupOptions {
  readonly url: DatabaseUrl;
  readonly streamId: string;
  readonly isManual: boolean;
  readonly stale: GapCause | undefined;
  readonly logger: Logger;
  /** Called before each step, and once when another instance turns out to hold the lock. */
  readonly onStep: (state: SetupState, isWaiting: boolean) => void;
  /** Called and waited for before a slot is dropped or made: see `StreamSink.beforeGap`. */
  readonly beforeGap: (state: SetupState) => Promise<void>;
}

const LOCK_RETRY_MS = 1000;
/** What the server needs but a moment for. Making a slot waits for other transactions. */
const STEP_DEADLINE_MS = 5000;
/** A slot that takes longer than this to be created waits for old transactions. */
const SLOT_PATIENCE_MS = 10_000;
const SERVER_VERSION_STANDBY_SNAPSHOT = 160_000;

/**
 * Takes a fresh connection to where the stream can start; the state returned is `ready`. Waits for
 * the lock as long as it takes. Throws what the server or the network says, or the signal's reason.
 */
export async function runSetup(
  connection: ReplicationConnection,
  options: SetupOptions,
  signal: AbortSignal,
): Promise<SetupState> {
  let state = startSetup(options);
  let isWaiting = false;
  for (;;) {
    signal.throwIfAborted();
    const query = setupQuery(state);
    if (query === undefined) return state;
    options.onStep(state, isWaiting);
    const next = nextStep(state, await runStep(connection, query, state, options));
    isWaiting = next.step === state.step;
    if (isWaiting) {
      options.onStep(next, isWaiting);
      await delay(LOCK_RETRY_MS, signal);
    }
    if (next.gap !== undefined && state.gap === undefined) await options.beforeGap(next);
    state = next;
  }
}

async function runStep(
  connection: ReplicationConnection,
  query: string,
  state: SetupState,
  options: SetupOptions,
) {
  try {
    if (state.step !== "createSlot") return await queryInTime(connection, query, state, options);
    return await withStandbySnapshots(connection.query(query), state, options);
  } catch (error) {
    throw explain(error, state);
  }
}

/** The driver waits for ever for a server that has fallen silent. */
async function queryInTime(
  connection: ReplicationConnection,
  query: string,
  { step }: SetupState,
  { url }: SetupOptions,
) {
  const dialMs = step === "identifySystem" ? url.connectTimeoutMs : 0;
  const timer = setTimeout(() => {
    connection.terminate(
      new ConnectionError("timeout", `Server does not answer in step "${step}"`),
    );
  }, dialMs + STEP_DEADLINE_MS);
  try {
    return await connection.query(query);
  } finally {
    clearTimeout(timer);
  }
}

/** Says which of our steps failed when the server's words alone would leave one guessing. */
function explain(error: unknown, state: SetupState): unknown {
  if (classifyPostgresError(error) !== "privilegeMissing") return error;
  const message = `${describePostgresError(error)}, in step "${state.step}"`;
  return new ConnectionError("privilegeMissing", message, { cause: error });
}

/**
 * A new slot has to see every transaction end that was open when it began, and learns of that from
 * records of running transactions, which an idle server seldom writes. This asks for one at times.
 */
async function withStandbySnapshots<T>(
  created: Promise<T>,
  state: SetupState,
  options: SetupOptions,
): Promise<T> {
  const { logger } = options;
  const timer = setInterval(() => {
    logger.warn("Slot creation waits for old transactions of the database to end");
    if (state.serverVersion >= SERVER_VERSION_STANDBY_SNAPSHOT) logStandbySnapshot(options);
  }, SLOT_PATIENCE_MS);
  try {
    return await created;
  } finally {
    clearInterval(timer);
  }
}

async function logStandbySnapshot({ url, logger }: SetupOptions): Promise<void> {
  const pool = openPool({ url, max: 1 });
  try {
    await pool`SELECT pg_catalog.pg_log_standby_snapshot()::text`;
  } catch (error) {
    logger.info("Cannot call pg_log_standby_snapshot(), which could speed slot creation up", {
      error: describePostgresError(error),
      hint: "GRANT EXECUTE ON FUNCTION pg_log_standby_snapshot() to the role",
    });
  } finally {
    await pool.end({ timeout: 1 }).catch(() => {});
  }
}

/** Resolves after the time, rejects with the signal's reason. */
export function delay(ms: number, signal: AbortSignal): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  if (signal.aborted) return Promise.reject(signal.reason);
  const aborted = () => {
    clearTimeout(timer);
    reject(signal.reason);
  };
  const timer = setTimeout(() => {
    signal.removeEventListener("abort", aborted);
    resolve();
  }, ms);
  signal.addEventListener("abort", aborted, { once: true });
  return promise;
}
