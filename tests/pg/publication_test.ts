import assert from "node:assert/strict";
import { openPool, type Sql } from "../../replication/connection.ts";
import { parseDatabaseUrl } from "../../replication/database_url.ts";
import { describeTable } from "../../replication/inspect.ts";
import { Publisher, type PublisherLimits } from "../../replication/publication.ts";
import { readServerVersion } from "../../replication/publication_state.ts";
import { UnavailableError } from "../../shapes/errors.ts";
import { type Logger, TableChangedError } from "../../shapes/ports.ts";
import type { Table } from "../../shapes/table.ts";
import { testDatabase } from "../support/postgres.ts";

const PUBLICATION = "electric_publication_t";
const SILENT: Logger = { debug() {}, info() {}, warn() {}, error() {} };

interface PublisherTest {
  readonly sql: Sql;
  readonly url: string;
  describe(name: string, schema?: string): Promise<Table>;
  publisher(
    options?: { isManual?: boolean; sql?: Sql; limits?: Partial<PublisherLimits> },
  ): Publisher;
}

async function withPublisher(
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
      publisher: ({ isManual = false, sql: pool = sql, limits } = {}) =>
        new Publisher({
          sql: pool,
          publication: PUBLICATION,
          isManual,
          logger: SILENT,
          limits: { lockTimeoutMs: 5000, writerTimeoutMs: 10_000, ...limits },
        }),
    });
  } finally {
    await sql.end({ timeout: 0 });
  }
}

async function published(sql: Sql): Promise<string[]> {
  const rows = await sql.unsafe(
    "SELECT tablename AS name FROM pg_publication_tables ORDER BY 1",
  );
  return rows.map(({ name }) => name);
}

async function identities(sql: Sql): Promise<Record<string, string>> {
  const rows = await sql.unsafe(
    `SELECT relname AS name, relreplident AS identity FROM pg_class
      WHERE relkind IN ('r', 'p') AND relnamespace = 'public'::regnamespace ORDER BY 1`,
  );
  return Object.fromEntries(rows.map(({ name, identity }) => [name, identity]));
}

async function failureOf(promise: Promise<void>): Promise<UnavailableError> {
  const error = await promise.then(() => "it resolved", (error) => error);
  assert(error instanceof UnavailableError, `${error}`);
  assert.equal(error.retryAfterSeconds, 10);
  assert.equal(error.isKnown, true);
  return error;
}

