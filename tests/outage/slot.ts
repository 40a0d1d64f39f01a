/** What others may do to the server's replication slot. */

import type postgres from "postgres";
import { openReplication } from "../../replication/connection.ts";
import { parseDatabaseUrl } from "../../replication/database_url.ts";
import { setupNames } from "../../replication/setup_plan.ts";
import { STREAM_ID } from "./schema.ts";
import { until } from "./world.ts";

const { slot, publication } = setupNames(STREAM_ID);
const LIMIT_MS = 20_000;
const CONFIRM_LIMIT_MS = 180_000;

/** Ends the walsender of the slot, if there is one, and waits until it has let go. */
export async function endWalsender(sql: postgres.Sql): Promise<void> {
  await sql`SELECT pg_terminate_backend(active_pid, 5000) FROM pg_replication_slots
    WHERE slot_name = ${slot} AND active`;
}

/** Drops the slot, however quickly the server takes it again. */
export async function dropSlot(sql: postgres.Sql): Promise<void> {
  await insist(async () => {
    await endWalsender(sql);
    await sql`SELECT pg_drop_replication_slot(${slot})`;
  });
}

/** Waits until the server has confirmed all that is committed by now. */
export async function confirmed(sql: postgres.Sql): Promise<void> {
  const [{ lsn }] = await sql`SELECT pg_current_wal_lsn() AS lsn`;
  await until(
    async () => {
      const [found] = await sql`SELECT confirmed_flush_lsn >= ${lsn} AS is_confirmed
      FROM pg_replication_slots WHERE slot_name = ${slot}`;
      return found?.is_confirmed === true;
    },
    CONFIRM_LIMIT_MS,
    "the server confirms what is committed",
  );
}

export async function dropPublication(sql: postgres.Sql): Promise<void> {
  await sql.unsafe(`DROP PUBLICATION ${publication}`);
}

/** Takes the slot as another consumer, who never confirms anything; released on dispose. */
export async function holdSlot(sql: postgres.Sql, superuserUrl: string): Promise<AsyncDisposable> {
  const url = parseDatabaseUrl(superuserUrl);
  return await insist(async () => {
    const consumer = openReplication({ url, applicationName: "another_consumer" });
    try {
      await consumer.query("SELECT 1");
      await endWalsender(sql);
      const stream = await consumer.stream(
        `START_REPLICATION SLOT "${slot}" LOGICAL 0/0 ` +
          `(proto_version '1', publication_names '"${publication}"')`,
      );
      stream.resume();
      return { [Symbol.asyncDispose]: () => consumer.close(1_000) };
    } catch (error) {
      await consumer.close(100);
      throw error;
    }
  });
}

/** Makes so much WAL, in a table of nobody's, that the slot may no longer keep it, and waits for that. */
export async function loseWal(sql: postgres.Sql): Promise<void> {
  await sql.unsafe(`ALTER SYSTEM SET max_slot_wal_keep_size = '1MB'`);
  await sql`SELECT pg_reload_conf()`;
  await insist(async () => {
    for (let segment = 0; segment < 3; segment++) {
      await sql`SELECT pg_logical_emit_message(false, 'filler', repeat('x', 1000000))`;
      await sql`SELECT pg_switch_wal()`;
    }
    await sql`CHECKPOINT`;
    const [row] = await sql<{ wal_status: string | null }[]>`
      SELECT wal_status FROM pg_replication_slots WHERE slot_name = ${slot}`;
    // It is gone if the server has already noticed and dropped it.
    if (row && row.wal_status !== "lost") throw new Error(`The slot is "${row.wal_status}"`);
  });
  await sql.unsafe(`ALTER SYSTEM RESET max_slot_wal_keep_size`);
  await sql`SELECT pg_reload_conf()`;
}

/** Tries until it succeeds: the server fights for its slot. */
async function insist<T>(attempt: () => Promise<T>): Promise<T> {
  const deadlineMs = performance.now() + LIMIT_MS;
  for (;;) {
    try {
      return await attempt();
    } catch (error) {
      if (performance.now() > deadlineMs) throw error;
    }
  }
}
