import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { isInSnapshot } from "../../shapes/visibility.ts";
import { parseLsn } from "../../replication/lsn.ts";
import { openPool } from "../../replication/connection.ts";
import { parseDatabaseUrl } from "../../replication/database_url.ts";
import { takeSnapshot, withSnapshots } from "../support/snapshot_reader.ts";

Deno.test("readSnapshot() reserves, tells the visibility, and then hands on the rows", async () => {
  await withSnapshots(
    "CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t VALUES (1, 'a'), (2, NULL)",
    async ({ take, pool }) => {
      const taken = await take("t");
      assert.equal(taken.error, undefined);
      assert.deepEqual(taken.events, ["reserved", "visible", "rows"]);
      assert.deepEqual(taken.rows, [["1", "a"], ["2", "\\N"]]);
      assert(taken.visibility && taken.visibility.xmax >= taken.visibility.xmin);
      assert(taken.visibility.walPosition > 0n);
      const [{ status }] = await pool.unsafe("SELECT pg_current_xact_id_if_assigned() AS status");
      assert.equal(status, null, "the transaction is over");
    },
  );
});

Deno.test("readSnapshot() takes only the visibility where no rows are wanted", async () => {
  await withSnapshots("CREATE TABLE t AS SELECT 1 AS id", async ({ take }) => {
    const taken = await take("t", { request: { hasRows: false } });
    assert.equal(taken.error, undefined);
    assert.deepEqual(taken.events, ["reserved", "visible"]);
  });
});

Deno.test("readSnapshot() of an empty table calls the sink with no rows", async () => {
  await withSnapshots("CREATE TABLE t (id int)", async ({ take }) => {
    const taken = await take("t");
    assert.equal(taken.error, undefined);
    assert.deepEqual(taken.events, ["reserved", "visible"]);
  });
});

Deno.test("readSnapshot() reads the wanted columns in the wanted order, where the filter holds", async () => {
  await withSnapshots(
    `CREATE TABLE t ("A b" int, c text, "q""" bool); INSERT INTO t VALUES (1, 'x', true), (2, 'y', NULL)`,
    async ({ take }) => {
      const request = { columns: [`q"`, "A b"], where: `"A b" = 1 OR c = 'z' -- "` };
      assert.deepEqual((await take("t", { request })).rows, [["true", "1"]]);
    },
  );
});

Deno.test("readSnapshot() spells values as the contract says, whatever the database's settings", async () => {
  const ddl = `
    CREATE DOMAIN flag AS bool; CREATE DOMAIN flag2 AS flag; CREATE DOMAIN host AS inet;
    CREATE TABLE t (a bool, b flag2, c bool[], d inet, e host, f inet[], g bytea, h date,
      i timestamptz, j interval, k float8, l char(4), m cidr, n json, o flag[]);
    INSERT INTO t VALUES (true, false, '{t,f}', '10.0.0.1', '::1', '{10.0.0.1}', '\\xdead',
      '2024-02-29', '2024-07-01 12:00:00+05:30', '1 day 2 hours', 0.1::float8 + 0.2::float8, 'ab',
      '10.0.0.0/8', '{"a":  1}', '{t}')`;
  const settings = {
    bytea_output: "escape",
    DateStyle: "SQL, MDY",
    TimeZone: "Asia/Kolkata",
    IntervalStyle: "postgres_verbose",
    extra_float_digits: "-5",
    statement_timeout: "1h",
  };
  await withSnapshots(ddl, async ({ take, pool }) => {
    assert.deepEqual((await take("t")).rows, [[
      "true",
      "false",
      "{t,f}",
      "10.0.0.1/32",
      "::1/128",
      "{10.0.0.1}",
      "\\\\xdead",
      "2024-02-29",
      "2024-07-01 06:30:00+00",
      "P1DT2H",
      "0.30000000000000004",
      "ab  ",
      "10.0.0.0/8",
      `{"a":  1}`,
      "{t}",
    ]]);
    const [{ zone }] = await pool.unsafe("SELECT current_setting('TimeZone') AS zone");
    assert.equal(zone, "Asia/Kolkata", "no setting outlives the transaction");
  }, settings);
});

Deno.test("readSnapshot() reads all partitions, but not the children of an ordinary table", async () => {
  const ddl = `
    CREATE TABLE root (k text, d int) PARTITION BY LIST (k);
    CREATE TABLE eu PARTITION OF root FOR VALUES IN ('eu') PARTITION BY RANGE (d);
    CREATE TABLE eu1 PARTITION OF eu FOR VALUES FROM (0) TO (9);
    CREATE TABLE us PARTITION OF root FOR VALUES IN ('us');
    INSERT INTO root VALUES ('eu', 1), ('us', 2);
    CREATE TABLE parent (a int); CREATE TABLE child () INHERITS (parent);
    INSERT INTO parent VALUES (1); INSERT INTO child VALUES (2)`;
  await withSnapshots(ddl, async ({ take }) => {
    assert.deepEqual((await take("root")).rows.toSorted(), [["eu", "1"], ["us", "2"]]);
    assert.deepEqual((await take("eu")).rows, [["eu", "1"]]);
    assert.deepEqual((await take("us")).rows, [["us", "2"]]);
    assert.deepEqual((await take("parent")).rows, [["1"]]);
  });
});

