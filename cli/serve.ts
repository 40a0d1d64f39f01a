/**
 * The composition root: opens the storage, Postgres and the port, joins them, and takes them apart
 * in order. Only here is it known that the domain's source is Postgres and its store Deno KV.
 */

import { join } from "node:path";
import { openKv } from "@deno/kv";
import { ReplicationHealth } from "../replication/health.ts";
import { lookAfterNetwork } from "../replication/next_turn.ts";
import type { PostgresSource } from "../replication/source.ts";
import type { StreamSink } from "../replication/stream_sink.ts";
import type { ReadProcess } from "../server/admin_status.ts";
import { createHandler, type Handler } from "../server/handler.ts";
import { metricsOnly, type WriteMetrics } from "../server/metrics.ts";
import type { ShapeAdmin } from "../shapes/admin.ts";
import { Catalog } from "../shapes/catalog.ts";
import { CatalogAdmin } from "../shapes/catalog_admin.ts";
import { Continuity } from "../shapes/continuity.ts";
import { Ingest } from "../shapes/ingest.ts";
import { KvStore } from "../shapes/log/kv_store.ts";
import { MemoryStore } from "../shapes/log/memory_store.ts";
import { PageCache } from "../shapes/log/page_cache.ts";
import type { ShapeStore, StoredState } from "../shapes/log/store.ts";
import type { Logger } from "../shapes/ports.ts";
import type { StatusReport } from "../shapes/status.ts";
import type { Shape } from "../shapes/shape.ts";
import type { TraceWork } from "../shapes/tracing.ts";
import { TailBudget } from "../shapes/log/tail.ts";
import { Refresher } from "../shapes/reconcile/refresher.ts";
import { loadParser } from "../shapes/where/parse.ts";
import { formatExposition } from "./metrics/exposition.ts";
import { VERSION } from "./help.ts";
import type { LineLogger } from "./logger.ts";
import { describeMetrics } from "./metrics/metrics.ts";
import type { ServeConfig } from "./options.ts";
import { databaseUrl, openPostgres } from "./open_postgres.ts";
import { readFigures, readProcess } from "./metrics/read_figures.ts";
import { listenAt, Port, serverConfig } from "./port.ts";
import { STORAGE_FILE } from "./inspect/storage_files.ts";
import { countRequests } from "./request_activity.ts";
import { holdStorage, type StorageHold } from "./standby.ts";
import { claimStorageFormat } from "./storage/storage_format.ts";
import { StreamIntake } from "./stream_intake.ts";
import { openTracing, type Tracing } from "./tracing.ts";
import { warmUp } from "./warm_up.ts";

const EVICTION_MS = 60_000;
/** Filters are always Postgres' to evaluate then, and what it shows is what there is. */
const QUERY_RULES = { hasGeneratedColumns: true, isTextOrderBytewise: false, isQueried: true };
const SPANS_TELL = "The runtime's spans of requests carry whole URLs: drop url.full and url.query";
/** Each reads a whole shape from the database. */
const RECONCILES_MAX = 4;
/** The process is gone this long after it was asked to end, whatever still hangs. */
const SHUTDOWN_MAX_MS = 9_000;

/** What a run of the server has from its beginning on. */
interface Run {
  readonly tracing: Tracing | undefined;
  readonly stack: AsyncDisposableStack;
  /** Storage failed: the process must end. */
  readonly failure: AbortController;
  /** Fires on that, and when the process is asked to end. */
  readonly ending: AbortSignal;
}

/** Serves until the signal fires; resolves when everything is closed. */
export async function serve(
  config: ServeConfig,
  logger: LineLogger,
  signal: AbortSignal,
): Promise<void> {
  await using stack = new AsyncDisposableStack();
  const failure = new AbortController();
  const ending = AbortSignal.any([signal, failure.signal]);
  const tracing = await openTracing(VERSION);
  if (tracing && config.secret !== undefined) logger.warn(SPANS_TELL);
  stack.use(await lookAfterNetwork());
  const hold = await openStorage(config, logger, ending, stack);
  if (hold !== "left") await serveHeld(config, logger, hold, { tracing, stack, failure, ending });
}

