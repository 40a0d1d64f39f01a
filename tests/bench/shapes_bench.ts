/**
 * What changes cost past ever more shapes, server process and Postgres: the workloads w3, w5, w6 and
 * w7 of the kit (docs/BENCHMARKS.md), at points that the kit does not have.
 */

import assert from "node:assert/strict";
import { pause } from "../support/server_process.ts";
import {
  type Figures,
  flags,
  isWanted,
  median,
  percentile,
  rate,
  sized,
  timed,
  workload,
} from "./support/bench.ts";
import type { RawClient } from "./support/raw_client.ts";
import { insertFields, TABLE } from "./support/sample.ts";
import { ServedTable } from "./support/served_table.ts";
import {
  countInserts,
  type Position,
  type Read,
  readChange,
  readShape,
  readShapes,
  shapePath,
} from "./support/shape_reader.ts";

const SHAPES = flags.tiny ? [1, 20] : [1, 100, 1_000, 10_000];
const CREATORS = 16;
const WATCHED = 50;
const WRITES = sized(200, 10);
const ROWS = sized(50_000, 1_000);
/** For the server to hold all requests: nothing tells from outside. */
const SETTLE_MS = sized(500, 50);

/** A client that holds a long poll on one shape. */
class Poller {
  readonly #client: RawClient;
  readonly #shape: string;
  #position: Position;

  constructor(client: RawClient, shape: string, position: Position) {
    this.#client = client;
    this.#shape = shape;
    this.#position = position;
  }

