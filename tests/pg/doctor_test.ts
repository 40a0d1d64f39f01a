import assert from "node:assert/strict";
import { parseDatabaseUrl } from "../../replication/database_url.ts";
import type { Finding } from "../../replication/doctor_finding.ts";
import { judge } from "../../replication/doctor_findings.ts";
import { readDoctor } from "../../replication/doctor_readings.ts";
import type { TableName } from "../../shapes/table.ts";
import { newStreamId } from "../support/health_world.ts";
import { sharedServerUrl, startCluster, testDatabase } from "../support/postgres.ts";
import { freePort } from "../support/server_process.ts";

interface Wish {
  readonly isManual?: boolean;
  readonly streamId?: string;
  readonly tables?: readonly TableName[];
}

async function examine(
  url: string,
  { isManual = false, streamId = newStreamId(), tables = [] }: Wish = {},
) {
  const request = { url: parseDatabaseUrl(url), streamId, tables, nowMs: Date.now };
  return judge(await readDoctor(request), { isManual, maxRetainedBytes: 1e9 });
}

function complaints(findings: readonly Finding[]): string[] {
  return findings.filter(({ severity }) => severity !== "ok")
    .map(({ check, severity }) => `${check} ${severity}`);
}

/** A role without any right of its own, which is dropped at the end. */
async function weakRole(databaseUrl: string, sql: Awaited<ReturnType<typeof testDatabase>>["sql"]) {
  const name = `weak_${newStreamId()}`;
  await sql.unsafe(`CREATE ROLE ${name} LOGIN`);
  const url = new URL(databaseUrl);
  url.username = name;
  const dispose = async () => {
    await sql.unsafe(`DROP OWNED BY ${name}; DROP ROLE ${name}`);
  };
  return { name, url: url.href, [Symbol.asyncDispose]: dispose };
}

Deno.test("the doctor finds a superuser's database ready", async () => {
  await using database = await testDatabase();
  const findings = await examine(database.url);
  assert.deepEqual(complaints(findings), []);
  const found = Object.fromEntries(findings.map(({ check, found }) => [check, found]));
  assert.match(found.version, /^Postgres \d+/);
  assert.match(found.max_replication_slots, /^\d+ of \d+ used$/);
  assert.equal(found.pooler, "none in the way");
});

Deno.test("the doctor names what a weak role lacks, and its words mend it", async () => {
  await using database = await testDatabase();
  const { sql } = database;
  await using role = await weakRole(database.url, sql);
  const findings = await examine(role.url);
  assert.deepEqual(complaints(findings), [
    "replication error",
    "create error",
    "pg_read_all_stats warning",
  ]);
  for (const { mend } of findings.filter(({ mend }) => mend !== "")) {
    await sql.unsafe(mend.split(" or as a superuser ")[0]);
  }
  assert.deepEqual(complaints(await examine(role.url)), []);
});

Deno.test("the doctor looks at the publication and its tables", async () => {
  await using database = await testDatabase();
  const { sql } = database;
  await using role = await weakRole(database.url, sql);
  const streamId = newStreamId(), publication = `electric_publication_${streamId}`;
  await sql.unsafe(`ALTER ROLE ${role.name} REPLICATION;
    GRANT pg_read_all_stats TO ${role.name};
    CREATE TABLE plain (id int PRIMARY KEY);
    CREATE TABLE full_one (id int PRIMARY KEY);
    CREATE TABLE secured (id int PRIMARY KEY);
    ALTER TABLE full_one REPLICA IDENTITY FULL;
    ALTER TABLE secured REPLICA IDENTITY FULL;
    ALTER TABLE secured ENABLE ROW LEVEL SECURITY;
    GRANT SELECT ON full_one, secured TO ${role.name};
    CREATE PUBLICATION ${publication} FOR TABLE plain, full_one, secured WITH (publish = 'insert')`);
  const before = await examine(role.url, { streamId });
  assert.deepEqual(complaints(before), [
    "publication error",
    "table error",
    "table error",
    "table warning",
  ]);
  await sql.unsafe(before.find(({ check }) => check === "publication")?.mend ?? "");
  await sql.unsafe(before.find(({ found }) => found.includes("REPLICA IDENTITY"))?.mend ?? "");
  const after = await examine(role.url, { streamId, isManual: true });
  assert.deepEqual(complaints(after), ["table error", "table warning"]);
  assert.deepEqual(after.filter(({ check }) => check === "table").map(({ found }) => found), [
    "plain can't be read",
    "secured has row security that hides rows from the role",
  ]);
});

