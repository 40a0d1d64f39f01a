import assert from "node:assert/strict";
import { openPool, type Sql } from "../../replication/connection.ts";
import { parseDatabaseUrl } from "../../replication/database_url.ts";
import { InvalidRequestError, UnavailableError } from "../../shapes/errors.ts";
import { TableChangedError } from "../../shapes/ports.ts";
import { until } from "../support/publication_world.ts";
import { type Taken, takeSnapshot, withSnapshots } from "../support/snapshot_reader.ts";

const BIG = `CREATE TABLE t AS
  SELECT i AS id, repeat('x', 200) AS v FROM generate_series(1, 100000) i`;

function assertUnavailable(taken: Taken, message: string): void {
  assert(taken.error instanceof UnavailableError, `${taken.error}`);
  assert.equal(taken.error.message, message);
  assert.equal(taken.error.retryAfterSeconds, 10);
  assert.equal(taken.error.isKnown, true);
}

/** The pool's only connection is idle and fit for use. */
async function assertGivenBack(pool: Sql, sql: Sql): Promise<void> {
  assert.equal((await pool.unsafe("SELECT 1 AS one"))[0].one, 1);
  assert.equal(await countBusy(sql), 0, "no statement or transaction is left");
}

async function countBusy(sql: Sql): Promise<number> {
  const [{ count }] = await sql.unsafe(
    `SELECT count(*)::int AS count FROM pg_stat_activity WHERE datname = current_database()
      AND state <> 'idle' AND pid <> pg_backend_pid() AND backend_type = 'client backend'`,
  );
  return count;
}

Deno.test("readSnapshot() stops at once when it is aborted, and gives its connection back", async () => {
  await withSnapshots(BIG, async ({ take, pool, sql }) => {
    const abort = new AbortController();
    const reason = new Error("nobody wants it");
    let calls = 0;
    const taken = await take("t", {
      signal: abort.signal,
      onRows: () => {
        if (++calls === 3) abort.abort(reason);
        return undefined;
      },
    });
    assert.equal(taken.error, reason);
    await assertGivenBack(pool, sql);
    assert.equal(calls, 3);
    const before = new AbortController();
    before.abort(reason);
    const never = await take("t", { signal: before.signal });
    assert.equal(never.error, reason);
    assert.deepEqual(never.events, []);
  });
});

Deno.test("readSnapshot() can be aborted while the sink makes it wait", async () => {
  await withSnapshots(BIG, async ({ take, pool, sql }) => {
    const abort = new AbortController();
    let calls = 0;
    const taken = await take("t", {
      signal: abort.signal,
      onRows: () => {
        calls++;
        queueMicrotask(() => abort.abort(new Error("gone")));
        return new Promise(() => {});
      },
    });
    assert.equal((taken.error as Error).message, "gone");
    await assertGivenBack(pool, sql);
    assert.equal(calls, 1);
  });
});

Deno.test("readSnapshot() can be aborted while the sink is at the last rows", async () => {
  await withSnapshots("CREATE TABLE t AS SELECT 1 AS id", async ({ take, pool, sql }) => {
    const abort = new AbortController();
    const taken = await take("t", {
      signal: abort.signal,
      onRows: () => {
        setTimeout(() => abort.abort(new Error("gone")), 100);
        return new Promise(() => {});
      },
    });
    assert.equal((taken.error as Error).message, "gone");
    await assertGivenBack(pool, sql);
  });
});

Deno.test("readSnapshot() can be aborted before its first row", async () => {
  await withSnapshots("CREATE TABLE t AS SELECT 1 AS id", async ({ take, pool, sql }) => {
    const abort = new AbortController();
    const taken = await take("t", {
      signal: abort.signal,
      request: { where: "pg_sleep(60) IS NULL" },
      onVisible: () => setTimeout(() => abort.abort(new Error("gone")), 50),
    });
    assert.equal((taken.error as Error).message, "gone");
    await assertGivenBack(pool, sql);
  });
});

for (
  const [how, fail] of [
    ["throws", () => {
      throw new Error("the disk is full");
    }],
    ["rejects", () => Promise.reject(new Error("the disk is full"))],
  ] as const
) {
  Deno.test(`readSnapshot() ends with the sink's error when it ${how}`, async () => {
    await withSnapshots(BIG, async ({ take, pool, sql }) => {
      const taken = await take("t", { onRows: fail });
      assert.equal((taken.error as Error).message, "the disk is full");
      await assertGivenBack(pool, sql);
    });
  });
}

