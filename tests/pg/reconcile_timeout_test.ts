import assert from "node:assert/strict";
import { InvalidRequestError, TooSlowError, UnavailableError } from "../../shapes/errors.ts";
import { until } from "../support/publication_world.ts";
import { withSnapshots } from "../support/snapshot_reader.ts";

const RECONCILE = { purpose: "reconcile" } as const;
/** Rows come at once, but the last one never. */
const SLOW =
  `CREATE TABLE t AS SELECT i AS id, repeat('x', 200) AS v FROM generate_series(1, 1000) i;
  CREATE VIEW slow AS SELECT id, v FROM t WHERE id < 1000 OR pg_sleep(600)::text = ''`;
const LIMITS = { reconcileTimeoutMs: 300 };

Deno.test("readSnapshot() for a reconcile is cancelled when it takes longer than it may", async () => {
  await withSnapshots(SLOW, async ({ take, pool }) => {
    for (let attempt = 1; attempt <= 2; attempt++) {
      const { error, events } = await take("slow", { request: RECONCILE, limits: LIMITS });
      assert(error instanceof TooSlowError, `${error}`);
      assert.equal(error.message, tooLong(300));
      assert.deepEqual(events, ["reserved", "visible", "rows"]);
      const [{ timeout }] = await pool.unsafe(
        "SELECT current_setting('statement_timeout') AS timeout",
      );
      assert.equal(timeout, "0", "the connection is given back, as it was");
    }
    const { rows } = await take("t", { request: RECONCILE, limits: LIMITS });
    assert.equal(rows.length, 1000, "others are as they were");
  });
});

Deno.test("readSnapshot() for a reconcile is cancelled also while it waits for a table's lock", async () => {
  await withSnapshots("CREATE TABLE t (id int)", async ({ take, sql }) => {
    const locked = Promise.withResolvers<void>(), done = Promise.withResolvers<void>();
    const locking = sql.begin(async (tx) => {
      await tx.unsafe("LOCK TABLE t IN ACCESS EXCLUSIVE MODE");
      locked.resolve();
      await done.promise;
    });
    await locked.promise;
    const { error, events } = await take("t", { request: RECONCILE, limits: LIMITS });
    assert(error instanceof TooSlowError, `${error}`);
    assert.deepEqual(events, []);
    done.resolve();
    await locking;
    assert.equal((await take("t", { request: RECONCILE, limits: LIMITS })).error, undefined);
  });
});

Deno.test("readSnapshot() takes what it takes for first rows, and for a reconcile without limit", async () => {
  const ddl = `CREATE TABLE t AS SELECT i AS id FROM generate_series(1, 2) i;
    CREATE VIEW unhurried AS SELECT id FROM t WHERE pg_sleep(0.3)::text = ''`;
  await withSnapshots(ddl, async ({ take }) => {
    const first = await take("unhurried", { limits: { reconcileTimeoutMs: 100 } });
    assert.deepEqual([first.error, first.rows.length], [undefined, 2]);
    const free = await take("unhurried", { request: RECONCILE });
    assert.deepEqual([free.error, free.rows.length], [undefined, 2]);
  });
});

Deno.test("readSnapshot() tells what an operator has cancelled, and a bad row, from what was too slow", async () => {
  await withSnapshots(SLOW, async ({ take, sql }) => {
    const taking = take("slow", { request: RECONCILE, limits: { reconcileTimeoutMs: 60_000 } });
    await until(async () => {
      const [{ cancelled }] = await sql.unsafe(
        `SELECT count(pg_cancel_backend(pid))::int AS cancelled FROM pg_stat_activity
          WHERE datname = current_database() AND wait_event = 'PgSleep'`,
      );
      return cancelled === 1;
    });
    const { error } = await taking;
    assert(error instanceof UnavailableError && !(error instanceof TooSlowError), `${error}`);
    const bad = await take("t", {
      request: { ...RECONCILE, where: "1 / (id - 1) < 2" },
      limits: LIMITS,
    });
    assert(bad.error instanceof InvalidRequestError, `${bad.error}`);
  });
});

function tooLong(ms: number): string {
  return `Comparing the shape with the database took too long (cancelled after ${ms}ms)`;
}
