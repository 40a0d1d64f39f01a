import assert from "node:assert/strict";
import { parseDatabaseUrl } from "../../replication/database_url.ts";
import { parseLsn } from "../../replication/lsn.ts";
import { Prober } from "../../replication/prober.ts";
import { setupNames } from "../../replication/setup_plan.ts";
import { flushSql } from "../../replication/wal_flush.ts";
import { startCluster } from "../support/postgres.ts";
import { type SnapshotTest, withSnapshots } from "../support/snapshot_reader.ts";

/** Postgres' longest: a commit that does not wait for the disk is there after three of them. */
const NEVER = "10s";
const SOON = "100ms";

/** A server whose commits don't wait until they are on disk. */
async function withLazyServer(
  round: string,
  check: (test: SnapshotTest) => Promise<void>,
): Promise<void> {
  const settings = { synchronous_commit: "off", wal_writer_delay: round };
  await using cluster = await startCluster({ settings });
  await withSnapshots("CREATE TABLE t (id int)", check, {}, cluster.url());
}

async function flushedTo({ sql }: SnapshotTest): Promise<bigint> {
  const [{ flushed }] = await sql`SELECT pg_current_wal_flush_lsn()::text AS flushed`;
  return parseLsn(flushed);
}

Deno.test("readSnapshot() has what it saw written to the server's disk before it ends", async () => {
  await withLazyServer(NEVER, async (test) => {
    const flush = () => test.sql.unsafe(flushSql());
    for (const purpose of ["snapshot", "reconcile"] as const) {
      await test.sql`INSERT INTO t VALUES (1)`;
      const { error, visibility } = await test.take("t", { request: { purpose }, flush });
      assert.equal(error, undefined);
      assert(visibility && await flushedTo(test) >= visibility.walPosition);
    }
  });
});

Deno.test("readSnapshot() waits until the server writes it where it may not ask for that", async () => {
  await withLazyServer(SOON, async (test) => {
    const flush = () => Promise.reject(new Error("permission denied"));
    await test.sql`INSERT INTO t VALUES (1)`;
    const { error, visibility } = await test.take("t", { flush });
    assert.equal(error, undefined);
    assert(visibility && await flushedTo(test) >= visibility.walPosition);
    // The server leaves unwritten what is no commit: there is no end to be waited for.
    await test.sql.begin(async (open) => {
      await open`INSERT INTO t VALUES (2)`;
      assert.deepEqual((await test.take("t", { flush })).rows, [["1"]]);
    });
  });
});

Deno.test("Prober.beat() writes what is on the server's disk when it answers", async () => {
  await withLazyServer(NEVER, async (test) => {
    const [{ version }] = await test.sql`
      SELECT current_setting('server_version_num')::int AS version`;
    await using prober = new Prober(parseDatabaseUrl(test.url), setupNames("beat"));
    // In the way of its version, and in the one that any knows.
    for (const serverVersion of [version, 0]) {
      const lsn = await prober.beat(serverVersion);
      assert(lsn !== undefined && await flushedTo(test) >= lsn);
    }
  });
});
