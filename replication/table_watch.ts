/** Notices changes of tables that the stream does not tell of, or not in time. */

import type { Logger } from "../shapes/ports.ts";
import { isSameTable, type Table } from "../shapes/table.ts";
import type { Sql } from "./connection.ts";
import { describeOids, TABLE_JSON, TABLES } from "./inspect.ts";
import { preparedTablesSql, readServerVersion } from "./publication_state.ts";

export interface WatchOptions {
  readonly sql: Sql;
  /** The tables as they were described; asked at each poll. */
  readonly tables: () => readonly Table[];
  /** `now` is undefined when the table is gone. Called at each poll as long as `tables` differs. */
  readonly onChange: (oid: number, now: Table | undefined) => void;
  readonly preparation?: PreparationWatch;
  readonly intervalMs: number;
  readonly signal: AbortSignal;
  readonly logger: Logger;
}

export interface PreparationWatch {
  readonly publication: string;
  /** Whether the table was prepared: asked before each look, so that none under way seems lost. */
  readonly isPrepared: (oid: number) => boolean;
  /**
   * The table is not published in full any more, or lacks REPLICA IDENTITY FULL somewhere. Called at
   * each poll as long as `isPrepared` says otherwise.
   */
  readonly onLost: (oid: number, lost: LostPreparation) => void;
  /**
   * A table is published; these transactions, by their 32-bit ids, made the publication and the
   * table's part in it what they are. It may have been otherwise before them. Called at each poll.
   */
  readonly onPublished?: ((oid: number, xids: readonly number[]) => void) | undefined;
}

export type LostPreparation = "publication" | "identity";

/** Polls take at most this share of the database's time: with many tables they get rarer. */
const TIME_SHARE_MAX = 0.05;

/** Polls until the signal fires; never rejects. */
export async function watchTables(options: WatchOptions): Promise<void> {
  const { intervalMs, signal, logger } = options;
  const watch = new TableWatch(options);
  let isFailing = false;
  let pauseMs = intervalMs;
  while (await isAfter(pauseMs, signal)) {
    const startMs = performance.now();
    try {
      await watch.poll();
      if (isFailing) logger.info("Watching tables again");
      isFailing = false;
    } catch (error) {
      // Once per outage: others tell of the outage itself.
      if (!isFailing && !signal.aborted) {
        logger.warn("Cannot watch tables for changes", { reason: reasonOf(error) });
      }
      isFailing = true;
    }
    pauseMs = Math.max(intervalMs, (performance.now() - startMs) / TIME_SHARE_MAX);
  }
}

/** What polls remember. Compares with the tables as given, never only with the poll before. */
export class TableWatch {
  readonly #options: Omit<WatchOptions, "intervalMs" | "signal" | "logger">;
  /** Tables found unchanged, with the fingerprint that they had then. */
  #known = new Map<Table, string>();

  constructor(options: Omit<WatchOptions, "intervalMs" | "signal" | "logger">) {
    this.#options = options;
  }

  /** Looks once. Rejects if the database can't be asked. */
  async poll(): Promise<void> {
    const tables = this.#options.tables();
    if (tables.length === 0) return;
    const isPrepared = this.#options.preparation?.isPrepared ?? (() => false);
    const prepared = [...new Set(tables.map(({ oid }) => oid).filter(isPrepared))];
    const fingerprints = await this.#readFingerprints(tables);
    const known = new Map<Table, string>();
    const suspects: Table[] = [];
    for (const table of tables) {
      const fingerprint = fingerprints.get(table.oid);
      if (fingerprint !== undefined && this.#known.get(table) === fingerprint) {
        known.set(table, fingerprint);
      } else suspects.push(table);
    }
    // What is no longer watched is forgotten.
    this.#known = known;
    await this.#compare(suspects, fingerprints);
    await this.#checkPrepared(prepared);
  }

  async #compare(suspects: readonly Table[], fingerprints: Map<number, string>): Promise<void> {
    const found = await describeOids(this.#options.sql, suspects.map(({ oid }) => oid));
    const byOid = new Map(found.map((table) => [table.oid, table]));
    for (const table of suspects) {
      this.#judge(table, byOid.get(table.oid), fingerprints.get(table.oid));
    }
  }

  #judge(table: Table, now: Table | undefined, fingerprint: string | undefined): void {
    if (now && isSameTable(table, now)) {
      // Taken before the description: if that is newer, the next poll finds it differing.
      if (fingerprint !== undefined) this.#known.set(table, fingerprint);
      return;
    }
    // Meanwhile somebody else may have looked, and more lately than we did.
    if (this.#options.tables().includes(table)) this.#options.onChange(table.oid, now);
  }

  async #readFingerprints(tables: readonly Table[]): Promise<Map<number, string>> {
    const rows = await this.#options.sql.unsafe<{ oid: string; fingerprint: string }[]>(
      `SELECT c.oid::text AS oid, pg_catalog.md5(${TABLE_JSON}) AS fingerprint
      FROM ${TABLES} WHERE c.oid IN (${tables.map(({ oid }) => oid)})`,
    );
    return new Map(rows.map(({ oid, fingerprint }) => [Number(oid), fingerprint]));
  }

  async #checkPrepared(oids: readonly number[]): Promise<void> {
    const { sql, preparation } = this.#options;
    if (!preparation || oids.length === 0) return;
    const { publication, onLost, onPublished } = preparation;
    const text = preparedTablesSql(publication, oids, await readServerVersion(sql));
    for (const { oid, published, full, xids } of await sql.unsafe<PreparedRow[]>(text)) {
      if (!published) onLost(Number(oid), "publication");
      else if (!full) onLost(Number(oid), "identity");
      if (published) onPublished?.(Number(oid), xids.split(" ").filter(Boolean).map(Number));
    }
  }
}

interface PreparedRow {
  readonly oid: string;
  readonly published: boolean;
  readonly full: boolean;
  readonly xids: string;
}

/** Resolves with true after the time, or with false as soon as the signal fires. */
function isAfter(milliseconds: number, signal: AbortSignal): Promise<boolean> {
  if (signal.aborted) return Promise.resolve(false);
  return new Promise((resolve) => {
    const settle = (isOver: boolean) => {
      clearTimeout(timer);
      signal.removeEventListener("abort", abort);
      resolve(isOver);
    };
    const abort = () => settle(false);
    const timer = setTimeout(() => settle(true), milliseconds);
    signal.addEventListener("abort", abort);
  });
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : `${error}`;
}
