/** One client's first sync of a whole table from a server process: cold without shape, then warm. */

import assert from "node:assert/strict";
import {
  type Figures,
  mbPerSecond,
  rate,
  repeated,
  sized,
  timed,
  workload,
} from "./support/bench.ts";
import type { RawClient } from "./support/raw_client.ts";
import { insertRows, TABLE } from "./support/sample.ts";
import { ServedTable } from "./support/served_table.ts";
import { countInserts, readShape, shapePath } from "./support/shape_reader.ts";

const ROWS = sized(100_000, 1_000);
const SHAPE = shapePath({ table: TABLE.name });

async function sync(client: RawClient): Promise<Figures> {
  const { ms, result } = await timed(() => readShape(client, SHAPE));
  assert.equal(countInserts(result.body), ROWS);
  return {
    rows_per_s: rate(ROWS, ms),
    mb_per_s: mbPerSecond(result.bytes, ms),
    wall_ms: ms,
  };
}

async function forget(url: string): Promise<void> {
  const { status } = await fetch(`${url}${SHAPE}`, { method: "DELETE" });
  assert.equal(status, 202);
}

await using served = await ServedTable.open(insertRows(ROWS));
const [client] = await served.connect(1);
await workload(`cold, ${ROWS} rows`, async () => {
  await sync(client); // warms the code
  const figures = await repeated(3, async () => {
    await forget(served.server.url);
    return await sync(client);
  });
  return { ...figures, ...served.memory() };
});
await workload(`warm, ${ROWS} rows`, async () => {
  await sync(client);
  const figures = await repeated(3, () => sync(client));
  return { ...figures, ...served.memory() };
});
