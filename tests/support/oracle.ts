/**
 * Random shapes follow random transactions through kills, restarts and whatever may end the stream;
 * in the end each one's rows must be what Postgres selects. Postgres is the oracle.
 */

import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
import type postgres from "postgres";
import { openPool } from "../../replication/connection.ts";
import { parseDatabaseUrl } from "../../replication/database_url.ts";
import { ConnectionError } from "../../replication/postgres_error.ts";
import {
  type OracleShape,
  randomShape,
  randomTransaction,
  SCHEMA,
  TABLES,
} from "./oracle_world.ts";
import { createRole, dropRole, type Fault, FAULTS, type FaultTarget, urlFor } from "./faults.ts";
import { type Cluster, startCluster, testDatabase } from "./postgres.ts";
import { setupNames } from "../../replication/setup_plan.ts";
import { Random } from "./random.ts";
import { pause, ServerProcess } from "./server_process.ts";
import { ShapeFollower } from "./shape_follower.ts";

export interface OracleOptions {
  readonly seed: number;
  readonly shapes: number;
  /** How often the server is disturbed. */
  readonly rounds: number;
  /** How long writers write between two disturbances. */
  readonly roundMs: number;
  /** Besides the server, its role, slot and publication are disturbed, and a Postgres of its own. */
  readonly hasFaults?: boolean;
}

type Disturbance = "nothing" | "kill" | "restart" | "newShapes" | "restartPostgres" | Fault;
const [cut] = FAULTS;
const DISTURBANCES: readonly Disturbance[] = ["nothing", "kill", "restart", cut, "newShapes"];
/** The more often the more can go wrong. */
const ALL: readonly Disturbance[] = [
  ...DISTURBANCES,
  "kill",
  "restartPostgres",
  ...FAULTS,
  ...FAULTS,
];

/** Far longer than reconciling all shapes takes. */
const BEHIND_MAX_MS = 60_000;

/** Reached by keys that are taken, deadlocks, and a server that goes down. */
const EXPECTED = ["22012", "23505", "40P01", "40001", "57P01", "57P02", "57P03"];
const ROLLED_BACK = "select 1 / 0";

interface Followed {
  readonly shape: OracleShape;
  readonly follower: ShapeFollower;
}

export async function runOracle(options: OracleOptions): Promise<void> {
  const random = new Random(options.seed);
  await using cluster = options.hasFaults ? await startCluster() : undefined;
  await using database = await testDatabase({ serverUrl: cluster?.url() });
  const { name: streamId } = database;
  // As the server opens its own: it survives a Postgres that restarts.
  const sql = openPool({ url: parseDatabaseUrl(database.url), max: 6 });
  await using stack = new AsyncDisposableStack();
  stack.defer(() => sql.end({ timeout: 1 }));
  await sql.unsafe(SCHEMA);
  const role = await createRole(sql, database.name);
  await giveTables(sql, role);
  await using server = await ServerProcess.start({
    databaseUrl: urlFor(role, database.url),
    streamId,
    env: {
      ELECTRIC_SHAPE_CHUNK_BYTES_THRESHOLD: random.pick(["2000", "100000", "10485760"]),
      ELECTRIC_FALLBACK_INTERVAL: random.pick(["100ms", "1s"]),
    },
  });
  const stop = new AbortController();
  const followed: Followed[] = [], following: Promise<void>[] = [];
  const add = (shape: OracleShape) => {
    const goesBack = followed.length % 2 === 1;
    const follower = new ShapeFollower(server.url, shape.params, { goesBack });
    followed.push({ shape, follower });
    following.push(follower.follow(stop.signal));
  };
  add({ table: TABLES[0], columns: TABLES[0].columns, params: { table: TABLES[0].name } });
  for (let i = 0; i < options.shapes; i++) add(randomShape(random));
  const target = { sql, streamId, role, table: TABLES[0].name };
  const trouble = new Trouble(server, target, cluster);
  const writing = Array.from({ length: 3 }, () => write(sql, random.fork(), stop.signal));
  for (let round = 0; round < options.rounds; round++) {
    await Promise.race([pause(options.roundMs), ...following]);
    if (random.chance(0.5)) await trouble.mend();
    const disturbance = random.pick(options.hasFaults ? ALL : DISTURBANCES);
    if (disturbance === "newShapes") { for (let i = 0; i < 3; i++) add(randomShape(random)); }
    else await trouble.make(disturbance);
  }
  await trouble.mend();
  await Promise.race([server.whenActive(), ...following]);
  stop.abort();
  await Promise.all([...writing, ...following]);
  await untilPrepared(target);
  // What came blind has been lost by then.
  await mark(sql, followed[0].follower);
  await untilNoneIsBehind(server.url);
  await compare(followed, sql);
  await server.stop();
  await sql`select pg_drop_replication_slot(slot_name) from pg_replication_slots
    where database = ${database.name}`;
  await dropRole(sql, role);
}

/** Tables that a server may publish and alter. */
async function giveTables(sql: postgres.Sql, role: string): Promise<void> {
  const tables = await sql`select oid::regclass::text as name from pg_class
    where relnamespace = 'public'::regnamespace and relkind in ('r', 'p')`;
  for (const { name } of tables) await sql.unsafe(`alter table ${name} owner to ${role}`);
}