Deno.test("readSnapshot() ends with the error of a caller's callback", async () => {
  await withSnapshots("CREATE TABLE t AS SELECT 1 AS id", async ({ take, pool, sql }) => {
    const fail = () => {
      throw new TypeError("no");
    };
    assert((await take("t", { onReserved: fail })).error instanceof TypeError);
    assert((await take("t", { onVisible: fail })).error instanceof TypeError);
    await assertGivenBack(pool, sql);
  });
});

Deno.test("readSnapshot() cancels a query that takes too long to its first row", async () => {
  await withSnapshots("CREATE TABLE t AS SELECT 1 AS id", async ({ take, pool, sql }) => {
    const taken = await take("t", {
      request: { where: "pg_sleep(60) IS NULL" },
      limits: { firstRowTimeoutMs: 100 },
    });
    assertUnavailable(
      taken,
      "Snapshot query took too long to return data (cancelled after 100ms). Please ensure snapshot " +
        "queries are using an index to avoid taking up all database connections.",
    );
    assert.deepEqual(taken.events, ["reserved", "visible"]);
    await assertGivenBack(pool, sql);
  });
});

Deno.test("readSnapshot() has no time limit after the first row", async () => {
  const ddl = "CREATE TABLE t AS SELECT i AS id, repeat('x', 9000) v FROM generate_series(1, 4) i";
  await withSnapshots(ddl, async ({ take }) => {
    const taken = await take("t", {
      request: { where: "id = 1 OR pg_sleep(0.1) IS NOT NULL" },
      limits: { firstRowTimeoutMs: 250 },
    });
    assert.equal(taken.error, undefined);
    assert.equal(taken.rows.length, 4);
  });
});

Deno.test("readSnapshot() waits for a table lock before it reserves, and not for ever", async () => {
  const ddl = "CREATE TABLE t AS SELECT 1 AS id";
  await withSnapshots(ddl, async ({ describe, pool, sql }) => {
    const table = await describe("t");
    let waiting: Promise<Taken> | undefined;
    await sql.begin(async (tx) => {
      await tx.unsafe("TRUNCATE t; INSERT INTO t VALUES (2)");
      const taken = await takeSnapshot(pool, table, { limits: { lockTimeoutMs: 100 } });
      assertUnavailable(taken, "Snapshot timed out while waiting for a table lock");
      assert.deepEqual(taken.events, []);
      waiting = takeSnapshot(pool, table);
      await until(async () => {
        const [{ count }] = await tx.unsafe(
          "SELECT count(*)::int AS count FROM pg_locks WHERE relation = 't'::regclass AND NOT granted",
        );
        return count === 1;
      });
    });
    // A snapshot older than TRUNCATE would have seen no row at all.
    assert.deepEqual((await waiting)?.rows, [["2"]]);
    await assertGivenBack(pool, sql);
  });
});

Deno.test("readSnapshot() waits for a free connection, but not for ever", async () => {
  await withSnapshots("CREATE TABLE t AS SELECT 1 AS id", async ({ describe, pool, sql }) => {
    const table = await describe("t");
    await pool.begin(async (tx) => {
      await tx.unsafe("SELECT 1");
      const taken = await takeSnapshot(pool, table, { limits: { queueTimeoutMs: 50 } });
      assertUnavailable(
        taken,
        "Snapshot creation failed because of a connection pool queue timeout",
      );
      assert.deepEqual(taken.events, []);
    });
    assert.deepEqual((await takeSnapshot(pool, table)).rows, [["1"]]);
    await assertGivenBack(pool, sql);
  });
});

Deno.test("readSnapshot() notices that the table changed since it was described", async () => {
  const ddl = "CREATE TABLE t (id int, v text); INSERT INTO t VALUES (1, 'a')";
  await withSnapshots(ddl, async ({ describe, pool, sql }) => {
    const table = await describe("t");
    const cases: [change: string, where: string | undefined][] = [
      ["ALTER TABLE t RENAME v TO w", undefined],
      ["ALTER TABLE t RENAME w TO v; ALTER TABLE t ALTER id TYPE text", "id = 1 + 1"],
      ["ALTER TABLE t RENAME TO u", undefined],
      ["CREATE TABLE t (id int, v text)", undefined],
    ];
    for (const [change, where] of cases) {
      await sql.unsafe(change);
      const taken = await takeSnapshot(pool, table, { request: { where } });
      assert(taken.error instanceof TableChangedError, `${change}: ${taken.error}`);
    }
    const taken = await takeSnapshot(pool, table);
    assert.deepEqual(taken.events, ["reserved"], "another table's rows are not told of");
    await assertGivenBack(pool, sql);
  });
});

