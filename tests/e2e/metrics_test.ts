/** What operators see of a server that runs: metrics, the admin API and the log. */

import assert from "node:assert/strict";
import { freePort, ServerProcess } from "../support/server_process.ts";
import { testDatabase } from "../support/postgres.ts";
import { poll, type Position, readToEnd, requestShape, until } from "../support/shape_requests.ts";

type Values = ReadonlyMap<string, number>;

async function scrape(url: string): Promise<Values> {
  const response = await fetch(`${url}/metrics`);
  const text = await response.text();
  assert.equal(response.status, 200, text);
  return new Map(
    text.split("\n").filter((line) => line !== "" && !line.startsWith("#")).map((line) => {
      const at = line.lastIndexOf(" ");
      return [line.slice(0, at), Number(line.slice(at + 1))];
    }),
  );
}

const SCHEMA = `CREATE TABLE items (id int PRIMARY KEY, v text);
  INSERT INTO items SELECT i, 'item ' || i FROM generate_series(1, 200) i`;

Deno.test("metrics and the admin API tell what the server has done", async () => {
  await using database = await testDatabase();
  const { sql } = database;
  await sql.unsafe(SCHEMA);
  const prometheusPort = freePort();
  await using server = await ServerProcess.start({
    databaseUrl: database.url,
    streamId: database.name,
    env: { ELECTRIC_PROMETHEUS_PORT: `${prometheusPort}` },
  });
  const { url } = server;
  const shape = await readToEnd(url, { table: "items", where: "id <= $1", "params[1]": "150" });
  const polled = poll(url, shape);
  await until(
    async () => (await scrape(url)).get("electric_held_requests") === 1,
    "a request is held",
  );
  await sql.begin(async (tx) => {
    await tx`UPDATE items SET v = 'new' WHERE id <= 10`;
    await tx`INSERT INTO items VALUES (1000, 'elsewhere')`;
  });
  assert.equal((await polled).status, 200);
  const numbers = await scrape(`http://127.0.0.1:${prometheusPort}`);
  const is = (name: string, value: number) => assert.equal(numbers.get(name), value, name);
  const isOver = (name: string, value: number) => {
    const found = numbers.get(name);
    assert(found !== undefined && found > value, `${name} is ${found}`);
  };
  is('electric_mode{mode="live"}', 1);
  is('electric_mode_transitions_total{to="live"}', 1);
  is("electric_shapes_total_shapes_count", 1);
  is('electric_shapes{state="live"}', 1);
  is("electric_snapshot_rows_total", 150);
  is("electric_snapshot_duration_seconds_count", 1);
  is("electric_held_requests", 0);
  is("electric_postgres_replication_changes_total", 11);
  isOver("electric_postgres_replication_transactions_total", 0);
  isOver("electric_storage_commit_duration_seconds_count", 0);
  isOver("electric_storage_committed_bytes_total", 10_000);
  isOver("electric_storage_used_bytes", 10_000);
  isOver("process_resident_memory_bytes", 10_000_000);
  isOver("process_start_time_seconds", Date.now() / 1000 - 600);
  isOver('electric_http_request_duration_seconds_count{route="shape",status="2xx"}', 0);
  is('electric_http_request_duration_seconds_count{route="shapeLive",status="2xx"}', 1);
  const elsewhere = await fetch(`http://127.0.0.1:${prometheusPort}/v1/status`);
  await elsewhere.body?.cancel();
  assert.equal(elsewhere.status, 404);

  await checkAdmin(url, shape);

  const reserved = 'electric_postgres_replication_slot_wal_status{wal_status="reserved"}';
  await until(async () => (await scrape(url)).get(reserved) === 1, "the slot was looked at");
  const retained = (await scrape(url)).get("electric_postgres_replication_slot_retained_wal_size");
  assert(retained !== undefined && retained >= 0);
  const { publication } = await (await fetch(`${url}/admin/status`)).json();
  assert.equal(publication.state, "complete");
  await sql`TRUNCATE items`;
  await until(
    async () => (await scrape(url)).get('electric_shapes_ended_total{reason="truncated"}') === 1,
    "the truncation is counted",
  );
});

