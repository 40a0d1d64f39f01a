/** What may happen to the stream of a server whose role, slot and publication are known. */

import type postgres from "postgres";
import { setupNames } from "../../replication/setup_plan.ts";
import { pause } from "./server_process.ts";

const LIMIT_MS = 20_000;

export interface FaultTarget {
  /** A superuser's, on the server's database. */
  readonly sql: postgres.Sql;
  readonly streamId: string;
  /** What the server logs in as. */
  readonly role: string;
  /** A published table. */
  readonly table: string;
}

export interface Fault {
  readonly name: string;
  /** The stream can't run before it is mended. */
  readonly isLasting: boolean;
  inflict(target: FaultTarget): Promise<void>;
  mend(target: FaultTarget): Promise<void>;
}

const nothing = () => Promise.resolve();

export const FAULTS: readonly Fault[] = [
  { name: "its walsender is ended", isLasting: false, inflict: endWalsender, mend: nothing },
  { name: "its slot is dropped", isLasting: false, inflict: dropSlot, mend: nothing },
  {
    name: "its publication is dropped",
    isLasting: false,
    async inflict(target) {
      await target.sql.unsafe(
        `DROP PUBLICATION IF EXISTS ${setupNames(target.streamId).publication}`,
      );
      await endWalsender(target);
    },
    mend: nothing,
  },
  {
    name: "a table is taken out of its publication",
    isLasting: false,
    async inflict({ sql, streamId, table }) {
      const { publication } = setupNames(streamId);
      await sql.unsafe(`ALTER PUBLICATION ${publication} DROP TABLE ${table}`).catch((error) => {
        // Undefined object: it is not in there just now.
        if (error.code !== "42704") throw error;
      });
    },
    mend: nothing,
  },
  {
    name: "a table loses its replica identity",
    isLasting: false,
    async inflict({ sql, table }) {
      await sql.unsafe(`ALTER TABLE ${table} REPLICA IDENTITY DEFAULT`);
    },
    mend: nothing,
  },
  {
    name: "its role may not replicate",
    isLasting: true,
    async inflict(target) {
      await changeRoles(target.sql, `ALTER ROLE ${target.role} NOREPLICATION`);
      await endWalsender(target);
    },
    async mend({ sql, role }) {
      await changeRoles(sql, `ALTER ROLE ${role} REPLICATION`);
    },
  },
  {
    name: "its role may not replicate, and its slot is dropped",
    isLasting: true,
    async inflict(target) {
      await changeRoles(target.sql, `ALTER ROLE ${target.role} NOREPLICATION`);
      await dropSlot(target);
    },
    async mend({ sql, role }) {
      await changeRoles(sql, `ALTER ROLE ${role} REPLICATION`);
    },
  },
];

async function endWalsender({ sql, streamId }: FaultTarget): Promise<void> {
  await sql`select pg_terminate_backend(active_pid, 5000) from pg_replication_slots
    where slot_name = ${setupNames(streamId).slot} and active`;
}

/** However quickly the server takes it again. */
async function dropSlot(target: FaultTarget): Promise<void> {
  const deadline = Date.now() + LIMIT_MS;
  for (;;) {
    try {
      await endWalsender(target);
      await target.sql`select pg_drop_replication_slot(slot_name) from pg_replication_slots
        where slot_name = ${setupNames(target.streamId).slot}`;
      return;
    } catch (error) {
      if (Date.now() > deadline) throw error;
      await pause(5);
    }
  }
}

/** A role that owns nothing yet, may replicate, and may do in the database what a server needs. */
export async function createRole(sql: postgres.Sql, database: string): Promise<string> {
  const role = `app_${crypto.randomUUID().slice(0, 8)}`;
  await changeRoles(
    sql,
    `CREATE ROLE ${role} LOGIN REPLICATION PASSWORD 'x';
      GRANT ALL ON DATABASE ${database} TO ${role}; GRANT ALL ON SCHEMA public TO ${role}`,
  );
  return role;
}

/**
 * Again, when others change at the same moment what the whole cluster shares: "tuple concurrently
 * updated".
 */
async function changeRoles(sql: postgres.Sql, text: string): Promise<void> {
  const deadline = Date.now() + LIMIT_MS;
  for (;;) {
    try {
      return void await sql.unsafe(text);
    } catch (error) {
      const isShared = error instanceof Error && "code" in error && error.code === "XX000";
      if (!isShared || Date.now() > deadline) throw error;
      await pause(5);
    }
  }
}

/** The url for the role. */
export function urlFor(role: string, databaseUrl: string): string {
  const url = new URL(databaseUrl);
  url.username = role;
  url.password = "x";
  return url.href;
}

export async function dropRole(sql: postgres.Sql, role: string): Promise<void> {
  await changeRoles(sql, `REASSIGN OWNED BY ${role} TO CURRENT_USER; DROP OWNED BY ${role}`);
  await changeRoles(sql, `DROP ROLE ${role}`);
}
