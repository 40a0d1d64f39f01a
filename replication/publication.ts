/** Sees to it that tables are in the stream with their old rows. */

import { UnavailableError } from "../shapes/errors.ts";
import { type Logger, TableChangedError } from "../shapes/ports.ts";
import type { Table } from "../shapes/table.ts";
import type { Sql } from "./connection.ts";
import {
  identifySql,
  parsePublicationState,
  planPreparation,
  type PreparationPlan,
  publicationMissing,
  type PublicationState,
  publicationStateSql,
  publishSql,
  readServerVersion,
} from "./publication_state.ts";
import { lockTimeout, snapshotError } from "./snapshot_sql.ts";
import { runTransaction } from "./transaction.ts";
import { waitForWriters } from "./writer_barrier.ts";

export interface PublisherOptions {
  /** Straight to the database, not through a pooler: DDL and catalog. */
  readonly sql: Sql;
  readonly publication: string;
  /** Nothing may be altered. */
  readonly isManual: boolean;
  /**
   * The table is about to be published: if it has been before, its changes were missed meanwhile. When
   * it resolves a crash can't make that forgotten; later nothing would tell.
   */
  readonly onUnpublished?: (oid: number) => Promise<void>;
  readonly logger: Logger;
  readonly limits?: PublisherLimits;
}

export interface PublisherLimits {
  /** An ALTER TABLE that waits makes everybody else wait behind it, so not for long. */
  readonly lockTimeoutMs: number;
  readonly writerTimeoutMs: number;
}

export const PUBLISHER_LIMITS: PublisherLimits = { lockTimeoutMs: 5000, writerTimeoutMs: 30_000 };

const RETRY_AFTER_SECONDS = 10;
const ATTEMPTS_MAX = 3;
const QUEUE_TIMEOUT_MS = 30_000;

interface Job {
  readonly table: Table;
  readonly done: PromiseWithResolvers<void>;
}

type AlterPlan = PreparationPlan & { kind: "alter" };

/**
 * Prepares tables, each on its own: one that fails never fails another. Calls for one table share a
 * run; tables that arrive together are published by one statement.
 */
export class Publisher {
  readonly #options: PublisherOptions;
  readonly #limits: PublisherLimits;
  /** By OID the partitions that were prepared with the table. */
  readonly #ready = new Map<number, string>();
  readonly #running = new Map<number, Promise<void>>();
  #waiting: Job[] = [];
  #isPublishing = false;
  /** Moves whenever something was forgotten: what runs now may rest on what no longer holds. */
  #epoch = 0;
  #freeSlots: number;
  readonly #slotWaiters: (() => void)[] = [];

  constructor(options: PublisherOptions) {
    this.#options = options;
    this.#limits = options.limits ?? PUBLISHER_LIMITS;
    // The other half of the pool stays for those who only ask the catalog.
    this.#freeSlots = Math.max(1, Math.floor(options.sql.options.max / 2));
  }

