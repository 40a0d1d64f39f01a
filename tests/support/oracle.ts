/**
 * Random shapes follow random transactions through kills and restarts; in the end each one's rows
 * must be what Postgres selects. Postgres is the oracle.
 */

import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
import type postgres from "postgres";
import {
  type OracleShape,
  randomShape,
  randomTransaction,
  SCHEMA,
  TABLES,
} from "./oracle_world.ts";
import { testDatabase } from "./postgres.ts";
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
}

type Disturbance = "nothing" | "kill" | "restart" | "cut" | "newShapes";
const DISTURBANCES: readonly Disturbance[] = ["nothing", "kill", "restart", "cut", "newShapes"];

interface Followed {
  readonly shape: OracleShape;
  readonly follower: ShapeFollower;
}

export async function runOracle(options: OracleOptions): Promise<void> {
  const random = new Random(options.seed);
  await using database = await testDatabase();
  await database.sql.unsafe(SCHEMA);
  await using server = await ServerProcess.start({
    databaseUrl: database.url,
    streamId: database.name,
    env: { ELECTRIC_SHAPE_CHUNK_BYTES_THRESHOLD: random.pick(["2000", "100000", "10485760"]) },
  });
  const stop = new AbortController();
  const followed: Followed[] = [], following: Promise<void>[] = [];
  const add = (shape: OracleShape) => {
    const follower = new ShapeFollower(server.url, shape.params);
    followed.push({ shape, follower });
    following.push(follower.follow(stop.signal));
  };
  add({ table: TABLES[0], columns: TABLES[0].columns, params: { table: TABLES[0].name } });
  for (let i = 0; i < options.shapes; i++) add(randomShape(random));
  const writing = Array.from({ length: 3 }, () => write(database.sql, random.fork(), stop.signal));
  for (let round = 0; round < options.rounds; round++) {
    await Promise.race([pause(options.roundMs), ...following]);
    const disturbance = random.pick(DISTURBANCES);
    if (disturbance === "newShapes") { for (let i = 0; i < 3; i++) add(randomShape(random)); }
    else await disturb(disturbance, server, database.sql, database.name);
  }
  stop.abort();
  await Promise.all([...writing, ...following]);
  await compare(followed, database.sql);
}

async function write(sql: postgres.Sql, random: Random, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    const statements = randomTransaction(random);
    try {
      await sql.begin(async (transaction) => {
        for (const statement of statements) await transaction.unsafe(statement);
        if (random.chance(0.1)) throw new RangeError("rolled back");
      });
    } catch (error) {
      const isExpected = error instanceof RangeError ||
        ["23505", "40P01", "40001"].includes((error as { code?: string }).code ?? "");
      if (!isExpected) throw error;
    }
  }
}

async function disturb(
  what: Disturbance,
  server: ServerProcess,
  sql: postgres.Sql,
  streamId: string,
): Promise<void> {
  if (what === "kill") {
    await server.kill();
    await server.start();
  } else if (what === "restart") {
    equal((await server.stop()).code, 0);
    await server.start();
  } else if (what === "cut") {
    await sql`select pg_terminate_backend(active_pid) from pg_replication_slots
      where slot_name = ${`electric_slot_${streamId}`} and active`;
  }
}

async function compare(followed: readonly Followed[], sql: postgres.Sql): Promise<void> {
  const [{ lsn }] = await sql`select pg_current_wal_insert_lsn() - '0/0'::pg_lsn as lsn`;
  // Published, and behind everything else: once it has been seen, all has.
  await sql`insert into plain (id) values (1000)`;
  for (const { shape, follower } of followed) {
    await follower.followTo(BigInt(lsn));
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