Deno.test("readSnapshot() says what it lacks the privilege for, and needs only the columns it reads", async () => {
  const role = `reader_${crypto.randomUUID().slice(0, 8)}`;
  const ddl = `CREATE TABLE t AS SELECT 1 AS id, 2 AS secret;
    CREATE ROLE ${role} LOGIN; GRANT SELECT (id) ON t TO ${role}`;
  await withSnapshots(ddl, async ({ describe, url, sql }) => {
    const table = await describe("t");
    const user = { ...parseDatabaseUrl(url), user: role };
    const pool = openPool({ url: user, max: 1 });
    try {
      const denied = await takeSnapshot(pool, table);
      assertUnavailable(denied, "Unable to create initial snapshot: permission denied for table t");
      const allowed = await takeSnapshot(pool, table, { request: { columns: ["id"] } });
      assert.equal(allowed.error, undefined);
      assert.deepEqual(allowed.rows, [["1"]]);
      assert.deepEqual(allowed.events, ["reserved", "visible", "rows"]);
    } finally {
      await pool.end({ timeout: 1 });
      await sql.unsafe(`DROP OWNED BY ${role}; DROP ROLE ${role}`);
    }
  });
});

Deno.test("readSnapshot() passes on what goes wrong in the rows, without the query", async () => {
  await withSnapshots(BIG, async ({ take, pool, sql }) => {
    const taken = await take("t", { request: { where: "1 / (id - 90000) < 2" } });
    const { error } = taken;
    assert(error instanceof InvalidRequestError);
    assert.deepEqual(error.errors, { where: ["division by zero"] });
    assert(!Deno.inspect(Object.entries(error)).includes("SELECT"));
    assert.deepEqual(taken.events, ["reserved", "visible", "rows"]);
    await assertGivenBack(pool, sql);
  });
});

Deno.test("readSnapshot() survives the loss of its connection, whatever it is doing", async () => {
  await withSnapshots(BIG, async ({ describe, pool, sql }) => {
    const table = await describe("t");
    const kill = () =>
      sql.unsafe(
        `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database()
          AND pid <> pg_backend_pid() AND state <> 'idle'`,
      );
    let calls = 0;
    const midway = await takeSnapshot(pool, table, {
      onRows: () => ++calls === 5 ? kill().then(() => {}) : undefined,
    });
    assertUnavailable(midway, "Database connection not available");
    const early = await takeSnapshot(pool, table, {
      request: { where: "pg_sleep(60) IS NULL" },
      onVisible: () => setTimeout(kill, 100),
    });
    assertUnavailable(early, "Database connection not available");
    // All rows have come; the sink is still at the last of them when the connection goes.
    const late = await takeSnapshot(pool, table, {
      request: { where: "id < 3" },
      onRows: async () => {
        await until(async () => {
          await kill();
          return await countBusy(sql) === 0;
        });
        await new Promise((resolve) => setTimeout(resolve, 100));
      },
    });
    assertUnavailable(late, "Database connection not available");
    assert.equal((await takeSnapshot(pool, table)).rows.length, 100_000);
    await assertGivenBack(pool, sql);
  });
});

Deno.test("readSnapshot() says when there is no database to ask", async () => {
  await withSnapshots("CREATE TABLE t AS SELECT 1 AS id", async ({ describe }) => {
    const url = parseDatabaseUrl("postgresql://postgres@127.0.0.1:1/none");
    const pool = openPool({ url, max: 1 });
    assertUnavailable(
      await takeSnapshot(pool, await describe("t")),
      "Database connection not available",
    );
    await pool.end({ timeout: 0 });
  });
});

Deno.test("readSnapshot() refuses a condition that is wrong for every row before it is visible", async () => {
  await withSnapshots(BIG, async ({ take, pool, sql }) => {
    const { error, events } = await take("t", { request: { where: "'soon'::interval > '1 day'" } });
    assert(error instanceof InvalidRequestError);
    assert.deepEqual(error.errors, { where: ["invalid syntax for type interval: soon"] });
    assert.deepEqual(events, ["reserved"]);
    await assertGivenBack(pool, sql);
  });
});
