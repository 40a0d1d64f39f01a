import { deepStrictEqual as deepEqual, ok, strictEqual as equal } from "node:assert/strict";
import type postgres from "postgres";
import { testDatabase } from "../support/postgres.ts";
import { pause, ServerProcess } from "../support/server_process.ts";
import { ShapeFollower } from "../support/shape_follower.ts";
import { until } from "../support/shape_requests.ts";

const SCHEMA = `
  CREATE TABLE root (id int, k int, v text, PRIMARY KEY (id, k)) PARTITION BY LIST (k);
  CREATE TABLE one PARTITION OF root FOR VALUES IN (1);
  CREATE TABLE deep PARTITION OF root FOR VALUES IN (2, 3, 4) PARTITION BY RANGE (id);
  CREATE TABLE deep_low PARTITION OF deep FOR VALUES FROM (0) TO (100);
  CREATE TABLE plain (id int PRIMARY KEY);
  INSERT INTO root VALUES (1, 1, 'a'), (2, 2, 'b');
`;

interface World {
  readonly sql: postgres.Sql;
  readonly server: ServerProcess;
  /** Followers of the whole table and of some of its rows, up to date. */
  readonly followers: readonly ShapeFollower[];
  /** Waits until each has what the table has; tells how often they were sent back to start. */
  compare(): Promise<number>;
}

const WHERES = ["true", "v <> 'b'"] as const;

async function withFollowers(work: (world: World) => Promise<void>): Promise<void> {
  await using database = await testDatabase();
  const { sql } = database;
  await sql.unsafe(SCHEMA);
  await using server = await ServerProcess.start({
    databaseUrl: database.url,
    streamId: database.name,
  });
  const stop = new AbortController();
  const followers = WHERES.map((where) =>
    new ShapeFollower(server.url, { table: "root", ...where === "true" ? {} : { where } })
  );
  const following = followers.map((follower) => follower.follow(stop.signal));
  const compare = async () => {
    for (const [i, follower] of followers.entries()) {
      const rows = await sql.unsafe(`SELECT id || ' ' || v AS row FROM root WHERE ${WHERES[i]}`);
      const expected = rows.map(({ row }) => row).toSorted();
      const held = () => [...follower.rows.values()].map(({ id, v }) => `${id} ${v}`).toSorted();
      const isSame = () => JSON.stringify(held()) === JSON.stringify(expected);
      await Promise.race([
        until(isSame, "the shape is what the table is", 20_000).catch(() => {}),
        ...following,
      ]);
      deepEqual(held(), expected, WHERES[i]);
    }
    return followers.reduce((sum, { refetches }) => sum + refetches, 0);
  };
  try {
    equal(await compare(), 0);
    await work({ sql, server, followers, compare });
  } finally {
    stop.abort();
    await Promise.allSettled(following);
  }
}

async function identityOf(sql: postgres.Sql, table: string): Promise<string> {
  const [row] = await sql`SELECT relreplident FROM pg_class WHERE relname = ${table}`;
  return row.relreplident;
}

Deno.test("partitions made later bring their changes into the table's shapes, and cost none", async () => {
  await withFollowers(async ({ sql, server, compare }) => {
    await sql`CREATE TABLE two PARTITION OF root FOR VALUES IN (5)`;
    await sql`INSERT INTO root VALUES (10, 5, 'new'), (11, 5, 'b')`;
    equal(await compare(), 0, "changed at once");
    await until(async () => await identityOf(sql, "two") === "f", "old rows are in the stream");
    await sql`UPDATE root SET v = 'b' WHERE id = 10`;
    await sql`DELETE FROM root WHERE id = 11`;
    equal(await compare(), 0, "with old rows");

    // No change until the watch has seen it, and a level further down.
    await sql`CREATE TABLE deep_high PARTITION OF deep FOR VALUES FROM (100) TO (200)`;
    await sql`CREATE TABLE three PARTITION OF root FOR VALUES IN (6) PARTITION BY LIST (id)`;
    await sql`CREATE TABLE three_one PARTITION OF three FOR VALUES IN (31, 32)`;
    await until(async () => await identityOf(sql, "deep_high") === "f", "the watch has seen it");
    await sql`INSERT INTO root VALUES (100, 2, 'x'), (31, 6, 'y'), (32, 6, 'b')`;
    await sql`UPDATE root SET k = 5, v = 'moved' WHERE id = 100`;
    await sql`UPDATE root SET v = 'c' WHERE id = 32`;
    equal(await compare(), 0, "noticed by the watch");

    await server.kill();
    await sql`CREATE TABLE four PARTITION OF root FOR VALUES IN (7)`;
    await sql`INSERT INTO root VALUES (40, 7, 'while down')`;
    await server.start();
    equal(await compare(), 0, "while the server was down");
  });
});

