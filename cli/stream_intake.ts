/** Takes the replication stream into the domain: each session is checked before its events come. */

import type { Sql } from "../replication/connection.ts";
import { parseLsn } from "../replication/lsn.ts";
import type { Session, StreamSink } from "../replication/stream_sink.ts";
import { ConnectionError } from "../replication/postgres_error.ts";
import type { GapCause } from "../replication/setup_plan.ts";
import type { PostgresSource } from "../replication/source.ts";
import type { Catalog } from "../shapes/catalog.ts";
import type { StreamEvent } from "../shapes/change.ts";
import type { Continuity } from "../shapes/continuity.ts";
import type { Ingest } from "../shapes/ingest.ts";

export interface IntakeOptions {
  readonly continuity: Continuity;
  readonly catalog: Catalog;
  readonly ingest: Ingest;
  /** `ingest.accept`, as it is traced. */
  readonly accept: StreamSink["accept"];
  readonly source: PostgresSource;
  readonly admin: Sql;
}

const GAP_REASONS: Readonly<Record<GapCause, string>> = {
  slotMissing: "The replication slot is gone",
  slotLost: "The replication slot was lost",
  walBudget: "The replication slot kept more WAL than it may",
  publicationMissing: "The publication is gone",
  publicationIncomplete: "The publication left changes out",
};

/** `server_version_num` of the first Postgres whose stream carries stored generated columns. */
const GENERATED_COLUMNS_SINCE = 180_000;

export class StreamIntake implements StreamSink {
  readonly #options: IntakeOptions;

  constructor(options: IntakeOptions) {
    this.#options = options;
  }

  beforeGap(cause: GapCause): Promise<void> {
    return this.#options.continuity.lose(GAP_REASONS[cause]);
  }

  async begin(session: Session): Promise<void> {
    const { continuity, catalog, source, admin } = this.#options;
    const { serverLsn, ...collation } = await withDeadline(readDatabase(admin));
    source.forgetAll();
    catalog.setRules({
      hasGeneratedColumns: session.serverVersion >= GENERATED_COLUMNS_SINCE,
      ...collation,
    });
    await continuity.begin({ ...session, serverLsn });
  }

  end(): void {
    this.#options.ingest.suspend();
  }

  accept(events: readonly StreamEvent[]): Promise<void> | undefined {
    return this.#options.accept(events);
  }
}

/** A pool may hold a connection that a silent network has left; then the stream is set up anew. */
const READ_MS = 5_000;

async function withDeadline<T>(reading: Promise<T>): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(
    () => reject(new ConnectionError("timeout", "Server does not answer queries")),
    READ_MS,
  );
  try {
    return await Promise.race([reading, promise]);
  } finally {
    clearTimeout(timer);
  }
}

interface Database {
  /** Where the WAL ends. */
  readonly serverLsn: bigint;
  /** How the default collation orders text. */
  readonly isTextOrderBytewise: boolean;
  /** The default collation's name if it is one of the C library's. */
  readonly defaultCollation?: string;
}

async function readDatabase(sql: Sql): Promise<Database> {
  // Postgres 14 has no other providers, and no column that says so.
  const [row] = await sql`
    select datcollate in ('C', 'POSIX', 'C.UTF-8', 'C.utf8') as bytewise, datctype,
        coalesce(to_jsonb(d) ->> 'datlocprovider', 'c') as provider,
        pg_current_wal_insert_lsn()::text as wal
      from pg_database d where datname = current_database()`;
  const isLibrary = row.provider === "c";
  return {
    serverLsn: parseLsn(row.wal),
    // The built-in provider's locales order by code points, all of them.
    isTextOrderBytewise: row.provider === "b" || isLibrary && row.bytewise === true,
    defaultCollation: isLibrary ? `${row.datctype}` : undefined,
  };
}
