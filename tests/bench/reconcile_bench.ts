/**
 * A shape of many rows whose slot was lost while the server was down is reconciled when it starts:
 * from when the stream runs until the shape goes on with it.
 */

import assert from "node:assert/strict";
import { setupNames } from "../../replication/setup_plan.ts";
import { pause } from "../support/server_process.ts";
import { type Figures, rate, sized, timed, workload } from "./support/bench.ts";
import { insertRows, TABLE } from "./support/sample.ts";
import { ServedTable } from "./support/served_table.ts";

const ROWS = sized(1_000_000, 2_000);
const POLL_MS = 20;

interface Counts {
  readonly total: number;
  readonly snapshotting: number;
  readonly behind: number;
}

await using served = await ServedTable.open(insertRows(ROWS));
const { server, database: { sql, name: streamId } } = served;

async function counts(): Promise<Counts> {
  return (await (await fetch(`${server.url}/v1/status`)).json()).shapes;
}

async function until(condition: (counts: Counts) => boolean): Promise<void> {
  while (!condition(await counts())) await pause(POLL_MS);
}

async function createShape(): Promise<void> {
  const response = await fetch(`${server.url}/v1/shape?table=${TABLE.name}&offset=-1`);
  assert.equal(response.status, 200);
  await response.body?.cancel();
  await until(({ total, snapshotting }) => total === 1 && snapshotting === 0);
}

/** What is written meanwhile reaches the shape only by reconciling. */
async function whileDown(change: string): Promise<Figures> {
  assert.equal((await server.stop()).code, 0);
  await sql`select pg_drop_replication_slot(${setupNames(streamId).slot})`;
  await sql.unsafe(change);
  const { ms: startMs } = await timed(() => server.start());
  const { ms } = await timed(() => until(({ behind }) => behind === 0));
  assert.equal((await counts()).total, 1);
  return {
    start_ms: startMs,
    reconcile_s: ms / 1_000,
    rows_per_s: rate(ROWS, ms),
    ...served.memory(),
  };
}

await workload(`${ROWS} rows, none changed`, async () => {
  await createShape();
  return await whileDown("select 1");
});
await workload(
  `${ROWS} rows, 1 % changed`,
  () => whileDown(`update ${TABLE.name} set price = price + 1 where id % 100 = 0`),
);
await workload(
  `${ROWS} rows, all changed`,
  () => whileDown(`update ${TABLE.name} set price = price + 1`),
);
await workload(
  `${ROWS} rows, a tenth deleted`,
  () => whileDown(`delete from ${TABLE.name} where id % 10 = 3`),
);
await workload(`${ROWS} rows, all were updated in part`, async () => {
  await sql.unsafe(`update ${TABLE.name} set price = price + 1`);
  await sql.unsafe(`update ${TABLE.name} set field = 'seen' where id = 1`);
  await untilSeen();
  return await whileDown("select 1");
});

/** The stream has brought all. */
async function untilSeen(): Promise<void> {
  const url = `${server.url}/v1/shape?table=${TABLE.name}&offset=now`;
  const [{ lsn }] = await sql`select (pg_current_wal_insert_lsn() - '0/0'::pg_lsn)::text as lsn`;
  await sql.unsafe(`update ${TABLE.name} set field = 'over' where id = 2`);
  for (;;) {
    const [message] = await (await fetch(url)).json();
    if (BigInt(message.headers.global_last_seen_lsn) >= BigInt(lsn)) return;
    await pause(POLL_MS);
  }
}
