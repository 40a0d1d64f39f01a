import assert from "node:assert/strict";
import { TableChangedError } from "../../shapes/ports.ts";
import {
  failureOf,
  identities,
  isPending,
  PUBLICATION,
  published,
  until,
  withPublisher,
} from "../support/publication_world.ts";

Deno.test("Publisher.prepare() publishes a table with all its old rows, once", async () => {
  const ddl = `CREATE TABLE t (id int PRIMARY KEY); CREATE TABLE other (id int)`;
  await withPublisher(ddl, async ({ sql, describe, publisher }) => {
    const table = await describe("t");
    const subject = publisher();
    assert.equal(subject.isPrepared(table.oid), false);
    await subject.prepare(table);
    assert.deepEqual(await published(sql), ["t"]);
    assert.deepEqual(await identities(sql), { other: "d", t: "f" });
    assert.equal(subject.isPrepared(table.oid), true);
    await sql.unsafe(`ALTER TABLE t REPLICA IDENTITY DEFAULT`);
    await subject.prepare(table);
    assert.equal((await identities(sql)).t, "d", "nothing is looked at a second time");
    subject.forget(table.oid);
    await subject.prepare(table);
    assert.equal((await identities(sql)).t, "f", "but when it was forgotten");
    await sql.unsafe(`ALTER PUBLICATION ${PUBLICATION} DROP TABLE t`);
    subject.forgetAll();
    await subject.prepare(table);
    assert.deepEqual(await published(sql), ["t"]);
  });
});

Deno.test("Publisher.prepare() tells of a table that it finds unpublished", async () => {
  await withPublisher(
    `CREATE TABLE t (id int PRIMARY KEY)`,
    async ({ sql, describe, publisher }) => {
      const table = await describe("t");
      const told: number[] = [];
      let noted = Promise.resolve();
      const subject = publisher({
        onUnpublished: (oid) => {
          told.push(oid);
          return noted;
        },
      });
      await subject.prepare(table);
      subject.forget(table.oid);
      await subject.prepare(table);
      assert.deepEqual(told, [table.oid], "not when it was published already");
      await sql.unsafe(`ALTER PUBLICATION ${PUBLICATION} DROP TABLE t`);
      subject.forget(table.oid);
      const { promise, resolve } = Promise.withResolvers<void>();
      noted = promise;
      const preparing = subject.prepare(table);
      await until(() => Promise.resolve(told.length === 2));
      assert.ok(await isPending(preparing, sql));
      assert.deepEqual(await published(sql), [], "not before that was noted");
      resolve();
      await preparing;
      assert.deepEqual(told, [table.oid, table.oid]);
      assert.deepEqual(await published(sql), ["t"]);
    },
  );
});

Deno.test("Publisher.prepare() of a partitioned table covers partitions of all levels", async () => {
  const ddl = `
    CREATE TABLE root (k text, d int) PARTITION BY LIST (k);
    CREATE TABLE eu PARTITION OF root FOR VALUES IN ('eu') PARTITION BY RANGE (d);
    CREATE TABLE eu1 PARTITION OF eu FOR VALUES FROM (0) TO (9);
    CREATE TABLE us PARTITION OF root FOR VALUES IN ('us');`;
  await withPublisher(ddl, async ({ sql, describe, publisher }) => {
    const subject = publisher();
    await subject.prepare(await describe("root"));
    assert.deepEqual(await published(sql), ["eu1", "us"]);
    const { eu1, us } = await identities(sql);
    assert.deepEqual({ eu1, us }, { eu1: "f", us: "f" });
    const manual = publisher({ isManual: true });
    await manual.prepare(await describe("eu1"));
    await manual.prepare(await describe("eu"));
    await sql.unsafe("CREATE TABLE fr PARTITION OF root FOR VALUES IN ('fr')");
    subject.forgetAll();
    await subject.prepare(await describe("root"));
    assert.equal((await identities(sql)).fr, "f");
  });
});

