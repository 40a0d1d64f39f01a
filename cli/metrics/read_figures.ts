/** Gathers from all parts of the process what one scrape shows: nothing is remembered between two. */

import { join } from "node:path";
import type { ProcessFigures } from "../../server/admin_status.ts";
import type { HttpFigures } from "../../server/metrics.ts";
import type { Catalog } from "../../shapes/catalog.ts";
import type { Ingest } from "../../shapes/ingest.ts";
import type { ShapeStore } from "../../shapes/log/store.ts";
import type { Refresher } from "../../shapes/reconcile/refresher.ts";
import type { StatusReport } from "../../shapes/status.ts";
import { VERSION } from "../help.ts";
import type { Figures } from "./metrics.ts";

export interface FigureSources {
  readonly catalog: Catalog;
  readonly ingest: Ingest;
  readonly refresher: Refresher;
  readonly store: ShapeStore;
  readonly status: () => StatusReport;
  readonly storageDir: string;
}

export async function readFigures(sources: FigureSources, http: HttpFigures): Promise<Figures> {
  const { catalog, ingest, refresher, store, status, storageDir } = sources;
  const storageBytes = await countStorageBytes(storageDir);
  let watchedShapes = 0;
  for (const { isWatched } of catalog.shapes) if (isWatched) watchedShapes++;
  return {
    version: VERSION,
    startedMs: performance.timeOrigin,
    status: status(),
    http,
    modes: catalog.modes,
    intake: ingest.counters,
    snapshots: catalog.snapshots,
    reconciles: refresher.counters,
    ends: catalog.ends,
    watchedShapes,
    commits: store.commits,
    queuedBytes: store.queuedBytes,
    storageBytes,
    memory: Deno.memoryUsage(),
  };
}

export async function readProcess(
  { store, storageDir }: Pick<FigureSources, "store" | "storageDir">,
): Promise<ProcessFigures> {
  const storageBytes = await countStorageBytes(storageDir);
  const { rss: residentBytes, heapUsed: heapUsedBytes } = Deno.memoryUsage();
  return { storageBytes, queuedBytes: store.queuedBytes, residentBytes, heapUsedBytes };
}

async function countStorageBytes(directory: string): Promise<number | undefined> {
  if (directory === ":memory:") return undefined;
  let bytes = 0;
  for await (const { isFile, name } of Deno.readDir(directory)) {
    if (!isFile) continue;
    // A journal may vanish meanwhile.
    const info = await Deno.stat(join(directory, name)).catch(() => undefined);
    bytes += info?.size ?? 0;
  }
  return bytes;
}