/** Serves from a storage that is ours, and what follows the database into it. */
async function serveHeld(
  config: ServeConfig,
  logger: LineLogger,
  hold: StorageHold | undefined,
  { tracing, stack, failure, ending }: Run,
): Promise<void> {
  const opening = openStore(config, failure, tracing, stack);
  const [store] = await Promise.all([opening, loadParser()]);
  const state = await store.load();
  const component = (name: string) => logger.with({ component: name });
  const { source, admin: sql, dropAll } = openPostgres(config, stack, component, {
    isOnReplica: () => health.isOnReplica,
    onUnpublished: (oid) => catalog.tableEvents.publishing(oid),
  });
  const parts = {
    config,
    store,
    state,
    source,
    logger: component("shapes"),
    trace: tracing?.work,
    confirm: (position: bigint) => health.confirm(position),
  };
  const domain = openDomain(parts);
  const { catalog, ingest, continuity } = domain;
  const refresher = openRefresher(parts, domain);
  catalog.setFreshener((shape) => refresher.refresh(shape));
  const take: StreamSink["accept"] = (events) => ingest.accept(events);
  const accept = tracing?.accept(take) ?? take;
  const sink = new StreamIntake({ continuity, catalog, ingest, accept, source, admin: sql });
  const health = new ReplicationHealth({
    ...healthOptions(config),
    onLongSilence: dropAll,
    whileAwake: (signal) => watchSource(source, catalog, signal),
    sink,
    logger: component("replication"),
    onMode: (mode) => catalog.setMode(mode),
  });
  const status = () => describeService(catalog, refresher, health);
  const sources = { catalog, ingest, refresher, store, status, storageDir: config.storageDir };
  const metrics: WriteMetrics = async (http) =>
    formatExposition(describeMetrics(await readFigures(sources, http)));
  const admin = openAdmin(config, catalog, refresher);
  const process: ReadProcess = () => readProcess(sources);
  const api = { service: catalog, status, metrics, admin, process, health, tracing };
  const handler = openHandler(config, api, logger, ending);
  const port = hold?.port ?? new Port(config, handler, ending);
  port.show(handler);
  hold?.retire();
  logger.info("Listening", { port: port.listener.addr.port, shapes: state.shapes.length });

  const leaving = new AbortController();
  const working = [
    health.run(leaving.signal),
    refresher.run(ending),
    warmUp(ending).catch((error) => logger.debug("Could not warm up", { reason: `${error}` })),
  ];
  evictRegularly(config, catalog, stack);
  await aborted(ending);
  const hardStop = setTimeout(() => Deno.exit(failure.signal.aborted ? 1 : 0), SHUTDOWN_MAX_MS);
  logger.info("Shutting down");
  // Then the stream's goodbye confirms all that has come.
  await store.flushed().catch(() => {});
  leaving.abort(ending.reason);
  await port.listener.finished;
  await store.flushed().catch(() => {});
  await Promise.all(working);
  clearTimeout(hardStop);
  if (failure.signal.aborted) throw failure.signal.reason;
}

function healthOptions(config: ServeConfig) {
  const { streamId, maxRetainedBytes, idleTimeoutMs, wakeIntervalMs } = config;
  const replica = config.fallbackDatabaseUrl;
  return {
    url: databaseUrl(config, config.databaseUrl),
    streamId,
    isManual: config.isManualPublishing,
    maxRetainedBytes,
    idleTimeoutMs,
    wakeIntervalMs,
    isQueryOnly: config.changeSource === "query",
    ...(replica === undefined ? {} : { replicaUrl: databaseUrl(config, replica) }),
  };
}

function openAdmin(
  { chunkBytes }: ServeConfig,
  catalog: Catalog,
  refresher: Refresher,
): ShapeAdmin {
  return new CatalogAdmin({
    shapes: () => catalog.shapes,
    byHandle: (handle) => catalog.byHandle(handle),
    mode: () => catalog.mode,
    isReconciling: (shape) => refresher.isRunning(shape),
    isSlow: (shape) => refresher.isSlow(shape),
    chunkBytes,
  });
}

/** The service as a whole, as it is told to operators and clients. */
function describeService(
  catalog: Catalog,
  refresher: Refresher,
  health: ReplicationHealth,
): StatusReport {
  const { total, snapshotting, behind } = catalog.counts;
  const isLive = catalog.mode.kind === "live";
  const live = isLive ? total - snapshotting - behind : 0;
  const { running: reconciling, slow } = refresher;
  const shapes = { total, live, snapshotting, reconciling, behind, slow };
  return { mode: catalog.mode, ...health.report(), shapes };
}

interface DomainParts {
  readonly config: ServeConfig;
  readonly store: ShapeStore;
  readonly state: StoredState;
  readonly source: PostgresSource;
  readonly logger: Logger;
  readonly trace: TraceWork | undefined;
  readonly confirm: (position: bigint) => void;
}