Deno.test("Publisher.prepare() leaves inheritance children alone", async () => {
  const ddl = "CREATE TABLE parent (a int); CREATE TABLE child () INHERITS (parent)";
  await withPublisher(ddl, async ({ sql, describe, publisher }) => {
    await publisher().prepare(await describe("parent"));
    assert.deepEqual(await published(sql), ["parent"]);
    assert.deepEqual(await identities(sql), { child: "d", parent: "f" });
  });
});

Deno.test("Publisher.prepare() shares one run among its callers and batches many tables", async () => {
  const names = Array.from({ length: 40 }, (_, i) => `t${i}`);
  const ddl = names.map((name) => `CREATE TABLE ${name} (id int)`).join(";");
  await withPublisher(ddl, async ({ sql, describe, publisher }) => {
    const tables = await Promise.all(names.map((name) => describe(name)));
    const [before] = await sql.unsafe("SELECT pg_current_xact_id()::text AS id");
    const subject = publisher();
    await Promise.all([...tables, ...tables].map((table) => subject.prepare(table)));
    assert.deepEqual(await published(sql), names.toSorted());
    assert(Object.values(await identities(sql)).every((identity) => identity === "f"));
    const [after] = await sql.unsafe("SELECT pg_current_xact_id()::text AS id");
    // One to publish, one identity each, and this one.
    assert.equal(Number(after.id) - Number(before.id), 1 + names.length + 1);
  });
});

Deno.test("Publisher.prepare() of several instances at once ends well for all", async () => {
  const names = Array.from({ length: 12 }, (_, i) => `t${i}`);
  const ddl = names.map((name) => `CREATE TABLE ${name} (id int)`).join(";");
  await withPublisher(ddl, async ({ sql, describe, publisher }) => {
    const tables = await Promise.all(names.map((name) => describe(name)));
    const instances = [publisher(), publisher(), publisher()];
    await Promise.all(
      instances.flatMap((instance, i) =>
        (i === 1 ? tables.toReversed() : tables).map((table) => instance.prepare(table))
      ),
    );
    assert.deepEqual(await published(sql), names.toSorted());
  });
});

Deno.test("Publisher.prepare() of one table fails without harm to the others", async () => {
  const ddl =
    "CREATE TABLE a (id int); CREATE UNLOGGED TABLE b (id int); CREATE TABLE c (id int); " +
    "CREATE TABLE d (id int)";
  await withPublisher(ddl, async ({ sql, describe, publisher }) => {
    const tables = await Promise.all(["a", "b", "c", "d"].map((name) => describe(name)));
    const system = await describe("pg_class", "pg_catalog");
    await sql.unsafe("DROP TABLE d");
    const subject = publisher();
    const results = await Promise.allSettled([system, ...tables].map((t) => subject.prepare(t)));
    assert.deepEqual(results.map(({ status }) => status), [
      "rejected",
      "fulfilled",
      "rejected",
      "fulfilled",
      "rejected",
    ]);
    const reasons = results.map((result) => result.status === "rejected" ? result.reason : "");
    assert.match(`${reasons[0]}`, /Cannot publish the database table "pg_catalog.pg_class": /);
    assert.match(`${reasons[2]}`, /"public.b" is unlogged or temporary/);
    assert(reasons[4] instanceof TableChangedError);
    assert.deepEqual(await published(sql), ["a", "c"]);
  });
});

Deno.test("Publisher.prepare() notices a table that was renamed", async () => {
  await withPublisher("CREATE TABLE t (id int)", async ({ sql, describe, publisher }) => {
    const table = await describe("t");
    await sql.unsafe("ALTER TABLE t RENAME TO u");
    await assert.rejects(publisher().prepare(table), TableChangedError);
    assert.deepEqual(await published(sql), []);
  });
});

