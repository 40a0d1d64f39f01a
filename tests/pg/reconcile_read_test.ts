import assert from "node:assert/strict";
import { parseLsn } from "../../replication/lsn.ts";
import { POSITION_SQL } from "../../replication/snapshot_sql.ts";
import { withSnapshots } from "../support/snapshot_reader.ts";

const RECONCILE = { purpose: "reconcile" } as const;

Deno.test("readSnapshot() for a reconcile spells values as the stream does", async () => {
  const ddl = `
    CREATE DOMAIN flag AS bool; CREATE DOMAIN host AS inet;
    CREATE TABLE t (a bool, b flag, c bool[], d inet, e host, f inet[], g cidr, h inet);
    INSERT INTO t VALUES (true, false, '{t,f}', '10.0.0.1', '::1', '{10.0.0.1,::1}', '10.0.0.0/8',
      '10.0.0.1/24')`;
  await withSnapshots(ddl, async ({ take }) => {
    const { rows: [values], error } = await take("t", { request: RECONCILE });
    assert.equal(error, undefined);
    assert.deepEqual(values.slice(0, -1), [
      "t",
      "f",
      "{t,f}",
      "10.0.0.1",
      "::1",
      "{10.0.0.1,::1}",
      "10.0.0.0/8",
      "10.0.0.1/24",
    ]);
    const snapshot = await take("t");
    assert.deepEqual(snapshot.rows[0].slice(0, 5), [
      "true",
      "false",
      "{t,f}",
      "10.0.0.1/32",
      "::1/128",
    ]);
    assert.equal(snapshot.origin, undefined);
  });
});

const TABLES = {
  "an ordinary table": "CREATE TABLE t (id int PRIMARY KEY)",
  "a table without key": "CREATE TABLE t (id int)",
  "a partitioned table": `CREATE TABLE t (id int PRIMARY KEY) PARTITION BY RANGE (id);
    CREATE TABLE t_low PARTITION OF t FOR VALUES FROM (minvalue) TO (2);
    CREATE TABLE t_rest PARTITION OF t FOR VALUES FROM (2) TO (maxvalue) PARTITION BY RANGE (id);
    CREATE TABLE t_high PARTITION OF t_rest FOR VALUES FROM (2) TO (maxvalue)`,
};

for (const [what, ddl] of Object.entries(TABLES)) {
  Deno.test(`readSnapshot() for a reconcile tells which transaction wrote each row of ${what}`, async () => {
    await withSnapshots(ddl, async ({ take, sql }) => {
      const write = async (id: number) => {
        const [{ xid }] = await sql.unsafe(
          `WITH w AS (INSERT INTO t VALUES (${id}) RETURNING 1)
            SELECT pg_current_xact_id()::xid::text AS xid FROM w`,
        );
        return xid as string;
      };
      const xids = [await write(1), await write(2), await write(3)];
      const { rows, error } = await take("t", { request: { ...RECONCILE, where: "id <> 2" } });
      assert.equal(error, undefined);
      const sorted = rows.toSorted(([a], [b]) => Number(a) - Number(b));
      assert.deepEqual(sorted, [["1", xids[0]], ["3", xids[2]]]);
    });
  });
}

Deno.test("readSnapshot() for a reconcile tells the history and the position of what it reads", async () => {
  await withSnapshots("CREATE TABLE t (id int)", async ({ take, sql }) => {
    const position = async () => parseLsn((await sql.unsafe(POSITION_SQL))[0].position);
    const before = await position();
    await sql.unsafe("INSERT INTO t VALUES (1)");
    const { origin, visibility, events } = await take("t", { request: RECONCILE });
    const [{ system, timeline, database }] = await sql.unsafe(
      `SELECT (SELECT system_identifier FROM pg_control_system())::text AS system,
        (SELECT timeline_id FROM pg_control_checkpoint()) AS timeline,
        current_database()::text AS database`,
    );
    assert.deepEqual(origin, { systemId: system, timeline, database, isReplica: false });
    assert(visibility && visibility.walPosition > before);
    assert(visibility.walPosition <= await position());
    assert.equal(visibility.isByPosition, undefined);
    assert.deepEqual(events, ["reserved", "visible", "rows"]);
  });
});

Deno.test("readSnapshot() for a reconcile lets rows wait for what the sink does first", async () => {
  await withSnapshots("CREATE TABLE t AS SELECT 1 AS id", async ({ take, sql }) => {
    let wasAltered = false;
    const { rows, error } = await take("t", {
      request: RECONCILE,
      onVisible: () => void sql.unsafe("INSERT INTO t VALUES (2)").then(() => wasAltered = true),
      onRows: () => undefined,
    });
    assert.equal(error, undefined);
    assert.equal(rows.length, 1, "what is written later is not in the snapshot");
    await sql.unsafe("SELECT 1");
    assert.equal(wasAltered, true);
  });
});