/** The shapes of earlier runs, ready to be served and to go on. */
function openDomain({ config, store, state, source, logger, trace, confirm }: DomainParts) {
  const resources = {
    store,
    tails: new TailBudget(),
    pages: new PageCache(),
    chunkBytes: config.chunkBytes,
    onLostReader: (shape: Shape) =>
      catalog.rotate(shape, "A reader has what a crash has lost", "lost_in_crash"),
  };
  const catalog: Catalog = new Catalog({ source, resources, logger, nowMs: Date.now, trace });
  const ingest = new Ingest({
    store,
    appliedLsn: state.appliedLsn,
    shift: state.identity?.shift ?? 0n,
    confirm,
    ancestors: (oid) => catalog.tableEvents.ancestors(oid),
    rotate: (shape, reason, kind) => catalog.rotate(shape, reason, kind),
    lose: (shape, reason) => catalog.lose(shape, reason),
    unprepared: (relation) => source.forget(relation.oid),
    external: {
      evaluate: (request, signal) => source.evaluate(request, signal),
      logger,
      nowMs: Date.now,
    },
  });
  if (config.changeSource === "query") catalog.setRules(QUERY_RULES);
  catalog.restore(state, ingest);
  const continuity = new Continuity({ store, catalog, ingest, stored: state.identity });
  return { catalog, ingest, continuity };
}

/** Shapes that the stream does not keep fresh are reconciled. */
function openRefresher(
  { config, store, source, logger, trace }: DomainParts,
  { catalog, ingest, continuity }: ReturnType<typeof openDomain>,
): Refresher {
  return new Refresher({
    source,
    ingest,
    store,
    logger,
    shapes: () => catalog.shapes,
    mode: () => catalog.mode,
    identity: () => continuity.identity,
    onForeign: (origin, walPosition) => continuity.meet(origin, walPosition),
    rotate: (shape, reason, kind) => catalog.rotate(shape, reason, kind),
    intervalMs: config.fallbackIntervalMs,
    concurrency: Math.max(1, Math.min(RECONCILES_MAX, Math.floor(config.poolSize / 2))),
    nowMs: Date.now,
    random: Math.random,
    trace,
  });
}

function watchSource(source: PostgresSource, catalog: Catalog, signal: AbortSignal): Promise<void> {
  return source.watch({
    tables: () => catalog.tables,
    isInUse: (oid) => catalog.tableEvents.isPrepared(oid),
    onChange: (oid, now) => catalog.tableEvents.changed(oid, now),
    onUnprepared: (oid, lost) => catalog.tableEvents.unprepared(oid, lost),
    onPublished: (oid, xids) => catalog.tableEvents.published(oid, xids),
    signal,
  });
}

function evictRegularly(
  { maxShapes }: ServeConfig,
  catalog: Catalog,
  stack: AsyncDisposableStack,
): void {
  if (maxShapes === undefined) return;
  const evicting = setInterval(() => catalog.evictBeyond(maxShapes), EVICTION_MS);
  stack.defer(() => clearInterval(evicting));
}

/** Undefined where nothing is kept; `left` when the end came while another process had it. */
async function openStorage(
  config: ServeConfig,
  logger: LineLogger,
  ending: AbortSignal,
  stack: AsyncDisposableStack,
): Promise<StorageHold | "left" | undefined> {
  const { storageDir } = config;
  if (storageDir === ":memory:") return undefined;
  await Deno.mkdir(storageDir, { recursive: true });
  const hold = await holdStorage(config, logger, ending);
  if (!hold) return "left";
  stack.use(hold.lock);
  return hold;
}

/** In a directory that is ours. */
async function openStore(
  { storageDir }: ServeConfig,
  failure: AbortController,
  tracing: Tracing | undefined,
  stack: AsyncDisposableStack,
): Promise<ShapeStore> {
  if (storageDir === ":memory:") return stack.use(new MemoryStore());
  await claimStorageFormat(storageDir);
  const kv = await openKv(join(storageDir, STORAGE_FILE));
  return stack.use(
    new KvStore(kv, { trace: tracing?.work, onFailure: (error) => failure.abort(error) }),
  );
}

/** What answers on the port; opens the other one, for metrics, if there is to be one. */
function openHandler(
  config: ServeConfig,
  { service, status, metrics, admin, process, health, tracing }: {
    service: Catalog;
    status: () => StatusReport;
    metrics: WriteMetrics;
    admin: ShapeAdmin;
    process: ReadProcess;
    health: ReplicationHealth;
    tracing: Tracing | undefined;
  },
  logger: LineLogger,
  shutdown: AbortSignal,
): Handler {
  const handler = createHandler({
    service,
    status,
    metrics,
    admin,
    process,
    config: serverConfig(config),
    logger: logger.with({ component: "http" }),
    shutdown,
  });
  const counted = config.idleTimeoutMs === 0
    ? handler
    : countRequests(handler, () => health.beginRequest());
  const { listenHost: hostname, prometheusPort } = config;
  if (prometheusPort !== undefined) {
    const only = metricsOnly(handler);
    listenAt("ELECTRIC_PROMETHEUS_PORT", {
      handler: only,
      hostname,
      port: prometheusPort,
      shutdown,
    });
  }
  return tracing?.handler(counted) ?? counted;
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
}
