/** Shapes whose filters only Postgres evaluates, followed through the whole server. */

import assert from "node:assert/strict";
import postgres from "postgres";
import { testDatabase } from "../support/postgres.ts";
import { Random } from "../support/random.ts";
import { ServerProcess } from "../support/server_process.ts";
import { ShapeFollower } from "../support/shape_follower.ts";

const DDL = `CREATE TYPE mood AS ENUM ('sad', 'ok', 'glad');
  CREATE TABLE items (id int PRIMARY KEY, n int, v text COLLATE "C", j jsonb, c char(4), m mood);
  INSERT INTO items SELECT i, i % 7 - 3, chr(97 + i % 5) || i, jsonb_build_object('a', i % 3),
    left('abcd', i % 5), (enum_range(NULL::mood))[1 + i % 3] FROM generate_series(1, 60) i`;

/** Filters, each with what it comes to. */
const FILTERS: readonly (readonly [where: string, oracle: string])[] = [
  ["v ~ '^[ab]'", "v ~ '^[ab]'"],
  ["md5('x') <> 'y'", "true"],
  ["v !~* '^A' AND n > -2", "v !~* '^A' AND n > -2"],
  ["n = 2 OR v ~ '3$'", "n = 2 OR v ~ '3$'"],
  [`j @> '{"a": 1}' AND NOT (v SIMILAR TO 'c%')`, `j @> '{"a": 1}' AND NOT v SIMILAR TO 'c%'`],
  [
    "CASE WHEN c = 'ab' THEN m = 'ok' ELSE length(v) > 2 END",
    "CASE WHEN c = 'ab' THEN m = 'ok' ELSE length(v) > 2 END",
  ],
];

const WRITERS = 4, TRANSACTIONS = 60;

async function write(sql: postgres.Sql, random: Random): Promise<void> {
  const below = (end: number) => random.below(end);
  const text = () => "abcde"[below(5)] + below(40);
  const one = (tx: postgres.TransactionSql) => {
    const id = 1 + below(80), n = below(7) - 3;
    switch (below(5)) {
      case 0:
        return tx`DELETE FROM items WHERE id = ${id}`;
      case 1:
        return tx`INSERT INTO items VALUES (${id}, ${n}, ${text()}, ${
          tx.json({ a: n })
        }, 'ab', 'ok')
          ON CONFLICT (id) DO UPDATE SET n = excluded.n, v = excluded.v`;
      case 2:
        return tx`UPDATE items SET v = ${text()}, c = ${"abcd".slice(below(5))} WHERE id = ${id}`;
      case 3:
        return tx`UPDATE items SET j = ${tx.json({ a: below(3), b: text() })} WHERE n = ${n}`;
      default:
        return tx`UPDATE items SET m = 'glad', n = NULLIF(${n}, -3) WHERE id = ${id}`;
    }
  };
  for (let i = 0; i < TRANSACTIONS; i++) {
    await sql.begin(async (tx) => {
      // Rows in any order make writers wait for each other: one of two may have to give way.
      for (let rest = below(3); rest >= 0; rest--) await one(tx);
    }).catch((error) => assert.equal(error.code, "40P01"));
  }
}

Deno.test("shapes with filters that Postgres evaluates follow concurrent writers", async () => {
  const seed = crypto.getRandomValues(new Uint32Array(1))[0];
  console.log(`seed ${seed}`);
  await using database = await testDatabase();
  const { sql } = database;
  await sql.unsafe(DDL);
  await using server = await ServerProcess.start({
    databaseUrl: database.url,
    streamId: `ext${Deno.pid}`,
  });
  const followers = FILTERS.map(([where]) => {
    return new ShapeFollower(server.url, { table: "items", where, columns: "id,v" });
  });
  const first = new ShapeFollower(server.url, { table: "items", where: FILTERS[0][0] });
  await first.followTo(0n);
  const stopped = new AbortController();
  const following = followers.map((follower) => follower.follow(stopped.signal));
  const writers = postgres(database.url, { max: WRITERS, onnotice: () => {} });
  await Promise.all(
    Array.from({ length: WRITERS }, (_, i) => write(writers, new Random(seed + i))),
  );
  // The stream waits for the evaluation's new connection; the rest of the sessions comes back too.
  await sql`SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND application_name = 'electric-ts'
      AND backend_type = 'client backend'`;
  await write(writers, new Random(seed + WRITERS));
  await writers.end();
  stopped.abort();
  await Promise.all(following);
  const [{ lsn }] = await sql`SELECT (pg_current_wal_insert_lsn() - '0/0')::text AS lsn`;
  // A commit beyond that position.
  await sql`INSERT INTO items VALUES (1000, 0, 'zz')`;
  for (const [i, follower] of [...followers, first].entries()) {
    await follower.followTo(BigInt(lsn));
    const [, oracle] = FILTERS[i % FILTERS.length];
    const expected = await sql.unsafe(
      `SELECT id::text, v FROM items WHERE ${oracle} ORDER BY items.id`,
    );
    const rows = [...follower.rows.values()].map(({ id, v }) => ({ id, v }));
    rows.sort((a, b) => Number(a.id) - Number(b.id));
    assert.deepEqual(rows, [...expected], oracle);
    assert.equal(follower.refetches, 0, oracle);
  }
});

Deno.test("a row that raises an error is left out, and nothing tells its values", async () => {
  await using database = await testDatabase();
  const { sql } = database;
  await sql.unsafe(`CREATE TABLE items (id int PRIMARY KEY, n int, secret text);
    INSERT INTO items VALUES (1, 5, '^h'), (2, 6, 'h')`);
  await using server = await ServerProcess.start({
    databaseUrl: database.url,
    streamId: `exterr${Deno.pid}`,
  });
  const params = { table: "items", columns: "id", where: "'hidden' ~ secret" };
  const follower = new ShapeFollower(server.url, params);
  await follower.followTo(0n);
  assert.equal(follower.rows.size, 2);
  const before = follower.offset;
  const lsnAfter = async (statement: string) => {
    await sql.unsafe(statement);
    const [{ lsn }] = await sql`SELECT (pg_current_wal_insert_lsn() - '0/0')::text AS lsn`;
    await sql`UPDATE items SET n = n WHERE id = 1`;
    await follower.followTo(BigInt(lsn));
  };
  await lsnAfter("UPDATE items SET n = 4, secret = 'hid' WHERE id = 2");
  assert.equal(follower.offset, before, "a change of hidden columns moves nothing");
  await lsnAfter("UPDATE items SET secret = '(hidden2' WHERE id = 2");
  assert.deepEqual([...follower.rows.values()], [{ id: "1" }]);
  await lsnAfter(
    "UPDATE items SET secret = '.' WHERE id = 2; INSERT INTO items VALUES (3, 0, '(hidden3')",
  );
  assert.deepEqual([...follower.rows.values()], [{ id: "1" }, { id: "2" }]);
  const failing = await fetch(
    `${server.url}/v1/shape?${new URLSearchParams({
      table: "items",
      columns: "id",
      offset: "-1",
      where: "secret::int > 1",
    })}`,
  );
  // It may fail before its first rows or after them.
  const answer = await failing.text().catch((error) => `${error}`);
  assert.match(answer, /Postgres can't evaluate the shape|error reading a body/);
  const { stderr } = await server.stop();
  assert.match(stderr, /a shape now leaves out.*2201B/);
  assert(!/hidden\d|\(hid/.test(`${answer}${stderr}`), `${answer}${stderr}`);
});