async function write(sql: postgres.Sql, random: Random, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    const statements = randomTransaction(random);
    if (random.chance(0.1)) statements.push(ROLLED_BACK);
    try {
      // One transaction: begin() of the driver does not survive that its connection is lost.
      await sql.unsafe(statements.join(";\n"));
    } catch (error) {
      const { code = "" } = error as { code?: string };
      const isConnection = error instanceof ConnectionError ||
        /^(CONNECTION|CONNECT_|ECONN|EPIPE)/.test(code);
      if (!EXPECTED.includes(code) && !isConnection) throw error;
      if (isConnection) await pause(20);
    }
  }
}

/** Disturbs the server, and what it stands on. */
class Trouble {
  readonly #server: ServerProcess;
  readonly #target: FaultTarget;
  readonly #cluster: Cluster | undefined;
  /** Without it being mended the stream can't run. */
  #lasting: Fault | undefined;

  constructor(server: ServerProcess, target: FaultTarget, cluster: Cluster | undefined) {
    this.#server = server;
    this.#target = target;
    this.#cluster = cluster;
  }

  async make(what: Exclude<Disturbance, "newShapes">): Promise<void> {
    if (what === "kill") {
      await this.#server.kill();
      await this.#start();
    } else if (what === "restart") {
      equal((await this.#server.stop()).code, 0);
      await this.#start();
    } else if (what === "restartPostgres") await this.#cluster?.restart();
    else if (what !== "nothing") {
      await insist(() => what.inflict(this.#target));
      if (what.isLasting) this.#lasting = what;
    }
  }

  async mend(): Promise<void> {
    const lasting = this.#lasting;
    if (lasting) await insist(() => lasting.mend(this.#target));
    this.#lasting = undefined;
  }

  async #start(): Promise<void> {
    if (!this.#lasting) return await this.#server.start();
    this.#server.launch();
    while (!await answers(this.#server.url)) await pause(20);
  }
}

/** The server has noticed what was done to the table, and put it right. */
async function untilPrepared({ sql, streamId, table }: FaultTarget): Promise<void> {
  const deadline = Date.now() + BEHIND_MAX_MS;
  const { publication } = setupNames(streamId);
  for (;;) {
    const rows = await sql`select from pg_publication_tables p
      join pg_class c on c.oid = ${table}::regclass and c.relname = p.tablename
      where p.pubname = ${publication} and c.relreplident = 'f'`;
    if (rows.length > 0) return;
    if (Date.now() > deadline) throw new Error(`Table "${table}" is not prepared again`);
    await pause(50);
  }
}

/**
 * Writes something and waits until it is seen; up to where all before it has been seen then. That is a
 * position of the logs, which are shifted against the server's once a slot was made anew.
 */
async function mark(sql: postgres.Sql, plain: ShapeFollower): Promise<bigint> {
  const [{ n }] = await sql`insert into plain (id, n) values (1000, 0)
    on conflict (id) do update set n = plain.n + 1 returning n::text`;
  const isSeen = () => plain.rows.get('"public"."plain"/"1000"')?.n === n;
  await plain.followUntil(isSeen, "No mark");
  return plain.seen;
}

/** All shapes go on with the stream: what it has been seen to bring, they have. */
async function untilNoneIsBehind(url: string): Promise<void> {
  const deadline = Date.now() + BEHIND_MAX_MS;
  for (;;) {
    const { status, shapes } = await (await fetch(`${url}/v1/status`)).json();
    if (status === "live" && shapes.behind === 0 && shapes.snapshotting === 0) return;
    if (Date.now() > deadline) throw new Error(`${shapes.behind} shapes stay behind, ${status}`);
    await pause(50);
  }
}

/** Through what connections meet when Postgres has just been restarted. */
async function insist(attempt: () => Promise<void>): Promise<void> {
  const deadline = Date.now() + 10_000;
  for (;;) {
    try {
      return await attempt();
    } catch (error) {
      if (Date.now() > deadline) throw error;
      await pause(50);
    }
  }
}

async function answers(url: string): Promise<boolean> {
  const response = await fetch(`${url}/v1/status`).catch(() => undefined);
  await response?.body?.cancel();
  return response?.status === 200;
}

async function compare(followed: readonly Followed[], sql: postgres.Sql): Promise<void> {
  const lsn = await mark(sql, followed[0].follower);
  for (const { shape, follower } of followed) {
    await follower.followTo(lsn);
    const about = JSON.stringify(shape.params);
    equal(follower.refetches, 0, `sent back to start: ${about}`);
    const rows = [...follower.rows.values()].map((row) => rowText(shape, row));
    deepEqual(rows.sort(), await expected(shape, sql), about);
  }
}

async function expected({ table, columns, params }: OracleShape, sql: postgres.Sql) {
  const texts = columns.map((column) => `"${column}"::text`).join(", ");
  // Equal rows of a table without key are one row to clients.
  const rows = await sql.unsafe(
    `select distinct ${texts} from ${table.name} where ${params.where ?? "true"}`,
  ).values();
  return rows.map((row) => JSON.stringify([...row])).sort();
}

/** Booleans are spelled t and f in the log, true and false in snapshots. */
function rowText({ columns }: OracleShape, row: Record<string, string | null>): string {
  return JSON.stringify(columns.map((column) => {
    const value = row[column];
    return column === "flag" && value ? (value.startsWith("t") ? "true" : "false") : value;
  }));
}
