/** Takes the replication stream into the domain: each session is checked before its events come. */

import type { Sql } from "../replication/connection.ts";
import type { Session, StreamSink } from "../replication/replicator.ts";
import type { PostgresSource } from "../replication/source.ts";
import type { Catalog } from "../shapes/catalog.ts";
import type { StreamEvent } from "../shapes/change.ts";
import type { Ingest } from "../shapes/ingest.ts";
import type { ShapeStore, StoredIdentity } from "../shapes/log/store.ts";
import { whyStartOver } from "../shapes/session.ts";

export interface IntakeOptions {
  readonly store: ShapeStore;
  readonly catalog: Catalog;
  readonly ingest: Ingest;
  readonly source: PostgresSource;
  readonly admin: Sql;
  /** What the stored logs were written from. */
  readonly stored: StoredIdentity | undefined;
}

/** `server_version_num` of the first Postgres whose stream carries stored generated columns. */
const GENERATED_COLUMNS_SINCE = 180_000;

export class StreamIntake implements StreamSink {
  readonly #options: IntakeOptions;
  #identity: StoredIdentity | undefined;

  constructor(options: IntakeOptions) {
    this.#options = options;
    this.#identity = options.stored;
  }

  async begin(session: Session): Promise<void> {
    const { store, catalog, ingest, source, admin } = this.#options;
    const isTextOrderBytewise = await hasBytewiseText(admin);
    const reason = whyStartOver(this.#identity, session);
    if (reason) {
      catalog.endAll(reason);
      await ingest.startOver(session.confirmedLsn);
    }
    const { systemId, timeline, database } = session;
    this.#identity = { systemId, timeline, database };
    store.setIdentity(this.#identity);
    source.forgetAll();
    catalog.setRules({
      hasGeneratedColumns: session.serverVersion >= GENERATED_COLUMNS_SINCE,
      isTextOrderBytewise,
    });
    ingest.restart(session.confirmedLsn);
  }

  accept(events: readonly StreamEvent[]): Promise<void> | undefined {
    return this.#options.ingest.accept(events);
  }
}

/** Whether the database's default collation compares text by its bytes. */
async function hasBytewiseText(sql: Sql): Promise<boolean> {
  const [row] = await sql`
    select datcollate in ('C', 'POSIX', 'C.UTF-8', 'C.utf8') as bytewise
      from pg_database where datname = current_database()`;
  return row.bytewise === true;
}