async function until(isSo: () => Promise<boolean>): Promise<void> {
  const deadline = performance.now() + 10_000;
  while (!await isSo()) {
    assert(performance.now() < deadline, "it never came about");
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

/** True if the promise is still pending after all that is going on at the database by itself. */
async function isPending(promise: Promise<void>, sql: Sql): Promise<boolean> {
  let isSettled = false;
  promise.then(() => isSettled = true, () => isSettled = true);
  for (let i = 0; i < 10; i++) await sql.unsafe("SELECT pg_sleep(0.02)");
  return !isSettled;
}

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

Deno.test("Publisher.prepare() in manual mode alters nothing and says what is missing", async () => {
  const ddl =
    `CREATE TABLE "My ""t" (id int); CREATE TABLE half (id int); CREATE TABLE done (id int);
    ALTER TABLE done REPLICA IDENTITY FULL`;
  await withPublisher(ddl, async ({ sql, describe, publisher }) => {
    const subject = publisher({ isManual: true });
    const first = await failureOf(subject.prepare(await describe(`My "t`)));
    assert.equal(
      first.message,
      `Database table "public.My "t" is missing from the publication "${PUBLICATION}" and the ` +
        `ELECTRIC_MANUAL_TABLE_PUBLISHING setting prevents Electric from adding it. Run: ` +
        `ALTER PUBLICATION "${PUBLICATION}" ADD TABLE "public"."My ""t". ` +
        `Database table "public.My "t" does not have its replica identity set to FULL. Run: ` +
        `ALTER TABLE "public"."My ""t" REPLICA IDENTITY FULL`,
    );
    const second = await failureOf(subject.prepare(await describe("half")));
    assert.equal(
      second.message,
      `Database table "public.half" does not have its replica identity set to FULL. Run: ` +
        `ALTER TABLE "public"."half" REPLICA IDENTITY FULL`,
    );
    await subject.prepare(await describe("done"));
    assert.deepEqual(await published(sql), ["done", "half"]);
    assert.deepEqual(await identities(sql), { [`My "t`]: "d", done: "f", half: "d" });
    for (const statement of first.message.matchAll(/ALTER [^.]*"\."[^.]*/g)) {
      await sql.unsafe(statement[0]);
    }
    await subject.prepare(await describe(`My "t`));
  }, `CREATE PUBLICATION ${PUBLICATION} FOR TABLE half, done`);
});

Deno.test("Publisher.prepare() accepts publications of all tables and of schemas", async () => {
  const ddl = "CREATE TABLE t (id int); ALTER TABLE t REPLICA IDENTITY FULL; CREATE SCHEMA s; " +
    "CREATE TABLE root (k int) PARTITION BY LIST (k); " +
    "CREATE TABLE s.leaf PARTITION OF root FOR VALUES IN (1); ALTER TABLE s.leaf REPLICA IDENTITY FULL";
  for (const scope of ["ALL TABLES", "TABLES IN SCHEMA public"]) {
    await withPublisher(ddl, async ({ describe, publisher }) => {
      await publisher({ isManual: true }).prepare(await describe("t"));
      await publisher({ isManual: true }).prepare(await describe("root"));
      await publisher({ isManual: true }).prepare(await describe("leaf", "s"));
    }, `CREATE PUBLICATION ${PUBLICATION} FOR ${scope}`);
  }
});

Deno.test("Publisher.prepare() refuses a publication that holds back rows or columns", async () => {
  const ddl = "CREATE TABLE t (id int, v int); ALTER TABLE t REPLICA IDENTITY FULL";
  for (const part of ["(id)", "WHERE (id > 1)"]) {
    await withPublisher(ddl, async ({ describe, publisher }) => {
      const { message } = await failureOf(publisher().prepare(await describe("t")));
      assert.match(message, /has a row filter or a column list for the database table "public.t"/);
    }, `CREATE PUBLICATION ${PUBLICATION} FOR TABLE t ${part}`);
  }
});

Deno.test("Publisher.prepare() says that the publication is missing", async () => {
  await withPublisher("CREATE TABLE t (id int)", async ({ describe, publisher }) => {
    for (const isManual of [true, false]) {
      const { message } = await failureOf(publisher({ isManual }).prepare(await describe("t")));
      assert.equal(message, `Publication "${PUBLICATION}" not found in the database`);
    }
  }, "");
});

Deno.test("Publisher.prepare() wants stored generated columns published where it can be had", async () => {
  const ddl = "CREATE TABLE t (id int, twice int GENERATED ALWAYS AS (id * 2) STORED)";
  await withPublisher(ddl, async ({ sql, describe, publisher }) => {
    const preparing = publisher().prepare(await describe("t"));
    if (await readServerVersion(sql) < 180_000) return await preparing;
    const { message } = await failureOf(preparing);
    const [, fix] = message.split("Run: ");
    assert.match(
      message,
      /does not publish the generated columns of the database table "public.t"/,
    );
    await sql.unsafe(fix);
    await publisher().prepare(await describe("t"));
  });
});

Deno.test("Publisher.prepare() says which privilege is missing", async () => {
  const role = `publisher_${crypto.randomUUID().slice(0, 8)}`;
  const ddl = `CREATE ROLE ${role} LOGIN; CREATE TABLE t (id int); CREATE TABLE mine (id int);
    ALTER TABLE mine OWNER TO ${role}`;
  await withPublisher(ddl, async ({ sql, url, describe, publisher }) => {
    const pool = openPool({ url: { ...parseDatabaseUrl(url), user: role }, max: 2 });
    try {
      const subject = publisher({ sql: pool });
      const { message } = await failureOf(subject.prepare(await describe("mine")));
      assert.equal(
        message,
        `Database table "public.mine" is missing from the publication "${PUBLICATION}" and Electric ` +
          `lacks privileges to add it. Run: ALTER PUBLICATION "${PUBLICATION}" ADD TABLE "public"."mine"`,
      );
      await sql.unsafe(`ALTER PUBLICATION ${PUBLICATION} ADD TABLE t, mine`);
      // Its identity is the owner's own affair, and that it may see to.
      await subject.prepare(await describe("mine"));
      const other = await failureOf(subject.prepare(await describe("t")));
      assert.match(other.message, /"public.t" does not have its replica identity set to FULL/);
      assert.deepEqual(await identities(sql), { mine: "f", t: "d" });
    } finally {
      await pool.end({ timeout: 1 });
      await sql.unsafe(`DROP OWNED BY ${role}; DROP ROLE ${role}`);
    }
  });
});

Deno.test("Publisher.prepare() says when there is no database, and works again when there is", async () => {
  await withPublisher("CREATE TABLE t (id int)", async ({ sql, describe, publisher }) => {
    const table = await describe("t");
    const url = parseDatabaseUrl("postgresql://postgres@127.0.0.1:1/none");
    const nowhere = openPool({ url, max: 1 });
    const { message } = await failureOf(publisher({ sql: nowhere }).prepare(table));
    assert.equal(message, "Database connection not available");
    await nowhere.end({ timeout: 0 });
    const subject = publisher();
    await sql.begin(async (tx) => {
      await tx.unsafe("LOCK TABLE t");
      const preparing = failureOf(subject.prepare(table));
      await until(async () => {
        const killed = await sql.unsafe(
          `SELECT pg_terminate_backend(pid) FROM pg_locks
            WHERE relation = 't'::regclass AND NOT granted AND pid <> pg_backend_pid()`,
        );
        return killed.length > 0;
      });
      assert.equal((await preparing).message, "Database connection not available");
    });
    await subject.prepare(table);
    assert.deepEqual(await published(sql), ["t"]);
  });
});
