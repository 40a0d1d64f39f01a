/** Databases with a publication, and what tests ask of them. */

import assert from "node:assert/strict";
import { openPool, type Sql } from "../../replication/connection.ts";
import { parseDatabaseUrl } from "../../replication/database_url.ts";
import { describeTable } from "../../replication/inspect.ts";
import { Publisher, type PublisherLimits } from "../../replication/publication.ts";
import { UnavailableError } from "../../shapes/errors.ts";
import type { Logger } from "../../shapes/ports.ts";
import type { Table } from "../../shapes/table.ts";
import { testDatabase } from "./postgres.ts";

export const PUBLICATION = "electric_publication_t";
const SILENT: Logger = { debug() {}, info() {}, warn() {}, error() {} };

export interface PublisherTest {
  readonly sql: Sql;
  readonly url: string;
  describe(name: string, schema?: string): Promise<Table>;
  publisher(
    options?: {
      isManual?: boolean;
      sql?: Sql;
      limits?: Partial<PublisherLimits>;
      onUnpublished?: (oid: number) => Promise<void>;
    },
  ): Publisher;
}

export async function withPublisher(
  ddl: string,
  check: (test: PublisherTest) => Promise<void>,
  publication = `CREATE PUBLICATION ${PUBLICATION}`,
): Promise<void> {
  await using database = await testDatabase();
  const sql = openPool({ url: parseDatabaseUrl(database.url), max: 6 });
  try {
    await sql.unsafe(ddl);
    if (publication) await sql.unsafe(publication);
    await check({
      sql,
      url: database.url,
      async describe(name, schema = "public") {
        const table = await describeTable(sql, { schema, name });
        assert(table, name);
        return table;
      },
      publisher: ({ isManual = false, sql: pool = sql, limits, onUnpublished } = {}) =>
        new Publisher({
          sql: pool,
          publication: PUBLICATION,
          isManual,
          onUnpublished,
          logger: SILENT,
          limits: { lockTimeoutMs: 5000, writerTimeoutMs: 10_000, ...limits },
        }),
    });
  } finally {
    await sql.end({ timeout: 0 });
  }
}

export async function published(sql: Sql): Promise<string[]> {
  const rows = await sql.unsafe(
    "SELECT tablename AS name FROM pg_publication_tables ORDER BY 1",
  );
  return rows.map(({ name }) => name);
}

export async function identities(sql: Sql): Promise<Record<string, string>> {
  const rows = await sql.unsafe(
    `SELECT relname AS name, relreplident AS identity FROM pg_class
      WHERE relkind IN ('r', 'p') AND relnamespace = 'public'::regnamespace ORDER BY 1`,
  );
  return Object.fromEntries(rows.map(({ name, identity }) => [name, identity]));
}

export async function failureOf(promise: Promise<void>): Promise<UnavailableError> {
  const error = await promise.then(() => "it resolved", (error) => error);
  assert(error instanceof UnavailableError, `${error}`);
  assert.equal(error.retryAfterSeconds, 10);
  assert.equal(error.isKnown, true);
  return error;
}

export async function until(isSo: () => Promise<boolean>): Promise<void> {
  const deadline = performance.now() + 10_000;
  while (!await isSo()) {
    assert(performance.now() < deadline, "it never came about");
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

/** True if the promise is still pending after all that is going on at the database by itself. */
export async function isPending(promise: Promise<void>, sql: Sql): Promise<boolean> {
  let isSettled = false;
  promise.then(() => isSettled = true, () => isSettled = true);
  for (let i = 0; i < 10; i++) await sql.unsafe("SELECT pg_sleep(0.02)");
  return !isSettled;
}
