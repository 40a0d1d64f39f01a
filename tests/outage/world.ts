/** Everything that runs during a case: Postgres, the server, the writer, the clients, the probes. */

import postgres from "postgres";
import type { BackoffOptions } from "@electric-sql/client";
import type { Cluster } from "../support/postgres.ts";
import { pause, ServerProcess } from "../support/server_process.ts";
import { type Standby, startStandby } from "../support/standby.ts";
import { TcpProxy } from "../support/tcp_proxy.ts";
import { CommitLog } from "./commit_log.ts";
import { Fold } from "./fold.ts";
import { LiveClient } from "./live_client.ts";
import { roleUrl, socketTarget, startPrimary, tcpTarget } from "./primary.ts";
import { Probe } from "./probe.ts";
import { DATABASE, FILTERED, FOLLOWED, STREAM_ID } from "./schema.ts";
import { ServiceClock } from "./service_clock.ts";
import { syncAll } from "./shape_request.ts";
import { StatusWatch } from "./status_watch.ts";
import { Writer } from "./writer.ts";

export interface WorldOptions {
  /** The server, and the writer with it, reach Postgres through a proxy. */
  readonly isProxied?: boolean;
  /** Replication connections take Postgres' Unix socket, which pg_hba.conf can tell apart. */
  readonly isReplicationLocal?: boolean;
  readonly hasStandby?: boolean;
  /** How the official clients retry; their own way by default. */
  readonly backoff?: BackoffOptions;
  readonly newClientIntervalMs: number;
}

const START_MS = 30_000;

export interface World extends AsyncDisposable {
  readonly primary: Cluster;
  readonly standby: Standby | undefined;
  readonly proxy: TcpProxy;
  readonly server: ServerProcess;
  readonly clients: readonly LiveClient[];
  readonly commits: CommitLog;
  /** Runs while Postgres answers and the server is there. */
  readonly clock: ServiceClock;
  /** Runs while the server is there. */
  readonly serverClock: ServiceClock;
  readonly writer: Writer;
  readonly probe: Probe;
  readonly status: StatusWatch;
  /** Of the primary until a failover. */
  admin: Admin;
}

/** For the superuser, past any proxy. */
export interface Admin {
  readonly sql: postgres.Sql;
  readonly url: string;
}

/** Starts it all and resolves when every client is up to date and the writer writes. */
export async function openWorld(options: WorldOptions): Promise<World> {
  await using stack = new AsyncDisposableStack();
  const primary = stack.use(await startPrimary());
  const standby = options.hasStandby ? stack.use(await startStandby(primary)) : undefined;
  const admin = openAdmin(primary);
  stack.defer(() => admin.sql.end({ timeout: 0 }));
  const proxy = stack.use(new TcpProxy(tcpTarget(primary)));
  if (options.isReplicationLocal) proxy.route(socketTarget(primary), ["replication"]);
  const direct = primary.url(DATABASE);
  const url = options.isProxied ? proxy.url(direct) : direct;
  const server = stack.use(
    await ServerProcess.start({ databaseUrl: roleUrl(url), streamId: STREAM_ID }),
  );
  const commits = new CommitLog(), clock = new ServiceClock(), serverClock = new ServiceClock();
  const clients = FOLLOWED.map((shape) =>
    stack.use(
      new LiveClient({ url: server.url, shape, commits, clock, backoff: options.backoff }),
    )
  );
  await until(() => clients.every(({ seen }) => seen >= 0), START_MS, "clients are up to date");
  const writer = stack.use(new Writer(url, commits, clock));
  const first = await syncAll(server.url, FILTERED.params, new Fold(), START_MS);
  if (!first.position) throw new Error(`First request: ${first.outcome}`);
  const probe = stack.use(
    new Probe({
      url: server.url,
      commits,
      clock,
      newClientIntervalMs: options.newClientIntervalMs,
    }, first.position),
  );
  const status = stack.use(new StatusWatch(server.url));
  await until(() => clients.every(({ seen }) => seen >= 10), START_MS, "clients see writes");
  const parts = { primary, standby, proxy, server, clients, commits, clock, serverClock };
  const moved = stack.move();
  const world: World = {
    ...parts,
    ...{ writer, probe, status, admin },
    async [Symbol.asyncDispose]() {
      await world.admin.sql.end({ timeout: 0 });
      await moved.disposeAsync();
    },
  };
  return world;
}

export function openAdmin(cluster: Cluster): Admin {
  const url = cluster.url(DATABASE);
  return { sql: postgres(url, { max: 2, onnotice: () => {} }), url };
}

/** Whether the condition came to hold in time. */
export async function comesTrue(
  condition: () => boolean | Promise<boolean>,
  limitMs: number,
): Promise<boolean> {
  const deadlineMs = performance.now() + limitMs;
  while (!await condition()) {
    if (performance.now() > deadlineMs) return false;
    await pause(25);
  }
  return true;
}

/** Waits for a condition without which nothing can go on. */
export async function until(
  condition: () => boolean | Promise<boolean>,
  limitMs: number,
  what: string,
): Promise<void> {
  if (!await comesTrue(condition, limitMs)) throw new Error(`Not within ${limitMs} ms: ${what}`);
}