const REARRANGEMENTS: readonly (readonly [what: string, ddl: string])[] = [
  ["a table with rows is attached", "ALTER TABLE root ATTACH PARTITION other FOR VALUES IN (8)"],
  [
    "a table is made, filled and attached in one transaction",
    `CREATE TABLE filled AS SELECT 80 AS id, 9 AS k, 'filled'::text AS v;
     ALTER TABLE filled ADD PRIMARY KEY (id, k);
     ALTER TABLE root ATTACH PARTITION filled FOR VALUES IN (9)`,
  ],
  [
    "a partitioned table with rows is attached",
    "ALTER TABLE root ATTACH PARTITION others FOR VALUES IN (10)",
  ],
  [
    "a table is attached further down",
    "ALTER TABLE deep ATTACH PARTITION far FOR VALUES FROM (500) TO (600)",
  ],
  ["a partition is detached", "ALTER TABLE root DETACH PARTITION one"],
  ["a partition further down is detached", "ALTER TABLE deep DETACH PARTITION far"],
  ["a partition is dropped", "DROP TABLE others"],
  [
    "a detached partition is attached again",
    "ALTER TABLE root ATTACH PARTITION one FOR VALUES IN (1)",
  ],
  ["a partition is truncated", "TRUNCATE one"],
];

Deno.test("shapes follow rows that come and go with partitions", async (test) => {
  await withFollowers(async ({ sql, compare }) => {
    await sql.unsafe(`
      CREATE TABLE other (id int, k int, v text, PRIMARY KEY (id, k));
      INSERT INTO other VALUES (70, 8, 'was there');
      CREATE TABLE others (id int, k int, v text, PRIMARY KEY (id, k)) PARTITION BY LIST (id);
      CREATE TABLE others_one PARTITION OF others FOR VALUES IN (90);
      INSERT INTO others VALUES (90, 10, 'was there');
      CREATE TABLE far (id int, k int, v text, PRIMARY KEY (id, k));
      INSERT INTO far VALUES (500, 3, 'was there');`);
    let before = 0;
    for (const [what, ddl] of REARRANGEMENTS) {
      await test.step(what, async () => {
        await sql.begin((transaction) => transaction.unsafe(ddl));
        const refetches = await compare();
        ok(refetches > before, "the shapes were made anew");
        before = refetches;
      });
    }
  });
});

Deno.test("rows of partitions that went while the server was down are gone", async () => {
  await withFollowers(async ({ sql, server, compare }) => {
    await sql`CREATE TABLE later PARTITION OF root FOR VALUES IN (5)`;
    await sql`INSERT INTO root VALUES (10, 5, 'short-lived')`;
    equal(await compare(), 0);
    await server.kill();
    await sql`DROP TABLE later`;
    await server.start();
    ok(await compare() > 0);
  });
});

Deno.test("rows of a partition that comes and goes between two looks are gone", async () => {
  await withFollowers(async ({ sql, followers, compare }) => {
    await sql`CREATE TABLE brief PARTITION OF root FOR VALUES IN (5)`;
    await sql`INSERT INTO root VALUES (10, 5, 'short-lived')`;
    await until(() => followers[0].rows.size === 3, "the row came");
    await sql`ALTER TABLE root DETACH PARTITION brief`;
    ok(await compare() > 0);
    // A table of its own now, with a shape of its own.
    await pause(0);
    await sql`INSERT INTO brief VALUES (11, 5, 'nobody sees it')`;
    await sql`INSERT INTO root VALUES (12, 1, 'seen')`;
    await compare();
  });
});