  /** The answer to the poll that begins now, and when all of it was there. */
  async poll(): Promise<Read & { readonly atMs: number }> {
    const read = await readChange(this.#client, this.#shape, this.#position);
    this.#position = read.position;
    return { ...read, atMs: performance.now() };
  }
}

const filtered = (where: string) => shapePath({ table: TABLE.name, where });

async function makeShapes(served: ServedTable, shapes: readonly string[]): Promise<Position[]> {
  const creators = await served.connect(Math.min(CREATORS, shapes.length));
  return await readShapes(creators, shapes);
}

/** w3: one row to one of the shapes, of which up to 50 have a client. */
async function propagate(
  served: ServedTable,
  shapes: readonly string[],
  positions: readonly Position[],
): Promise<Figures> {
  const count = Math.min(WATCHED, shapes.length);
  const clients = await served.connect(count);
  const fields = clients.map((_, i) => Math.floor(i * shapes.length / count));
  const pollers = fields.map((at, i) => new Poller(clients[i], shapes[at], positions[at]));
  const held = pollers.map((poller) => poller.poll());
  await pause(SETTLE_MS);
  const { sql } = served.database, latenciesMs: number[] = [];
  for (let i = 0; i < WRITES; i++) {
    const at = i * 7 % count, start = performance.now();
    await sql.unsafe(insertFields(`'v${fields[at]}'`, 0, 1));
    const { atMs, body } = await held[at];
    latenciesMs.push(atMs - start);
    assert.equal(countInserts(body), 1);
    held[at] = pollers[at].poll();
    await pause(5);
  }
  await sql.unsafe(insertFields(`'v' || (array[${fields}])[g + 1]`, 0, count));
  await Promise.all(held);
  return { p50_ms: median(latenciesMs), p99_ms: percentile(latenciesMs, 0.99) };
}

/** Writes rows and then a mark, and waits until its client has it. */
async function drain(
  served: ServedTable,
  mark: Poller,
  field: string,
  rows: number,
  perTransaction: number,
): Promise<Figures> {
  const { sql } = served.database, seen = mark.poll();
  await pause(SETTLE_MS);
  const { ms } = await timed(async () => {
    const transactions = Array.from({ length: rows / perTransaction }, (_, i) => {
      return sql.unsafe(insertFields(field, i * perTransaction, (i + 1) * perTransaction))
        .execute();
    });
    await Promise.all(transactions);
    await sql.unsafe(insertFields("'mark'", 0, 1));
    await seen;
  });
  return { rows_per_s: rate(rows, ms) };
}

async function openMark(served: ServedTable): Promise<Poller> {
  const shape = filtered("field = 'mark'"), [client] = await served.connect(1);
  return new Poller(client, shape, (await readShape(client, shape)).position);
}

/** The first and the last shape must have all rows. */
async function checkComplete(served: ServedTable, shapes: readonly string[], rows: number) {
  const [client] = await served.connect(1);
  for (const i of new Set([0, shapes.length - 1])) {
    const { body } = await readShape(client, shapes[i]);
    assert(countInserts(body) >= Math.floor((rows - 1 - i) / shapes.length) + 1);
  }
}

const hit = (shapes: number) => `'v' || g % ${shapes}`;

async function indexed(count: number): Promise<void> {
  const write = `w3: one row, field = 'v7', shapes ${count}`;
  const loads = [
    { name: `w6: transactions of 100, shapes ${count}`, field: hit(count), perTransaction: 100 },
    { name: `w6: one transaction, shapes ${count}`, field: hit(count), perTransaction: ROWS },
    { name: `w6: no shape hit, shapes ${count}`, field: "'none' || g", perTransaction: 100 },
  ];
  if (![write, ...loads.map(({ name }) => name)].some(isWanted)) return;
  await using served = await ServedTable.open();
  const shapes = Array.from({ length: count }, (_, i) => filtered(`field = 'v${i}'`));
  const positions = await makeShapes(served, shapes);
  await propagate(served, shapes, positions); // warms the code
  await workload(write, async () => {
    return await propagate(served, shapes, await makeShapes(served, shapes));
  });
  const mark = await openMark(served);
  for (const { name, field, perTransaction } of loads) {
    await workload(name, async () => ({
      ...await drain(served, mark, field, ROWS, perTransaction),
      ...served.memory(),
    }));
  }
  // What `--only` leaves out is not there.
  if (loads.every(({ name }) => isWanted(name))) await checkComplete(served, shapes, ROWS * 2);
}

async function unindexed(count: number): Promise<void> {
  const name = `w7: field ILIKE 'v7', shapes ${count}`;
  if (!isWanted(name)) return;
  await using served = await ServedTable.open();
  const shapes = Array.from({ length: count }, (_, i) => filtered(`field ILIKE 'v${i}'`));
  await makeShapes(served, shapes);
  const mark = await openMark(served), rows = count > 100 ? 1_000 : sized(5_000, 1_000);
  await workload(name, () => drain(served, mark, hit(count), rows, 50));
  await checkComplete(served, shapes, rows);
}

/** w5: transactions of 50 rows that all shapes want, each with a client. */
async function overlapping(count: number): Promise<void> {
  const name = `w5: 50 rows, all match, shapes ${count}`;
  if (!isWanted(name)) return;
  await using served = await ServedTable.open();
  const shapes = Array.from({ length: count }, (_, i) => filtered(`id >= -${i}`));
  const positions = await makeShapes(served, shapes);
  const clients = await served.connect(count);
  const pollers = clients.map((client, i) => new Poller(client, shapes[i], positions[i]));
  await workload(name, async () => {
    const means: number[] = [], lasts: number[] = [];
    for (let round = 0; round < sized(6, 1); round++) {
      const answers = Promise.all(pollers.map((poller) => poller.poll()));
      await pause(SETTLE_MS + count / 4);
      const start = performance.now();
      await served.database.sql.unsafe(insertFields("'v0'", 0, 50));
      const seen = await answers;
      for (const { body } of seen.slice(0, 3)) assert.equal(countInserts(body), 50);
      means.push(seen.reduce((sum, { atMs }) => sum + atMs - start, 0) / count);
      lasts.push(Math.max(...seen.map(({ atMs }) => atMs)) - start);
    }
    return { mean_ms: median(means), last_ms: median(lasts), ...served.memory() };
  });
}

for (const count of SHAPES) {
  await indexed(count);
  await overlapping(count);
  await unindexed(count);
}
