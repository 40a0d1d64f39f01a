/** A query connection of its own for looks at the server: none of them takes longer than it may. */

import { openPool, type Sql } from "./connection.ts";
import type { DatabaseUrl } from "./database_url.ts";
import { holderSql, type LockHolder, parseHolder } from "./lock_breaker.ts";
import { parseLsn } from "./lsn.ts";
import { classifyPostgresError, ConnectionError } from "./postgres_error.ts";
import { parseProbe, type Probe, probeSql } from "./probe.ts";
import type { SetupNames } from "./setup_plan.ts";
import { quoteLiteral } from "./sql_text.ts";
import { flushSql } from "./wal_flush.ts";

/** What one question may take, dialling included. */
const DEADLINE_MS = 3000;

export class Prober implements AsyncDisposable {
  readonly #url: DatabaseUrl;
  readonly #names: SetupNames;
  #sql: Sql | undefined;
  #hasControlData = true;
  #mayBeat = true;

  constructor(url: DatabaseUrl, names: SetupNames) {
    this.#url = { ...url, connectTimeoutMs: Math.min(url.connectTimeoutMs, DEADLINE_MS) };
    this.#names = names;
  }

  /** Looks once. Rejects with the driver's errors, and `ConnectionError` after 3 s. */
  async look(walsenderPid: number | undefined): Promise<Probe> {
    const ask = async () => {
      const hasControlData = this.#hasControlData;
      const names = this.#names;
      const [row] = await this.query(probeSql({ names, walsenderPid, hasControlData }));
      return parseProbe(row?.probe);
    };
    try {
      return await ask();
    } catch (error) {
      const isForbidden = classifyPostgresError(error) === "privilegeMissing";
      if (!isForbidden || !this.#hasControlData) throw error;
      this.#hasControlData = false;
      return await ask();
    }
  }

  /** Who holds the lock; undefined if nobody does. */
  async lookForHolder(key: bigint): Promise<LockHolder | undefined> {
    const [row] = await this.query(holderSql(key));
    return parseHolder(row?.holder);
  }

  /** Ends a backend. The role must be its own, or one that may signal. */
  async terminate(pid: number): Promise<void> {
    await this.query(`SELECT pg_catalog.pg_terminate_backend(${pid})`);
  }

  /**
   * Drops the slot unless somebody reads from it; false if another instance holds the lock.
   * Statements share a session: the pool has one connection.
   */
  async dropSlot(key: bigint): Promise<boolean> {
    const [row] = await this.query(`SELECT pg_catalog.pg_try_advisory_lock(${key}) AS locked`);
    if (row?.locked !== true) return false;
    try {
      await this.query(
        "SELECT pg_catalog.pg_drop_replication_slot(slot_name) " +
          "FROM pg_catalog.pg_replication_slots " +
          `WHERE slot_name = ${quoteLiteral(this.#names.slot)} AND NOT active`,
      );
    } finally {
      await this.query(`SELECT pg_catalog.pg_advisory_unlock(${key})`);
    }
    return true;
  }

  /**
   * Writes a message into the WAL, to nobody, and answers with a position that is flushed soon;
   * undefined if it may not be written.
   */
  async beat(serverVersion: number): Promise<bigint | undefined> {
    if (!this.#mayBeat) return undefined;
    try {
      const [row] = await this.query(flushSql(serverVersion));
      return typeof row?.lsn === "string" ? parseLsn(row.lsn) : undefined;
    } catch (error) {
      const code = classifyPostgresError(error);
      if (code === "privilegeMissing" || code === "readOnly") this.#mayBeat = false;
      return undefined;
    }
  }

  /**
   * Runs one statement. The driver waits for ever for a server that has fallen silent, and waits
   * between tries when it can't connect: so whatever fails there ends with its connection.
   */
  async query(text: string): Promise<readonly Readonly<Record<string, unknown>>[]> {
    const sql = this.#sql ??= openPool({ url: this.#url, max: 1, isPrepared: false });
    const { promise: late, reject } = Promise.withResolvers<never>();
    const timer = setTimeout(
      () => reject(new ConnectionError("timeout", "Server does not answer queries")),
      DEADLINE_MS,
    );
    try {
      return await Promise.race([sql.unsafe<Record<string, unknown>[]>(text), late]);
    } catch (error) {
      if (classifyPostgresError(error) !== "privilegeMissing") this.#discard();
      throw error;
    } finally {
      clearTimeout(timer);
    }
  }

  /** Closes the connection; the next question opens another. */
  async [Symbol.asyncDispose](): Promise<void> {
    const sql = this.#sql;
    this.#sql = undefined;
    await sql?.end({ timeout: 0 }).catch(() => {});
  }

  #discard(): void {
    this[Symbol.asyncDispose]();
  }
}
