/** A server whose stream tests break, strict followers of many kinds of shape, and writers. */

import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
import { createRole, dropRole, type FaultTarget, urlFor } from "./faults.ts";
import { type TestDatabase, testDatabase } from "./postgres.ts";
import { Random } from "./random.ts";
import { pause, ServerProcess } from "./server_process.ts";
import { ShapeFollower } from "./shape_follower.ts";

const LIMIT_MS = 40_000;

const SCHEMA = (role: string) =>
  `create table items (id int primary key, n int, flag bool, addr inet, body text);
  create table bare (a int, b text);
  create table parted (id int, region text, v int, primary key (id, region))
    partition by list (region);
  create table parted_eu partition of parted for values in ('eu');
  create table parted_rest partition of parted default;
  create sequence bare_a;
  ${
    ["items", "bare", "parted", "parted_eu", "parted_rest"].map((table) =>
      `alter table ${table} owner to ${role}`
    ).join(";")
  };
  insert into items select i, i, i % 2 = 0, '10.0.0.1', 'b' || i from generate_series(1, 300) i;
  insert into bare select nextval('bare_a'), 'x' from generate_series(1, 30);
  insert into parted select i, case when i % 2 = 0 then 'eu' else 'us' end, i
    from generate_series(1, 60) i`;

const ITEMS = ["id", "n", "flag", "addr", "body"];

/** Columns and parameters of the shapes that are followed. */
export const SHAPES: readonly (readonly [readonly string[], Readonly<Record<string, string>>])[] = [
  [ITEMS, { table: "items" }],
  [ITEMS, { table: "items", where: "n < 150" }],
  [ITEMS, { table: "items", where: "flag", replica: "full" }],
  [["id", "addr"], { table: "items", columns: "id,addr" }],
  [["a", "b"], { table: "bare" }],
  [["id", "region", "v"], { table: "parted" }],
  [["id", "region", "v"], { table: "parted", where: "region = 'eu'", replica: "full" }],
];

const STATEMENTS: readonly ((random: Random) => string)[] = [
  (r) =>
    `insert into items values (${r.below(400)}, ${r.below(400)}, true, '::1', 'new')
    on conflict (id) do update set n = excluded.n, flag = not items.flag`,
  (r) => `update items set n = n + 1, addr = null where id % 17 = ${r.below(17)}`,
  (r) => `update items set flag = not flag where id = ${r.below(400)}`,
  (r) => `update items set id = ${1000 + r.below(1e6)} where id = ${r.below(400)}`,
  (r) => `delete from items where id = ${r.below(400)}`,
  (r) => `insert into bare values (nextval('bare_a'), '${r.below(9)}')`,
  (r) => `update bare set b = '${r.below(9)}' where a % 13 = ${r.below(13)}`,
  (r) => `delete from bare where a % 29 = ${r.below(29)}`,
  (r) =>
    `insert into parted values (${r.below(90)}, '${r.pick(["eu", "us"])}', 1)
    on conflict do nothing`,
  (r) =>
    `update parted set region = '${r.pick(["eu", "us"])}', v = v + 1
    where id = ${r.below(90)} and not exists (select from parted p where p.id = parted.id
      and p.region <> parted.region)`,
  (r) => `delete from parted where id = ${r.below(90)}`,
];

interface Followed {
  readonly columns: readonly string[];
  readonly params: Readonly<Record<string, string>>;
  readonly follower: ShapeFollower;
}

export class FallbackWorld implements AsyncDisposable {
  readonly target: FaultTarget;
  readonly server: ServerProcess;
  readonly database: TestDatabase;
  readonly #followed: Followed[] = [];
  readonly #following: Promise<void>[] = [];
  readonly #stop = new AbortController();

  private constructor(database: TestDatabase, server: ServerProcess, target: FaultTarget) {
    this.database = database;
    this.server = server;
    this.target = target;
  }

