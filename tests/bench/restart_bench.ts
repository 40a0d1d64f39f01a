/** A server with many shapes is stopped and started again: until it answers for them. */

import assert from "node:assert/strict";
import { pause } from "../support/server_process.ts";
import { rate, sized, timed, workload } from "./support/bench.ts";
import { RawClient } from "./support/raw_client.ts";
import { insertRows, TABLE } from "./support/sample.ts";
import { ServedTable } from "./support/served_table.ts";
import { pathAt, type Position, readShapes, shapePath } from "./support/shape_reader.ts";

const SHAPES = sized(1_000, 50);
const CREATING_CONNECTIONS = 16;
const RETRY_MS = 2;

const shapes = Array.from(
  { length: SHAPES },
  (_, i) => shapePath({ table: TABLE.name, where: `field = 'v${i}'` }),
);

/** Tries until the server takes connections and knows the shape. */
async function firstAnswer(port: number, path: string): Promise<void> {
  for (;;) {
    try {
      using client = await RawClient.open(port);
      if ((await client.get(path)).status === 200) return;
    } catch {
      // It does not listen yet.
    }
    await pause(RETRY_MS);
  }
}

/** How many shapes are answered from where their reader had come. */
async function countKept(port: number, positions: readonly Position[]): Promise<number> {
  using client = await RawClient.open(port);
  let kept = 0;
  for (const [i, position] of positions.entries()) {
    if ((await client.get(pathAt(shapes[i], position))).status === 200) kept++;
  }
  return kept;
}

await using served = await ServedTable.open(insertRows(SHAPES, SHAPES));
const { server } = served;
await workload(`${SHAPES} shapes`, async () => {
  const clients = await served.connect(CREATING_CONNECTIONS);
  const { ms: createMs, result: positions } = await timed(() => readShapes(clients, shapes));
  const { ms: stop_ms, result } = await timed(() => server.stop());
  assert.equal(result.code, 0, result.stderr);
  server.launch();
  const first = await timed(() => firstAnswer(server.port, pathAt(shapes[0], positions[0])));
  const all = await timed(() => countKept(server.port, positions));
  assert.equal(all.result, SHAPES);
  await server.whenActive();
  return {
    shapes_created_per_s: rate(SHAPES, createMs),
    stop_ms,
    first_200_ms: first.ms,
    all_read_ms: first.ms + all.ms,
    ...served.memory(),
  };
});
