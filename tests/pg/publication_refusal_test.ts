import assert from "node:assert/strict";
import { openPool } from "../../replication/connection.ts";
import { parseDatabaseUrl } from "../../replication/database_url.ts";
import { readServerVersion } from "../../replication/publication_state.ts";
import {
  failureOf,
  identities,
  PUBLICATION,
  published,
  until,
  withPublisher,
} from "../support/publication_world.ts";

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