Deno.test("readSnapshot() hands on whole rows of every length", async () => {
  const ddl = `
    CREATE TABLE t AS
    SELECT i AS id, repeat(chr(97 + i % 26), (i * 7919) % 3000) || E'\\n\\t' AS v
    FROM generate_series(1, 2000) i;
    INSERT INTO t VALUES (0, repeat('0123456789abcdef', 4096 * 20)), (-1, repeat('x', 65536 - 6))`;
  await withSnapshots(ddl, async ({ take, sql }) => {
    const pieces: number[] = [];
    const taken = await take("t", {
      onRows: (bytes) => {
        pieces.push(bytes.length);
        return undefined;
      },
    });
    assert.equal(taken.error, undefined);
    const [{ hash }] = await sql.unsafe(
      `SELECT md5(string_agg(id || E'\\t' || replace(replace(v, E'\\n', '\\n'), E'\\t', '\\t') || E'\\n',
        '' ORDER BY ctid)) AS hash FROM t`,
    );
    const bytes = new TextEncoder().encode(taken.text);
    assert.equal(createHash("md5").update(bytes).digest("hex"), hash);
    assert(pieces.length < 600, `${pieces.length} pieces of ${bytes.length} bytes`);
    const long = pieces.filter((length) => length > 2 * 65536);
    assert(long.length === 1, "but for long rows a piece is what one read of the socket brings");
  });
});

Deno.test("readSnapshot() waits for the sink, and the connection lives on after a slow one", async () => {
  const ddl =
    "CREATE TABLE t AS SELECT i AS id, repeat('x', 100) AS v FROM generate_series(1, 20000) i";
  await withSnapshots(ddl, async ({ take, pool }) => {
    let waiting = 0;
    for (let round = 0; round < 3; round++) {
      const taken = await take("t", {
        onRows: () => {
          assert.equal(waiting, 0, "called while waiting");
          waiting++;
          return new Promise((resolve) =>
            setTimeout(() => {
              waiting--;
              resolve();
            }, 1)
          );
        },
      });
      assert.equal(taken.error, undefined);
      assert.equal(taken.rows.length, 20000);
      assert.equal((await pool.unsafe("SELECT 1 AS one"))[0].one, 1);
    }
  });
});

Deno.test("readSnapshot() tells the visibility of exactly the rows it reads", async () => {
  const ddl = "CREATE TABLE t (id int, xid text, lsn text)";
  await withSnapshots(ddl, async ({ describe, url }) => {
    const writers = openPool({ url: parseDatabaseUrl(url), max: 4 });
    const readers = openPool({ url: parseDatabaseUrl(url), max: 2 });
    const written: { id: number; xid: number; lsn: bigint }[] = [];
    let isOver = false;
    const write = async (writer: number) => {
      for (let i = 0; !isOver; i++) {
        const id = writer * 1_000_000 + i;
        const xid = await writers.begin(async (tx) => {
          const [row] = await tx.unsafe(
            `INSERT INTO t VALUES (${id}, pg_current_xact_id()::text)
            RETURNING xid, pg_current_wal_insert_lsn()::text AS lsn`,
          );
          // The commit record lies at or beyond this position.
          written.push({ id, xid: Number(row.xid), lsn: parseLsn(row.lsn) });
          if (i % 3 === 0) await tx.unsafe("SELECT pg_sleep(0.002)");
          return row.xid;
        });
        assert(Number(xid) > 0);
      }
    };
    const table = await describe("t");
    const running = [0, 1, 2, 3].map(write);
    const taken = [];
    for (let i = 0; i < 40; i++) taken.push(await takeSnapshot(readers, table));
    isOver = true;
    await Promise.all(running);
    let inFlight = 0;
    for (const { visibility, rows, error } of taken) {
      assert.equal(error, undefined);
      assert(visibility);
      inFlight += visibility.inProgress.length;
      const read = new Set(rows.map(([id]) => Number(id)));
      for (const { id, xid, lsn } of written) {
        // By its id alone, then by its position alone.
        assert.equal(isInSnapshot(visibility, { xid, commitLsn: 0n }), read.has(id), `id ${id}`);
        if (lsn >= visibility.walPosition) assert(!read.has(id), `position of ${id}`);
      }
    }
    assert(inFlight > 0, "some writer was in flight");
    await Promise.all([writers.end({ timeout: 1 }), readers.end({ timeout: 1 })]);
  });
});

Deno.test("readSnapshot() serves several at once on one pool", async () => {
  const ddl = "CREATE TABLE t AS SELECT i AS id FROM generate_series(1, 5000) i";
  await withSnapshots(ddl, async ({ describe, sql }) => {
    const table = await describe("t");
    const taken = await Promise.all(Array.from({ length: 9 }, () => takeSnapshot(sql, table)));
    for (const { rows, error } of taken) {
      assert.equal(error, undefined);
      assert.equal(rows.length, 5000);
    }
  });
});
