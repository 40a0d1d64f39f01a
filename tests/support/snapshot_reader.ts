/** Takes snapshots in tests and keeps what the sink was given. */

import assert from "node:assert/strict";
import { openPool, type Sql } from "../../replication/connection.ts";
import { parseDatabaseUrl } from "../../replication/database_url.ts";
import { describeTable } from "../../replication/inspect.ts";
import { readSnapshot, type SnapshotLimits } from "../../replication/snapshot_query.ts";
import type {
  SnapshotRequest,
  SnapshotSink,
  SourceOrigin,
  Visibility,
} from "../../shapes/ports.ts";
import type { Table } from "../../shapes/table.ts";
import { testDatabase } from "./postgres.ts";

export interface SnapshotTest {
  /** Two connections. */
  readonly sql: Sql;
  /** One connection, so that one which is not given back is noticed. */
  readonly pool: Sql;
  readonly url: string;
  describe(name: string): Promise<Table>;
  take(name: string, options?: TakeOptions): Promise<Taken>;
}

export interface TakeOptions {
  readonly request?: Partial<SnapshotRequest>;
  readonly limits?: Partial<SnapshotLimits>;
  readonly signal?: AbortSignal;
  readonly pool?: Sql;
  readonly onReserved?: () => void;
  readonly onVisible?: () => void;
  readonly onRows?: SnapshotSink["rows"];
  readonly flush?: () => Promise<unknown>;
}

export interface Taken {
  /** "reserved", "visible" and "rows", consecutive "rows" once. */
  readonly events: readonly string[];
  readonly visibility: Visibility | undefined;
  readonly origin: SourceOrigin | undefined;
  readonly text: string;
  /** Fields as COPY wrote them, not unescaped. */
  readonly rows: readonly (readonly string[])[];
  /** What it rejected with. */
  readonly error: unknown;
}

export const SNAPSHOT_TEST_LIMITS: SnapshotLimits = {
  queueTimeoutMs: 20_000,
  lockTimeoutMs: 20_000,
  firstRowTimeoutMs: 20_000,
  reconcileTimeoutMs: 0,
};

export async function withSnapshots(
  ddl: string,
  check: (test: SnapshotTest) => Promise<void>,
  settings: Record<string, string> = {},
  serverUrl?: string,
): Promise<void> {
  await using database = await testDatabase({ settings, ...serverUrl ? { serverUrl } : {} });
  const url = parseDatabaseUrl(database.url);
  const sql = openPool({ url, max: 2 });
  const pool = openPool({ url, max: 1 });
  const describe = async (name: string) => {
    const table = await describeTable(sql, { schema: "public", name });
    assert(table, name);
    return table;
  };
  const take = async (name: string, options: TakeOptions = {}) =>
    await takeSnapshot(options.pool ?? pool, await describe(name), options);
  try {
    await sql.unsafe(ddl);
    await check({ sql, pool, url: database.url, describe, take });
  } finally {
    await Promise.all([sql.end({ timeout: 0 }), pool.end({ timeout: 0 })]);
  }
}

export async function takeSnapshot(
  pool: Sql,
  table: Table,
  options: TakeOptions = {},
): Promise<Taken> {
  const events: string[] = [];
  let visibility: Visibility | undefined, origin: SourceOrigin | undefined;
  let text = "";
  let error: unknown;
  const decoder = new TextDecoder();
  const request: SnapshotRequest = {
    table,
    columns: table.columns.map(({ name }) => name),
    where: undefined,
    hasRows: true,
    purpose: "snapshot",
    ...options.request,
  };
  const sink: SnapshotSink = {
    visible(seen, from) {
      events.push("visible");
      visibility = seen;
      origin = from;
      options.onVisible?.();
    },
    rows(bytes) {
      assert(bytes.length > 0);
      assert.equal(bytes.at(-1), 10, "whole rows");
      if (events.at(-1) !== "rows") events.push("rows");
      text += decoder.decode(bytes);
      return options.onRows?.(bytes);
    },
  };
  const onReserved = () => {
    events.push("reserved");
    options.onReserved?.();
  };
  const signal = options.signal ?? new AbortController().signal;
  const limits = { ...SNAPSHOT_TEST_LIMITS, ...options.limits };
  await readSnapshot(pool, request, sink, { onReserved, signal, limits, flush: options.flush })
    .catch((thrown) => error = thrown ?? "nothing");
  const rows = text.split("\n").slice(0, -1).map((line) => line.split("\t"));
  return { events, visibility, origin, text, rows, error };
}