async function checkAdmin(url: string, shape: Position): Promise<void> {
  const { requests, storage, memory } = await (await fetch(`${url}/admin/status`))
    .json();
  assert(requests.per_second > 0 && requests.held === 0, JSON.stringify(requests));
  assert(storage.used_bytes > 10_000 && memory.resident_bytes > 10_000_000);
  const { shapes } = await (await fetch(`${url}/admin/shapes`)).json();
  assert.equal(shapes.length, 1);
  assert.equal(shapes[0].handle, shape.handle);
  assert.equal(shapes[0].appended_changes, 10);
  // Each change is stored with a comma before it.
  assert.equal(shapes[0].log_bytes, shapes[0].appended_bytes - 10);
  const again = await requestShape(url, {
    table: "items",
    where: shapes[0].where,
    offset: "now",
  });
  assert.equal(again.handle, shape.handle, "The condition that is shown defines the same shape");
  const detail = await (await fetch(`${url}/admin/shapes/${shape.handle}`)).json();
  assert.equal(detail.positions.appended, detail.head);
  assert.deepEqual(Object.keys(detail.schema), ["id", "v"]);
}

Deno.test("the log has time, level, message and component in each line, and no secrets or rows", async () => {
  await using database = await testDatabase();
  const { sql, name } = database;
  const password = "pw-ocelot", secret = "sc-ocelot", row = "row-ocelot", key = 87_654_321;
  await sql.unsafe(`CREATE ROLE "${name}_app" LOGIN SUPERUSER PASSWORD '${password}'`);
  try {
    await sql.unsafe(`CREATE TABLE items (id int PRIMARY KEY, v text);
      INSERT INTO items VALUES (${key}, '${row}')`);
    const url = new URL(database.url);
    url.username = `${name}_app`;
    url.password = password;
    await using server = await ServerProcess.start({
      databaseUrl: url.href,
      streamId: name,
      env: {
        ELECTRIC_SECRET: secret,
        ELECTRIC_INSECURE: "",
        ELECTRIC_LOG_LEVEL: "debug",
        ELECTRIC_FALLBACK_INTERVAL: "100ms",
      },
    });
    const read = (params: Record<string, string>) =>
      requestShape(server.url, { table: "items", secret, offset: "-1", ...params });
    const first = await read({});
    assert.equal(first.status, 200);
    // Errors of Postgres quote values: of rows, here.
    for (const where of ["v::int > 0", "1 / (id - 87654321) > 0", "v::uuid = v::uuid"]) {
      await read({ where });
    }
    assert.equal((await read({ secret: `${secret}x` })).status, 401);
    await sql`INSERT INTO items VALUES (${key + 1}, ${row})`;
    await sql`UPDATE items SET v = ${`${row}-2`}`;
    await sql.unsafe(`DROP PUBLICATION "electric_publication_${name}"`);
    await sql`INSERT INTO items VALUES (${key + 2}, ${row})`;
    await sql`SELECT pg_terminate_backend(pid) FROM pg_stat_activity
      WHERE usename = ${`${name}_app`}`;
    // The mode itself may have come and gone between two looks at it.
    const isBack = async () =>
      ((await scrape(server.url)).get('electric_mode_transitions_total{to="live"}') ?? 0) > 1 &&
      (await readAll(server.url, secret)).includes(`${key + 2}`);
    await until(isBack, "it has recovered");
    await sql`ALTER TABLE items DROP COLUMN v`;
    await until(async () => (await read({})).handle !== first.handle, "the shape has ended");
    const { stderr } = await server.stop();
    const lines = stderr.split("\n").filter((line) => line !== "");
    assert(lines.length > 5, stderr);
    for (const line of lines) {
      const { time, level, msg, component } = JSON.parse(line);
      assert(!Number.isNaN(Date.parse(time)), line);
      assert(["debug", "info", "warn", "error"].includes(level), line);
      assert(typeof msg === "string" && msg !== "", line);
      assert(typeof component === "string" && component !== "", line);
    }
    const changes = lines.map((line) => JSON.parse(line)).filter(({ msg }) =>
      msg.startsWith("Mode is")
    );
    assert(changes.length > 0, stderr);
    for (const change of changes) assert.equal(change.level, "warn");
    assert(changes.some(({ reason }) => reason !== undefined));
    assert(changes.some(({ msg, outageMs }) => msg === "Mode is live" && outageMs >= 0), stderr);
    for (const word of [password, secret, row, `${key}`]) {
      assert.deepEqual(lines.filter((line) => line.includes(word)), [], word);
    }
  } finally {
    await sql.unsafe(`DROP OWNED BY "${name}_app"; DROP ROLE "${name}_app"`);
  }
});

async function readAll(url: string, secret: string): Promise<string> {
  return JSON.stringify((await readToEnd(url, { table: "items", secret })).messages);
}