  /** `serverUrl`: of a Postgres of one's own. */
  static async open(env: Record<string, string> = {}, serverUrl?: string): Promise<FallbackWorld> {
    const database = await testDatabase({ serverUrl });
    const { sql, name: streamId } = database;
    const role = await createRole(sql, database.name);
    await sql.unsafe(SCHEMA(role));
    const server = await ServerProcess.start({
      databaseUrl: urlFor(role, database.url),
      streamId,
      env: { ELECTRIC_FALLBACK_INTERVAL: "300ms", ...env },
    });
    return new FallbackWorld(database, server, { sql, streamId, role, table: "items" });
  }

  /** One more of everybody. */
  follow(shapes = SHAPES): void {
    for (const [columns, params] of shapes) {
      const follower = new ShapeFollower(this.server.url, params);
      this.#followed.push({ columns, params, follower });
      this.#following.push(follower.follow(this.#stop.signal));
    }
  }

  /** Writes for as long as the work takes. */
  async writing<T>(seed: number, work: () => Promise<T>): Promise<T> {
    const stop = new AbortController();
    const writers = [1, 2].map((i) => this.#write(new Random(seed * 10 + i), stop.signal));
    try {
      return await Promise.race([work(), Promise.all(this.#following).then(() => work())]);
    } finally {
      stop.abort();
      await Promise.all(writers);
    }
  }

  async mode(): Promise<string> {
    const response = await fetch(`${this.server.url}/v1/status`).catch(() => undefined);
    return response ? (await response.json()).status : "down";
  }

  async whenMode(wanted: string): Promise<void> {
    await this.until(`the mode is ${wanted}`, async () => await this.mode() === wanted);
  }

  /** Nobody writes: everybody has what a query gives. */
  async assertFresh(): Promise<void> {
    for (const each of this.#followed) {
      const expected = await this.#select(each);
      const isFresh = () => JSON.stringify(rowsOf(each)) === JSON.stringify(expected);
      await this.until(JSON.stringify(each.params), isFresh).catch(() => {});
      deepEqual(rowsOf(each), expected, JSON.stringify(each.params));
      equal(each.follower.refetches, 0, `sent back to start: ${JSON.stringify(each.params)}`);
    }
  }

  async until(what: string, condition: () => boolean | Promise<boolean>): Promise<void> {
    const deadline = Date.now() + LIMIT_MS;
    // Nobody may follow: then they are all at their end at once.
    const failed = Promise.all(this.#following).then(() => new Promise<void>(() => {}));
    while (!await condition()) {
      if (Date.now() > deadline) throw new Error(`Still not: ${what}`);
      await Promise.race([pause(20), failed]);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await Promise.allSettled(this.#following);
    await this.server[Symbol.asyncDispose]();
    const { sql, role } = this.target;
    await sql`select pg_drop_replication_slot(slot_name) from pg_replication_slots
      where database = ${this.database.name} and not active`;
    await dropRole(sql, role);
    await this.database[Symbol.asyncDispose]();
  }

  async #write(random: Random, signal: AbortSignal): Promise<void> {
    const { sql } = this.database;
    while (!signal.aborted) {
      const statements = Array.from({ length: 1 + random.below(5) }, () => random.pick(STATEMENTS));
      await sql.begin(async (transaction) => {
        for (const statement of statements) await transaction.unsafe(statement(random));
      }).catch((error) => {
        // Keys that are taken, deadlocks, rows that moved to another partition; tables being altered.
        if (!["23505", "40001", "40P01", "55P03"].includes(error.code)) throw error;
      });
      await pause(random.below(5));
    }
  }

  async #select({ columns, params }: Followed): Promise<string[]> {
    const texts = columns.map((column) => `"${column}"::text`).join(", ");
    const rows = await this.database.sql.unsafe(
      `select distinct ${texts} from ${params.table} where ${params.where ?? "true"}`,
    ).values();
    return rows.map((row) => JSON.stringify([...row])).sort();
  }
}

/** As a query's texts: the log spells booleans and addresses as the stream does. */
function rowsOf({ columns, follower }: Followed): string[] {
  return [...follower.rows.values()].map((row) =>
    JSON.stringify(columns.map((column) => {
      const value = row[column];
      if (column === "flag" && value) return value.startsWith("t") ? "true" : "false";
      if (column !== "addr" || !value || value.includes("/")) return value;
      return `${value}/${value.includes(":") ? 128 : 32}`;
    }))
  ).sort();
}
