/** Small answers that need no waiting: requests a second over 32 keep-alive connections. */

import assert from "node:assert/strict";
import { type Figures, percentile, rate, sized, timed, workload } from "./support/bench.ts";
import type { RawClient } from "./support/raw_client.ts";
import { insertRows, TABLE } from "./support/sample.ts";
import { ServedTable } from "./support/served_table.ts";
import { pathAt, readShape, shapePath } from "./support/shape_reader.ts";

const CONNECTIONS = 32;
const ROWS = 10;
const SHAPE = shapePath({ table: TABLE.name });

/** All answers must be 200 and as long as the first. */
async function requestAll(
  clients: readonly RawClient[],
  path: string,
  count: number,
): Promise<Figures> {
  const latencies: number[] = [];
  const { bytes: expected } = await clients[0].get(path);
  let left = count;
  const { ms } = await timed(() =>
    Promise.all(clients.map(async (client) => {
      while (left-- > 0) {
        const start = performance.now();
        const { status, bytes } = await client.get(path);
        latencies.push(performance.now() - start);
        assert(status === 200 && bytes === expected, `Status ${status} with ${bytes} bytes`);
      }
    }))
  );
  assert.equal(latencies.length, count);
  return {
    requests_per_s: rate(count, ms),
    p50_ms: percentile(latencies, 0.5),
    p99_ms: percentile(latencies, 0.99),
    bytes: expected,
  };
}

await using served = await ServedTable.open(insertRows(ROWS));
const clients = await served.connect(CONNECTIONS);
const { position } = await readShape(clients[0], SHAPE);
const paths = {
  [`${ROWS} rows from the beginning`]: pathAt(SHAPE, { ...position, offset: "-1" }),
  "caught up": pathAt(SHAPE, position),
  "the shape's first request": `${SHAPE}&offset=-1`,
};
for (const [name, path] of Object.entries(paths)) {
  await workload(name, async () => {
    await requestAll(clients, path, sized(5_000, 50)); // warms the code
    const figures = await requestAll(clients, path, sized(20_000, 200));
    return { ...figures, ...served.memory() };
  });
}
