/** The outages: what is done to Postgres, the network and the server, and when it is over. */

import { pause } from "../support/server_process.ts";
import { rejectReplication } from "./hba.ts";
import { tcpTarget } from "./primary.ts";
import { restartServer } from "./restart.ts";
import { bulkSql } from "./schema.ts";
import { confirmed, dropPublication, dropSlot, endWalsender, holdSlot, loseWal } from "./slot.ts";
import { comesTrue, openAdmin, type World, type WorldOptions } from "./world.ts";
import { DATABASE } from "./schema.ts";

export interface Timing {
  /** What a fault of so many seconds lasts in this run, in ms. */
  readonly faultMs: (seconds: number) => number;
  /** Rows of the one large transaction. */
  readonly rows: number;
}

export interface OutageCase {
  readonly id: string;
  readonly title: string;
  readonly world?: Partial<WorldOptions>;
  /** Only clients of other shapes than the one whose rows it changed are judged by age. */
  readonly judgesBystanders?: boolean;
  /** Resolves when the cause has ended; notes are for the report. */
  cause(world: World, timing: Timing): Promise<readonly string[] | void>;
}

/** Refused connections make the official client wait for seconds, which is not what is measured. */
const RETRY_SOON = { initialDelay: 100, maxDelay: 300, multiplier: 1.5 };
const STATE_LIMIT_MS = 5_000;
/** How long a standby falls behind. */
const LAG_MS = 2_000;

export const CASES: readonly OutageCase[] = [
  {
    id: "1",
    title: "walsender killed",
    cause: ({ admin }) => endWalsender(admin.sql),
  },
  {
    id: "2",
    title: "slot held by another consumer, 30 s",
    async cause({ admin, primary }, { faultMs }) {
      await using _held = await holdSlot(admin.sql, primary.url(DATABASE));
      await pause(faultMs(30));
    },
  },
  {
    id: "3",
    title: "slot dropped",
    cause: ({ admin }) => dropSlot(admin.sql),
  },
  {
    id: "4",
    title: "slot invalidated (max_slot_wal_keep_size)",
    async cause({ admin, primary }, { faultMs }) {
      await using _held = await holdSlot(admin.sql, primary.url(DATABASE));
      await pause(faultMs(5));
      await loseWal(admin.sql);
    },
  },
  {
    id: "5",
    title: "replication rejected in pg_hba.conf, 20 s",
    world: { isProxied: true, isReplicationLocal: true },
    async cause({ admin, primary }, { faultMs }) {
      await using _rejected = await rejectReplication(primary);
      await endWalsender(admin.sql);
      await pause(faultMs(20));
    },
  },
  {
    id: "6",
    title: "publication dropped",
    cause: ({ admin }) => dropPublication(admin.sql),
  },
  {
    id: "7a",
    title: "half-open replication socket, 25 s",
    world: { isProxied: true },
    async cause({ proxy }, { faultMs }) {
      proxy.stall(["replication"]);
      await pause(faultMs(25));
      proxy.resume();
    },
  },
  {
    id: "7b",
    title: "the same, new replication connections too",
    world: { isProxied: true },
    async cause({ proxy }, { faultMs }) {
      proxy.treat("stall", ["replication"]);
      proxy.stall(["replication"]);
      await pause(faultMs(25));
      proxy.treat("forward");
      proxy.resume();
    },
  },
  {
    id: "8",
    title: "Postgres stopped, 20 s",
    async cause({ primary }, { faultMs }) {
      await primary.stop("fast");
      await pause(faultMs(20));
      await primary.start();
    },
  },
  {
    id: "9",
    title: "Postgres killed (-9) and started again",
    async cause({ primary }) {
      primary.kill();
      await primary.start();
    },
  },
  {
    id: "10",
    title: "failover to a replica that is behind",
    world: { isProxied: true, hasStandby: true },
    cause: failOver,
  },
  {
    id: "11a",
    title: "server killed (-9) while live",
    world: { backoff: RETRY_SOON },
    cause: async (world) => [await restartServer(world)],
  },
  {
    id: "11b",
    title: "server killed (-9) while the slot is held",
    world: { backoff: RETRY_SOON },
    async cause(world, { faultMs }) {
      await using _held = await holdSlot(world.admin.sql, world.primary.url(DATABASE));
      await comesTrue(() => world.status.status === "fallback", STATE_LIMIT_MS);
      const note = await restartServer(world);
      await pause(faultMs(5));
      return [note];
    },
  },
  {
    id: "11c",
    title: "server killed (-9) while Postgres is down",
    world: { backoff: RETRY_SOON },
    async cause(world, { faultMs }) {
      await world.primary.stop("fast");
      await comesTrue(() => world.status.status === "starting", STATE_LIMIT_MS);
      const note = await restartServer(world);
      await pause(faultMs(5));
      await world.primary.start();
      return [note];
    },
  },
  {
    id: "12",
    title: "one transaction of very many rows",
    judgesBystanders: true,
    async cause({ admin }, { rows }) {
      await admin.sql.unsafe(bulkSql(rows));
      await confirmed(admin.sql);
      return [`${rows.toLocaleString("en-US")} rows`];
    },
  },
];

async function failOver(world: World): Promise<readonly string[]> {
  const { standby, primary, proxy, writer, commits } = world;
  if (!standby) throw new TypeError("There is no standby");
  standby.link.stall(["replication"]);
  await pause(LAG_MS);
  const before = commits.count;
  writer.expectFailover();
  primary.kill();
  await standby.cluster.promote();
  proxy.route(tcpTarget(standby.cluster));
  proxy.cut();
  await world.admin.sql.end({ timeout: 0 });
  world.admin = openAdmin(standby.cluster);
  await comesTrue(() => commits.count < before, STATE_LIMIT_MS);
  return [`${before - commits.count} commits were undone by the failover`];
}
