import assert from "node:assert/strict";
import { displaySettingsSql, openPool, openReplication } from "../../replication/connection.ts";
import { type DatabaseUrl, parseDatabaseUrl } from "../../replication/database_url.ts";
import { dial } from "../../replication/dial.ts";
import { sharedServerUrl, startCluster, testDatabase } from "../support/postgres.ts";
import { waitUntil } from "../support/recording_sink.ts";
import { tryConnect } from "../support/try_connect.ts";

async function serverUrl(parameters = ""): Promise<DatabaseUrl> {
  return parseDatabaseUrl(`${await sharedServerUrl()}?${parameters}`);
}

/** A peer that answers each connection's first bytes with `answer` and hangs up. */
function listen(answer: Uint8Array) {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  let accepted = 0;
  const served = (async () => {
    for await (const conn of listener) {
      accepted += 1;
      await conn.read(new Uint8Array(1024)).catch(() => {});
      await conn.write(answer).catch(() => {});
      conn.close();
    }
  })();
  const { port } = listener.addr;
  return {
    url: (parameters: string) => parseDatabaseUrl(`postgres://u@127.0.0.1:${port}/d?${parameters}`),
    accepted: () => accepted,
    async [Symbol.asyncDispose]() {
      listener.close();
      await served.catch(() => {});
    },
  };
}

Deno.test("openPool() gives booleans, small integers and otherwise Postgres' text", async () => {
  const pool = openPool({ url: await serverUrl(), max: 2, applicationName: "pool test" });
  try {
    await pool.begin(async (tx) => {
      await tx.unsafe(displaySettingsSql("transaction"));
      const [row] = await tx`SELECT true AS flag, 1 AS small, 26::oid AS oid, 1::bigint AS big,
        1.10 AS exact, 0.1::float8 AS inexact, '{"a": 1}'::jsonb AS json, ARRAY[1, 2] AS list,
        '2024-01-02'::date AS date, '2024-01-02 03:04:05.123456+00'::timestamptz AS at,
        '\\x00ff'::bytea AS raw, NULL AS nothing, interval '1 day 2 hours' AS span,
        current_setting('application_name') AS name`;
      assert.deepEqual({ ...row }, {
        flag: true,
        small: 1,
        oid: 26,
        big: "1",
        exact: "1.10",
        inexact: "0.1",
        json: '{"a": 1}',
        list: "{1,2}",
        date: "2024-01-02",
        at: "2024-01-02 03:04:05.123456+00",
        raw: "\\x00ff",
        nothing: null,
        span: "P1DT2H",
        name: "pool test",
      });
    });
  } finally {
    await pool.end({ timeout: 1 });
  }
});

Deno.test("openPool() sends parameters as text", async () => {
  const pool = openPool({ url: await serverUrl(), max: 1 });
  try {
    const [row] = await pool`SELECT ${"2024-01-02"}::date AS date, ${'{"a": 1}'}::jsonb AS json,
      ${"{1,2}"}::int[] AS list, ${7}::int AS small, ${true}::bool AS flag`;
    assert.deepEqual({ ...row }, {
      date: "2024-01-02",
      json: '{"a": 1}',
      list: "{1,2}",
      small: 7,
      flag: true,
    });
  } finally {
    await pool.end({ timeout: 1 });
  }
});

Deno.test("openPool() uses no named statement for a pooled URL", async () => {
  for (const [parameters, count] of [["pgbouncer=true", 0], ["", 1]] as const) {
    const pool = openPool({ url: await serverUrl(parameters), max: 1 });
    try {
      await pool`SELECT ${1}::int`;
      const [row] = await pool.unsafe(
        "SELECT count(*)::int AS count FROM pg_prepared_statements WHERE statement LIKE '%::int'",
      );
      assert.equal(row.count, count);
    } finally {
      await pool.end({ timeout: 1 });
    }
  }
});

