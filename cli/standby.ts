/**
 * Takes the storage directory, or waits for whoever has it: then the shapes stored there are served
 * read-only, on the port that stays open when this process takes over.
 */

import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { openKv } from "@deno/kv";
import { createHandler } from "../server/handler.ts";
import { KvFollower } from "../shapes/log/kv_follower.ts";
import { StandbyCatalog } from "../shapes/standby_catalog.ts";
import type { StatusReport } from "../shapes/status.ts";
import { loadParser } from "../shapes/where/parse.ts";
import { isFile, STORAGE_FILE } from "./inspect/storage_files.ts";
import type { LineLogger } from "./logger.ts";
import type { ServeConfig } from "./options.ts";
import { Port, serverConfig } from "./port.ts";
import { checkStorageFormat } from "./storage_format.ts";
import { awaitStorageLock, lockStorage, readHolder, StorageLockedError } from "./storage_lock.ts";
import { StorageVersion } from "./storage_version.ts";

/** The storage is ours until the lock is disposed of. */
export interface StorageHold {
  readonly lock: Disposable;
  /** Of one who waited: it is open, and answers as before until it is given another handler. */
  readonly port: Port | undefined;
  /** Ends what was begun before: held requests are answered at once, event streams end. */
  retire(): void;
}

const DETAIL = "Another instance holds the storage: shapes that are stored are served, and this " +
  "instance takes over when that one ends";
/** Between looks whether there is a storage already. */
const LOOK_MS = 100;

/**
 * Locks the storage directory. Throws `StorageLockedError` when another process has it; as a standby
 * waits, and answers undefined if the signal fires before its turn has come.
 */
export async function holdStorage(
  config: ServeConfig,
  logger: LineLogger,
  signal: AbortSignal,
): Promise<StorageHold | undefined> {
  const { storageDir, isStandby } = config;
  try {
    return { lock: await lockStorage(storageDir), port: undefined, retire() {} };
  } catch (error) {
    if (!isStandby || !(error instanceof StorageLockedError)) throw error;
  }
  logger.warn("Another instance holds the storage: standing by", await readHolder(storageDir));
  return await standBy(config, logger, signal);
}

async function standBy(
  config: ServeConfig,
  logger: LineLogger,
  signal: AbortSignal,
): Promise<StorageHold | undefined> {
  const startMs = performance.now();
  const retired = new AbortController(), failed = new AbortController();
  const over = AbortSignal.any([signal, retired.signal]);
  const locking = awaitStorageLock(config.storageDir, AbortSignal.any([signal, failed.signal]));
  const taken = locking.then(() => undefined);
  let port: Port | undefined;
  try {
    port = await Promise.race([serveStored(config, logger, { signal, over }), taken]);
  } catch (error) {
    failed.abort();
    throw error;
  }
  const lock = await locking;
  if (!lock) {
    logger.info("Shutting down");
    await port?.listener.finished;
    return undefined;
  }
  const waitedMs = Math.round(performance.now() - startMs);
  logger.warn("The other instance has ended: taking over", { waitedMs });
  return { lock, port, retire: () => retired.abort() };
}

/** Opens the port once there is a storage; serves it until `over` fires. */
async function serveStored(
  config: ServeConfig,
  logger: LineLogger,
  { signal, over }: { readonly signal: AbortSignal; readonly over: AbortSignal },
): Promise<Port | undefined> {
  const path = resolve(join(config.storageDir, STORAGE_FILE));
  await loadParser();
  while (!await isFile(path)) {
    if (over.aborted) return undefined;
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
  await checkStorageFormat(config.storageDir);
  const store = new KvFollower(await openKv(`${pathToFileURL(path)}?mode=ro`));
  const version = new StorageVersion(path);
  const catalog = new StandbyCatalog({
    store,
    look: () => version.whenNew(() => store.look()),
    detail: DETAIL,
    logger: logger.with({ component: "standby" }),
    nowMs: Date.now,
  });
  await catalog.refresh();
  if (over.aborted) return undefined;
  catalog.run(over);
  const handler = createHandler({
    service: catalog,
    status: () => describe(catalog),
    config: serverConfig(config),
    logger: logger.with({ component: "http" }),
    shutdown: over,
  });
  const port = new Port(config, handler, signal);
  logger.info("Listening", { port: port.listener.addr.port, shapes: catalog.size });
  return port;
}

function describe({ mode, size }: StandbyCatalog): StatusReport {
  return {
    mode,
    connection: {
      state: "waiting",
      serverVersion: undefined,
      systemId: undefined,
      timeline: undefined,
    },
    replication: {
      isAvailable: false,
      receivedLsn: undefined,
      serverLsn: undefined,
      confirmedLsn: undefined,
      lagBytes: undefined,
      lagMs: undefined,
      confirmedLagBytes: undefined,
      confirmedLagMs: undefined,
      lastProgressMs: undefined,
      slot: undefined,
    },
    shapes: { total: size, live: 0, snapshotting: 0, reconciling: 0, behind: size, slow: 0 },
  };
}
