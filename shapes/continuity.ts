/**
 * Keeps the logs going over the database's breaks: a slot made anew, a replica promoted, a backup
 * restored. What the stream then leaves out comes by reconciling; nobody is sent back to start.
 */

import type { Catalog } from "./catalog.ts";
import { beginHistory, type HistoryName, isSameHistory } from "./history.ts";
import type { Ingest } from "./ingest.ts";
import type { ShapeStore, StoredIdentity } from "./log/store.ts";
import type { SourceOrigin } from "./ports.ts";

export interface ContinuityOptions {
  readonly store: ShapeStore;
  readonly catalog: Pick<Catalog, "loseAll" | "endAll">;
  readonly ingest: Pick<Ingest, "restart" | "reached" | "positions">;
  /** What the stored logs were written from. */
  readonly stored: StoredIdentity | undefined;
}

/** What a stream that is about to start belongs to. */
export interface StreamStart extends HistoryName {
  /** Changes may be missing before `confirmedLsn`. */
  readonly isSlotNew: boolean;
  /** The stream brings every transaction whose commit ends after this. */
  readonly confirmedLsn: bigint;
  /** Where the server's WAL ends now. */
  readonly serverLsn: bigint;
}

export class Continuity {
  readonly #options: ContinuityOptions;
  #identity: StoredIdentity | undefined;

  constructor(options: ContinuityOptions) {
    this.#options = options;
    this.#identity = options.stored;
  }

  /** The history that the logs tell of; undefined before the first stream. */
  get identity(): StoredIdentity | undefined {
    return this.#identity;
  }

  /** The stream won't go on where it ended. When it resolves a crash can't make that forgotten. */
  async lose(reason: string): Promise<void> {
    const { catalog, store } = this.#options;
    catalog.loseAll(reason);
    await store.flushed();
  }

  /** A stream begins. Rejects if storage failed. */
  async begin(start: StreamStart): Promise<void> {
    const reason = this.#whyLost(start);
    if (reason !== undefined || this.#identity === undefined) {
      await this.#beginHistory(start, start.confirmedLsn, reason);
    }
    this.#options.ingest.restart(start.confirmedLsn, start.serverLsn);
  }

  /** A query met another history than the logs tell of. `walPosition` is as the database counts. */
  async meet(origin: SourceOrigin, walPosition: bigint): Promise<void> {
    const { timeline, database, isReplica } = origin;
    // A replica's history is its primary's; what it is called is told when it is one itself.
    if (isReplica) return;
    const systemId = origin.systemId ?? this.#identity?.systemId ?? "";
    const name = { systemId, timeline, database };
    if (isSameHistory(this.#identity, name)) return;
    await this.#beginHistory(name, walPosition, "The database has another history");
  }

  /** Why shapes lack changes; undefined if they don't. */
  #whyLost(start: StreamStart): string | undefined {
    if (this.#identity === undefined) return undefined;
    if (!isSameHistory(this.#identity, start)) return "The database has another history";
    return start.isSlotNew ? "The replication slot is new" : undefined;
  }

  async #beginHistory(name: HistoryName, position: bigint, reason = ""): Promise<void> {
    const { catalog, store, ingest } = this.#options;
    const before = this.#identity;
    if (before && before.database !== name.database) catalog.endAll("The database is another one");
    else if (before) catalog.loseAll(reason);
    this.#identity = beginHistory(name, before, position, ingest.reached);
    store.setIdentity(this.#identity);
    await ingest.positions.begin(this.#identity);
  }
}