Deno.test("openPool() cancels a query without harm to the process", async () => {
  await using db = await testDatabase();
  const pool = openPool({ url: parseDatabaseUrl(db.url), max: 1 });
  try {
    const query = pool`SELECT pg_sleep(60) AS slow`.execute();
    const refused = assert.rejects(query, { code: "57014" });
    const sleepers = () =>
      db.sql`SELECT 1 FROM pg_stat_activity
        WHERE datname = ${db.name} AND wait_event = 'PgSleep'`;
    await waitUntil("it sleeps", async () => (await sleepers()).length === 1);
    query.cancel();
    await refused;
    const [row] = await pool`SELECT 1 AS one`;
    assert.equal(row.one, 1);
  } finally {
    await pool.end({ timeout: 1 });
  }
});

Deno.test("openPool() works again after more failed tries than it has connections", async () => {
  await using cluster = await startCluster();
  const sql = openPool({ url: parseDatabaseUrl(cluster.url()), max: 2 });
  await sql`SELECT 1`;
  await cluster.stop();
  for (let attempt = 0; attempt < 5; attempt++) {
    await assert.rejects(async () => await sql`SELECT 1`);
  }
  await cluster.start();
  const [row] = await sql`SELECT 1 AS one`;
  assert.equal(row.one, 1);
  await sql.end({ timeout: 1 });
});

Deno.test("dial() never downgrades what must be encrypted", async () => {
  await using plainServer = listen(new TextEncoder().encode("N"));
  for (const mode of ["require", "verify-ca", "verify-full"]) {
    assert.equal(await tryConnect(plainServer.url(`sslmode=${mode}`)), "sslUnavailable", mode);
  }
  assert.equal(plainServer.accepted(), 3);
});

Deno.test("dial() trusts nothing that was said before TLS", async () => {
  await using intruder = listen(new TextEncoder().encode("SE"));
  assert.equal(await tryConnect(intruder.url("sslmode=require")), "protocol");
});

Deno.test("a server that hangs up is an error, not a loop", async () => {
  await using server = listen(new Uint8Array(0));
  assert.equal(await tryConnect(server.url("sslmode=disable")), "closed");
  assert.equal(await tryConnect(server.url("sslmode=require")), "closed");
  const connection = openReplication({ url: server.url("sslmode=disable") });
  await assert.rejects(connection.query("IDENTIFY_SYSTEM"), { name: "ConnectionError" });
  await connection.close();
  assert.equal(server.accepted(), 3);
});

Deno.test("a write that fails after the driver has left its socket does not end the process", async () => {
  const socket = await dial(await serverUrl("sslmode=prefer"));
  const closed = new Promise<void>((resolve) => {
    // As the driver does; Deno 2.4 tells of such a write only then.
    socket.once("close", () => {
      socket.removeAllListeners();
      resolve();
    });
  });
  socket.destroy();
  await closed;
  assert.doesNotThrow(() => socket.emit("error", new Error("write UNKNOWN")));
});

Deno.test("dial() goes on to the next host", async () => {
  await using dead = listen(new Uint8Array(0));
  const url = await serverUrl("sslmode=prefer");
  const hosts = [...dead.url("").hosts, ...url.hosts];
  assert.match(await tryConnect({ ...url, hosts }), /plain|encrypted/);
});

Deno.test("ReplicationConnection tells why it died", async () => {
  await using db = await testDatabase();
  await using connection = openReplication({ url: parseDatabaseUrl(db.url) });
  const [row] = await connection.query("SELECT pg_backend_pid() AS pid, true AS flag");
  assert.equal(row.flag, "t");
  await db.sql`SELECT pg_terminate_backend(${Number(row.pid)})`;
  const reason = await connection.closed;
  assert.match(reason.message, /administrator command/);
  await assert.rejects(connection.query("SELECT 1"), reason);
});

Deno.test("ReplicationConnection cancels what it runs when it is closed", async () => {
  await using db = await testDatabase();
  const connection = openReplication({ url: parseDatabaseUrl(db.url) });
  await connection.query("SELECT 1");
  const sleeping = assert.rejects(connection.query("SELECT pg_sleep(60)"));
  const backends = () =>
    db.sql`SELECT 1 FROM pg_stat_activity
      WHERE datname = ${db.name} AND wait_event = 'PgSleep'`;
  await waitUntil("it sleeps", async () => (await backends()).length === 1);
  const startMs = performance.now();
  await connection.close();
  assert.ok(performance.now() - startMs < 1500);
  await sleeping;
  await waitUntil("the server let go", async () => (await backends()).length === 0);
});