Deno.test("the doctor looks at settings of the server, the slot and the room for it", async () => {
  await using cluster = await startCluster({
    settings: {
      wal_level: "replica",
      max_replication_slots: 1,
      max_wal_senders: 2,
      wal_sender_timeout: 0,
      statement_timeout: 60_000,
    },
  });
  await using database = await testDatabase({ serverUrl: cluster.url() });
  await database.sql`SELECT pg_create_physical_replication_slot('other')`;
  const findings = await examine(database.url);
  assert.deepEqual(complaints(findings), [
    "wal_level error",
    "max_replication_slots error",
    "wal_sender_timeout warning",
  ]);
  const timeouts = findings.find(({ check }) => check === "timeouts");
  assert.equal(timeouts?.found, "statement_timeout 1min: no harm");
});

Deno.test("the doctor says why it can't come in, without the password", async () => {
  const nobody = `postgresql://postgres:tiger@127.0.0.1:${freePort()}/app`;
  const missing = new URL(await sharedServerUrl());
  missing.pathname = "/nowhere_to_be_found";
  for (
    const [url, message] of [[nobody, /ECONNREFUSED/], [missing.href, /does not exist/]] as const
  ) {
    const [finding, ...rest] = await examine(url);
    assert.deepEqual([finding.check, finding.severity, rest], ["connection", "error", []]);
    assert.match(finding.found, message);
    assert(!finding.found.includes("tiger"));
  }
});

Deno.test("the doctor looks at tables that are asked for by name, published or not", async () => {
  await using database = await testDatabase();
  const { sql } = database;
  await using role = await weakRole(database.url, sql);
  await sql.unsafe(`ALTER ROLE ${role.name} REPLICATION;
    GRANT pg_read_all_stats TO ${role.name};
    GRANT CREATE ON SCHEMA public TO ${role.name};
    GRANT CREATE ON DATABASE "${database.name}" TO ${role.name};
    CREATE TABLE foreign_one (id int PRIMARY KEY);
    CREATE UNLOGGED TABLE hasty (id int PRIMARY KEY);
    CREATE VIEW seen AS SELECT * FROM foreign_one;
    SET ROLE ${role.name};
    CREATE TABLE "Own" (id int PRIMARY KEY);
    CREATE TABLE keyless (id int, twice int GENERATED ALWAYS AS (id * 2) STORED);
    CREATE TABLE parts (id int PRIMARY KEY) PARTITION BY RANGE (id);
    CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM (0) TO (10);
    CREATE TABLE parts_2 PARTITION OF parts FOR VALUES FROM (10) TO (20);
    RESET ROLE;
    ALTER TABLE hasty OWNER TO ${role.name}`);
  const about = async (name: string, isManual = false) => {
    const findings = await examine(role.url, { isManual, tables: [{ schema: "public", name }] });
    const [{ version }] = await sql`SELECT current_setting('server_version_num')::int AS version`;
    const tables = findings.filter(({ check }) => check === "table");
    return { version, tables, lines: tables.map(({ severity, found }) => `${severity}: ${found}`) };
  };
  const identity = "lacks REPLICA IDENTITY FULL: serve sets it when the table is asked for";
  const later = "not published yet: serve publishes it when asked for it";

  assert.deepEqual((await about("Own")).lines, [
    `ok: "public"."Own", ${later}`,
    `ok: "public"."Own" ${identity}`,
  ]);
  assert.deepEqual((await about("parts")).lines, [
    `ok: "public"."parts", 2 partitions with rows, ${later}`,
    `ok: "public"."parts_1" ${identity}`,
    `ok: "public"."parts_2" ${identity}`,
  ]);
  assert.deepEqual((await about("nowhere")).lines, ['error: "public"."nowhere" is not there']);
  assert.match((await about("seen")).lines.join(), /error: "public"."seen" is a view, /);
  assert.match((await about("hasty")).lines.join(), /error: "public"."hasty" is unlogged/);
  const { lines, version } = await about("keyless");
  assert.match(lines[2], /^warning: "public"."keyless" has no primary key$/);
  assert.equal(lines[3], version >= 180_000 ? undefined : GENERATED);
  // Whose owner is another, and by hand.
  const strange = await about("foreign_one");
  assert.deepEqual(strange.lines, [
    "error: foreign_one can't be read",
    'error: "public"."foreign_one" is not published and belongs to another role',
    'error: "public"."foreign_one" lacks REPLICA IDENTITY FULL',
  ]);
  const byHand = await about("Own", true);
  assert.equal(byHand.lines[0], 'error: "public"."Own" is not published, and publishing is manual');
  assert.match(byHand.tables[0].mend, /^ALTER PUBLICATION .* ADD TABLE "public"."Own";$/);
});

const GENERATED = 'warning: "public"."keyless" has generated columns: "twice"';
