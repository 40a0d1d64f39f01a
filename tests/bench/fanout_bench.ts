/** Many clients hold a long poll on one shape: from sending a write until the last has its answer. */

import assert from "node:assert/strict";
import { pause } from "../support/server_process.ts";
import { type Figures, median, percentile, repeated, sized, workload } from "./support/bench.ts";
import type { RawClient } from "./support/raw_client.ts";
import { insertRows, TABLE } from "./support/sample.ts";
import { ServedTable } from "./support/served_table.ts";
import {
  countInserts,
  type Position,
  readChange,
  readShape,
  shapePath,
} from "./support/shape_reader.ts";

const CLIENTS = sized(1_000, 20);
const SHAPE = shapePath({ table: TABLE.name });
/** For the server to hold all requests: nothing tells from outside. */
const SETTLE_MS = sized(500, 50);

/** Writes once while all clients wait, and checks that each gets all of it. */
async function fanOut(
  served: ServedTable,
  clients: readonly RawClient[],
  from: Position,
  rows: number,
): Promise<{ position: Position; latenciesMs: number[] }> {
  let start = 0;
  const answers = Promise.all(clients.map(async (client) => {
    const read = await readChange(client, SHAPE, from);
    return { read, ms: performance.now() - start };
  }));
  await pause(SETTLE_MS);
  start = performance.now();
  await served.database.sql.unsafe(insertRows(rows));
  const seen = await answers;
  const [{ read: first }] = seen;
  assert.equal(countInserts(first.body), rows);
  // Control messages may name different LSNs: the offset tells that it is the same.
  assert(seen.every(({ read }) => read.position.offset === first.position.offset));
  return { position: first.position, latenciesMs: seen.map(({ ms }) => ms) };
}

await using served = await ServedTable.open();
const clients = await served.connect(CLIENTS);
let { position } = await readShape(clients[0], SHAPE);
({ position } = await fanOut(served, clients, position, 1)); // warms the code

for (const rows of [10, 1_000]) {
  await workload(`${CLIENTS} clients, transactions of ${rows}`, async () => {
    const figures = await repeated(rows > 10 ? 3 : 10, async (): Promise<Figures> => {
      const { latenciesMs, ...after } = await fanOut(served, clients, position, rows);
      position = after.position;
      return { p50_ms: median(latenciesMs), last_ms: percentile(latenciesMs, 1) };
    });
    return { ...figures, ...served.memory() };
  });
}