  /** `Source.prepare`. Free when it was done before. Throws `UnavailableError`, `TableChangedError`. */
  prepare(table: Table): Promise<void> {
    const partitions = table.partitions.join();
    if (this.#ready.get(table.oid) === partitions) return Promise.resolve();
    const running = this.#running.get(table.oid);
    if (running) return running;
    const epoch = this.#epoch;
    const job = { table, done: Promise.withResolvers<void>() };
    const run = job.done.promise.then(() => {
      if (epoch === this.#epoch) this.#ready.set(table.oid, partitions);
    }).finally(() => {
      if (this.#running.get(table.oid) === run) this.#running.delete(table.oid);
    });
    this.#running.set(table.oid, run);
    this.#waiting.push(job);
    this.#publishWaiting();
    return run;
  }

  /** Whether `prepare` would be free. */
  isPrepared(oid: number): boolean {
    return this.#ready.has(oid);
  }

  /** The table changed, or lost what it had: the next `prepare` looks again. */
  forget(oid: number): void {
    this.#epoch++;
    this.#ready.delete(oid);
    this.#running.delete(oid);
  }

  /** The connection was lost: anything may have happened. */
  forgetAll(): void {
    this.#epoch++;
    this.#ready.clear();
    this.#running.clear();
  }

  /** One at a time; what arrives meanwhile makes the next batch. */
  async #publishWaiting(): Promise<void> {
    if (this.#isPublishing) return;
    this.#isPublishing = true;
    // All that is asked for in the same turn goes together.
    await Promise.resolve();
    while (this.#waiting.length > 0) {
      // In order of OID: two instances that publish the same tables must not wait for each other.
      const batch = this.#waiting.toSorted((a, b) => a.table.oid - b.table.oid);
      this.#waiting = [];
      try {
        await this.#publishBatch(batch);
      } catch (error) {
        for (const { done } of batch) done.reject(snapshotError(error));
      }
    }
    this.#isPublishing = false;
  }

  async #publishBatch(batch: readonly Job[]): Promise<void> {
    const state = await this.#readState(batch.map(({ table }) => table.oid));
    const planned: { job: Job; plan: AlterPlan }[] = [];
    for (const job of batch) {
      const plan = planPreparation(job.table, state, this.#options);
      if (plan.kind === "alter") planned.push({ job, plan });
      else job.done.reject(refusal(plan));
    }
    // The identity first: Postgres refuses updates of a published table that has none, and one that
    // can't have it must not be published.
    const failures = await this.#identify(planned);
    const missing = planned.filter(({ job, plan }) => plan.isPublishing && !failures.has(job));
    for (const [job, error] of await this.#publish(missing.map(({ job }) => job))) {
      failures.set(job, error);
    }
    for (const { job, plan } of planned) {
      const failure = failures.get(job);
      if (failure) job.done.reject(failure);
      else this.#complete(job, plan, state).then(job.done.resolve, job.done.reject);
    }
  }

  /** Sets the identity of each table and its partitions. Tells which failed and why. */
  async #identify(planned: readonly { job: Job; plan: AlterPlan }[]): Promise<Map<Job, unknown>> {
    const failures = new Map<Job, unknown>();
    await Promise.all(planned.map(async ({ job, plan }) => {
      if (plan.identify.length === 0) return;
      await this.#takeSlot();
      try {
        for (const leaf of plan.identify) await this.#alter(identifySql(leaf));
      } catch (error) {
        failures.set(job, this.#alterError(job.table, error));
      } finally {
        this.#freeSlot();
      }
    }));
    return failures;
  }

  async #readState(oids: readonly number[]): Promise<PublicationState> {
    const { sql, publication } = this.#options;
    const text = publicationStateSql(publication, oids, await readServerVersion(sql));
    const [row] = await sql.unsafe<{ state: string }[]>(text);
    return parsePublicationState(row.state);
  }

  /** All at once, or if that fails each on its own. Tells which failed and why. */
  async #publish(jobs: readonly Job[]): Promise<Map<Job, unknown>> {
    const failures = new Map<Job, unknown>();
    if (jobs.length === 0) return failures;
    const { publication } = this.#options;
    const tables = jobs.map(({ table }) => table);
    // Before, because from then on the stream brings changes again.
    await Promise.all(tables.map(({ oid }) => this.#options.onUnpublished?.(oid)));
    const isDone = await this.#alter(publishSql(publication, tables)).then(() => true, () => false);
    if (isDone) return failures;
    for (const job of jobs) {
      await this.#alter(publishSql(publication, [job.table])).catch((error) => {
        if (!isMember(error)) failures.set(job, this.#alterError(job.table, error));
      });
    }
    return failures;
  }

  async #complete(job: Job, plan: AlterPlan, state: PublicationState): Promise<void> {
    const { table } = job;
    await this.#takeSlot();
    try {
      await this.#waitForWriters(table, plan, state);
    } catch (error) {
      throw error instanceof UnavailableError ? error : this.#alterError(table, error);
    } finally {
      this.#freeSlot();
    }
    if (plan.isPublishing || plan.identify.length > 0) {
      this.#options.logger.info("Published table", { schema: table.schema, table: table.name });
    }
  }

  /**
   * A transaction that wrote to the table before it was published, and commits after the snapshot was
   * taken, would be in neither snapshot nor stream. So we wait for those that hold a writer's lock
   * now: what takes the lock later writes to a published table. If somebody else published the table,
   * or we did before a crash, it concerns only transactions from before that one, and ALTER TABLE …
   * REPLICA IDENTITY FULL, which needs every writer to have ended, has done it already.
   */
  async #waitForWriters(table: Table, plan: AlterPlan, state: PublicationState): Promise<void> {
    const found = state.tables.find(({ oid }) => oid === table.oid);
    const identified = new Set(plan.identify.map(({ oid }) => oid));
    const oids = (found?.leaves ?? []).map(({ oid }) => oid)
      .filter((oid) => plan.isPublishing || !identified.has(oid));
    if (oids.length === 0) return;
    const isOver = await waitForWriters(this.#options.sql, {
      oids,
      beforeXid: plan.isPublishing ? null : found?.publishedXid ?? null,
      timeoutMs: this.#limits.writerTimeoutMs,
    });
    if (isOver) return;
    throw unavailable(
      `Timed out waiting for transactions that write to the table "${table.schema}.${table.name}" ` +
        "to end",
    );
  }

  /** Runs DDL in a transaction of its own, again if it was the victim of a deadlock. */
  async #alter(text: string): Promise<void> {
    const { lockTimeoutMs } = this.#limits;
    const limits = `SET LOCAL lock_timeout = ${lockTimeoutMs}; ` +
      `SET LOCAL statement_timeout = ${2 * lockTimeoutMs}`;
    for (let attempt = 1;; attempt++) {
      try {
        await runTransaction(
          this.#options.sql,
          { mode: "", queueTimeoutMs: QUEUE_TIMEOUT_MS },
          (tx) => tx.query(`${limits}; ${text}`),
        );
        return;
      } catch (error) {
        if (attempt === ATTEMPTS_MAX || !isTransient(error)) throw error;
      }
    }
  }

  #alterError(table: Table, error: unknown): unknown {
    const code = codeOf(error);
    if (code === "57014") return lockTimeout(error);
    if (code === "42704") return unavailable(publicationMissing(this.#options.publication), error);
    const mapped = snapshotError(error);
    if (!(error instanceof Error) || error.name !== "PostgresError") return mapped;
    if (mapped instanceof UnavailableError && code !== "42501") return mapped;
    if (mapped instanceof TableChangedError) return mapped;
    // Such as a system table, which no publication can hold.
    const name = `"${table.schema}.${table.name}"`;
    return unavailable(`Cannot publish the database table ${name}: ${error.message}`, error);
  }

  async #takeSlot(): Promise<void> {
    if (this.#freeSlots > 0) this.#freeSlots--;
    else await new Promise<void>((resolve) => this.#slotWaiters.push(resolve));
  }

  #freeSlot(): void {
    const next = this.#slotWaiters.shift();
    if (next) next();
    else this.#freeSlots++;
  }
}

function refusal(plan: PreparationPlan & { kind: "changed" | "refuse" }): Error {
  return plan.kind === "changed"
    ? new TableChangedError("The table has been dropped or renamed")
    : unavailable(plan.message);
}

/** duplicate_object: another instance was faster. */
function isMember(error: unknown): boolean {
  return codeOf(error) === "42710";
}

/** A deadlock, or two instances at the same row of the catalog ("tuple concurrently updated"). */
function isTransient(error: unknown): boolean {
  return codeOf(error) === "40P01" || codeOf(error) === "XX000";
}

function codeOf(error: unknown): string {
  return error instanceof Error && "code" in error ? `${error.code}` : "";
}

function unavailable(message: string, cause?: unknown): UnavailableError {
  return new UnavailableError(message, {
    retryAfterSeconds: RETRY_AFTER_SECONDS,
    isKnown: true,
    cause,
  });
}