Deno.test("Publisher.prepare() gives a busy table up after a while", async () => {
  await withPublisher("CREATE TABLE t (id int)", async ({ sql, describe, publisher }) => {
    const table = await describe("t");
    const subject = publisher({ limits: { lockTimeoutMs: 150 } });
    await sql.begin(async (tx) => {
      await tx.unsafe("INSERT INTO t VALUES (1)");
      const { message } = await failureOf(subject.prepare(table));
      assert.equal(message, "Snapshot timed out while waiting for a table lock");
    });
    await subject.prepare(table);
    assert.equal((await identities(sql)).t, "f");
  });
});

Deno.test("Publisher.prepare() waits for those who wrote before the table was published", async () => {
  const ddl =
    `CREATE TABLE t (id int); ALTER TABLE t REPLICA IDENTITY FULL; CREATE TABLE u (id int)`;
  await withPublisher(ddl, async ({ sql, describe, publisher }) => {
    const table = await describe("t");
    const subject = publisher();
    let preparing: Promise<void> | undefined;
    await sql.begin(async (tx) => {
      await tx.unsafe("INSERT INTO t VALUES (1)");
      preparing = subject.prepare(table);
      await until(async () => (await published(sql)).includes("t"));
      assert(await isPending(preparing, sql), "the writer is still there");
      // Nobody is made to wait for it, and who comes later is not waited for.
      await sql.unsafe("INSERT INTO t VALUES (2); INSERT INTO u VALUES (1)");
      await tx.unsafe("INSERT INTO t VALUES (3)");
    });
    await sql.begin(async (tx) => {
      await tx.unsafe("INSERT INTO t VALUES (4)");
      await preparing;
    });
  });
});

Deno.test("Publisher.prepare() waits for writers of partitions and gives them up after a while", async () => {
  const ddl = `
    CREATE TABLE root (k int) PARTITION BY LIST (k);
    CREATE TABLE a PARTITION OF root FOR VALUES IN (1);
    CREATE TABLE b PARTITION OF root FOR VALUES IN (2);
    ALTER TABLE a REPLICA IDENTITY FULL; ALTER TABLE b REPLICA IDENTITY FULL;`;
  await withPublisher(ddl, async ({ sql, describe, publisher }) => {
    const table = await describe("root");
    const subject = publisher({ limits: { writerTimeoutMs: 200 } });
    await sql.begin(async (tx) => {
      await tx.unsafe("INSERT INTO b VALUES (2)");
      const { message } = await failureOf(subject.prepare(table));
      assert.equal(
        message,
        `Timed out waiting for transactions that write to the table "public.root" to end`,
      );
      assert.equal(subject.isPrepared(table.oid), false);
      // Published by now, but the writer is from before that.
      await failureOf(subject.prepare(table));
    });
    await subject.prepare(table);
  });
});

Deno.test("Publisher.prepare() does not wait for writers of a table published long ago", async () => {
  const ddl = "CREATE TABLE t (id int); ALTER TABLE t REPLICA IDENTITY FULL";
  await withPublisher(ddl, async ({ sql, describe, publisher }) => {
    const table = await describe("t");
    await sql.begin(async (tx) => {
      await tx.unsafe("INSERT INTO t VALUES (1)");
      await publisher({ limits: { writerTimeoutMs: 100 } }).prepare(table);
    });
  }, `CREATE PUBLICATION ${PUBLICATION} FOR TABLE t`);
});

Deno.test("Publisher.prepare() in manual mode waits for writers from before the publication", async () => {
  const ddl = "CREATE TABLE t (id int); ALTER TABLE t REPLICA IDENTITY FULL";
  await withPublisher(ddl, async ({ sql, describe, publisher }) => {
    const table = await describe("t");
    const subject = publisher({ isManual: true, limits: { writerTimeoutMs: 100 } });
    await sql.begin(async (tx) => {
      await tx.unsafe("INSERT INTO t VALUES (1)");
      await sql.unsafe(`ALTER PUBLICATION ${PUBLICATION} ADD TABLE t`);
      await failureOf(subject.prepare(table));
    });
    await subject.prepare(table);
  });
});
