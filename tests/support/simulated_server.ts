/** A process of the server without Postgres: what a simulation starts, crashes and starts again. */

import { Catalog } from "../../shapes/catalog.ts";
import { Continuity } from "../../shapes/continuity.ts";
import { Ingest } from "../../shapes/ingest.ts";
import { PageCache } from "../../shapes/log/page_cache.ts";
import { TailBudget } from "../../shapes/log/tail.ts";
import type { ModeKind } from "../../shapes/mode.ts";
import { type Reconciled, reconcileShape } from "../../shapes/reconcile/reconcile.ts";
import type { Shape } from "../../shapes/shape.ts";
import type { DrivenStore } from "./driven_store.ts";
import { RULES } from "./ingest_world.ts";
import { ScriptedSource, SilentLogger } from "./scripted_source.ts";
import { table } from "./shape_fixture.ts";
import type { SimulatedDatabase } from "./simulated_database.ts";

const HISTORY = { systemId: "1", timeline: 1, database: "app" };

let processes = 0;

export class SimulatedServer {
  readonly source: ScriptedSource;
  readonly catalog: Catalog;
  /** What the stream may be acknowledged up to. */
  confirmed = 0n;
  readonly #database: SimulatedDatabase;

  private constructor(
    readonly store: DrivenStore,
    readonly ingest: Ingest,
    readonly continuity: Continuity,
    parts: { source: ScriptedSource; catalog: Catalog; database: SimulatedDatabase },
  ) {
    this.source = parts.source;
    this.catalog = parts.catalog;
    this.#database = parts.database;
  }

  static async start(database: SimulatedDatabase, store: DrivenStore): Promise<SimulatedServer> {
    const source = new ScriptedSource(), logger = new SilentLogger();
    // Handles are made from the time: those of an earlier process must not come again.
    const startedMs = ++processes * 1000, nowMs = () => startedMs;
    source.tables.push(table());
    source.onTake = (wish) => database.answer(source, wish);
    source.onPrepare = ({ oid }) => server.#publish(oid);
    const resources = {
      store,
      tails: new TailBudget(),
      pages: new PageCache(),
      // A reader who stops at a chunk's end may be taken for one of what was lost.
      chunkBytes: 1_000,
      onLostReader: (shape: Shape) => catalog.rotate(shape, "It was lost", "lost_in_crash"),
    };
    const catalog: Catalog = new Catalog({ source, resources, logger, nowMs });
    const state = await store.load();
    const ingest = new Ingest({
      store,
      appliedLsn: state.appliedLsn,
      confirm: (position) => server.confirmed = position,
      ancestors: () => Promise.resolve([]),
      shift: state.identity?.shift ?? 0n,
      rotate: (shape, reason, kind) => catalog.rotate(shape, reason, kind),
      lose: (shape, reason) => catalog.lose(shape, reason),
      unprepared: () => {},
      external: { evaluate: (...args) => source.evaluate(...args), logger, nowMs },
    });
    catalog.restore(state, ingest);
    catalog.setRules(RULES);
    const continuity = new Continuity({ store, catalog, ingest, stored: state.identity });
    const parts = { source, catalog, database };
    const server: SimulatedServer = new SimulatedServer(store, ingest, continuity, parts);
    return server;
  }

  get isLive(): boolean {
    return this.catalog.mode.kind === "live";
  }

  setMode(kind: ModeKind): void {
    const reason = kind === "live" ? undefined : "stream_interrupted";
    this.catalog.setMode({ kind, reason, detail: "", sinceMs: 0 });
  }

  /** A stream is about to begin. */
  begin(isSlotNew: boolean, confirmedLsn: bigint): Promise<void> {
    const serverLsn = this.#database.end;
    return this.continuity.begin({ ...HISTORY, isSlotNew, confirmedLsn, serverLsn });
  }

  /** A look at the database. */
  watch(): void {
    if (!this.#database.isPublished) {
      this.catalog.tableEvents.unprepared(table().oid, "publication");
    }
  }

  /** What the refresher does when it is the shape's turn. */
  async reconcile(shape: Shape, signal: AbortSignal): Promise<Reconciled> {
    const { source, ingest, store, isLive } = this;
    if (isLive) await source.prepare(shape.definition.table);
    signal.throwIfAborted();
    return await reconcileShape(shape, {
      source,
      ingest,
      store,
      identity: () => this.continuity.identity,
      seed: 1,
      fold: undefined,
      isStreamed: isLive && this.isLive,
      nowMs: () => 0,
      signal,
    });
  }

  async #publish(oid: number): Promise<void> {
    if (this.#database.isPublished) return;
    await this.catalog.tableEvents.publishing(oid);
    // It waits for those who have written to the table before.
    this.#database.show();
    this.#database.isPublished = true;
  }
}
