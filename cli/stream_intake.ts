/** Takes the replication stream into the domain: each session is checked before its events come. */

import type { Sql } from "../replication/connection.ts";
import type { Session, StreamSink } from "../replication/replicator.ts";
import type { GapCause } from "../replication/setup_plan.ts";
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

  beforeGap(_cause: GapCause): Promise<void> {
    return Promise.resolve();
  }

  async begin(session: Session): Promise<void> {
    const { store, catalog, ingest, source, admin } = this.#options;
    const collation = await readDefaultCollation(admin);
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
      ...collation,
    });
    ingest.restart(session.confirmedLsn);
  }

  accept(events: readonly StreamEvent[]): Promise<void> | undefined {
    return this.#options.ingest.accept(events);
  }
}

/** How the database's default collation orders text, and its name if it is one of the C library's. */
async function readDefaultCollation(
  sql: Sql,
): Promise<{ isTextOrderBytewise: boolean; defaultCollation?: string }> {
  // Postgres 14 has no other providers, and no column that says so.
  const [row] = await sql`
    select datcollate in ('C', 'POSIX', 'C.UTF-8', 'C.utf8') as bytewise, datctype,
        coalesce(to_jsonb(d) ->> 'datlocprovider', 'c') as provider
      from pg_database d where datname = current_database()`;
  const isLibrary = row.provider === "c";
  return {
    // The built-in provider's locales order by code points, all of them.
    isTextOrderBytewise: row.provider === "b" || isLibrary && row.bytewise === true,
    defaultCollation: isLibrary ? `${row.datctype}` : undefined,
  };
}
