/** Makes shapes, finds them again, and ends them: the domain's face to HTTP. */

import {
  canonicalText,
  type DefinitionRules,
  missingTableError,
  parseRequestedTable,
  resolveDefinition,
  type ShapeDefinition,
  tryResolveDefinition,
} from "./definition.ts";
import { EndCounters, type EndKind, type SnapshotCounters } from "./counters.ts";
import { Filling } from "./filling.ts";
import { createHandleMaker } from "./handle.ts";
import type { Ingest } from "./ingest.ts";
import type { StoredShape, StoredState } from "./log/store.ts";
import type { Mode } from "./mode.ts";
import type { Logger, Source } from "./ports.ts";
import { compareOffsets, SNAPSHOT_END } from "./offset.ts";
import type { DefinitionRequest, ShapeService } from "./service.ts";
import { Shape, type ShapeResources } from "./shape.ts";
import { ShapeIndex } from "./shape_index.ts";
import { parseStoredSnapshot } from "./snapshot.ts";
import { parseStanding } from "./standing.ts";
import { formatStoredDefinition, parseStoredDefinition } from "./stored_definition.ts";
import { type Table, type TableName, withPartitions } from "./table.ts";
import { TableEvents } from "./table_events.ts";
import { type TraceWork, untraced } from "./tracing.ts";

export interface CatalogOptions {
  readonly source: Source;
  readonly resources: ShapeResources;
  readonly logger: Logger;
  readonly nowMs: () => number;
  readonly trace?: TraceWork | undefined;
}

export class Catalog implements ShapeService {
  readonly #options: CatalogOptions;
  readonly #index = new ShapeIndex<Shape>();
  readonly #canonical = new WeakMap<Shape, string>();
  readonly #filling: Filling;
  readonly #describing = new Map<string, Promise<Table | undefined>>();
  readonly #makeHandle: (definition: string) => string;
  #ingest: Ingest | undefined;
  #rules: DefinitionRules = { hasGeneratedColumns: false, isTextOrderBytewise: false };
  #mode: Mode;
  #freshen: (shape: Shape) => Promise<void> | undefined = () => undefined;
  #serving = Promise.withResolvers<void>();
  /** What is learnt of the shapes' tables. */
  readonly tableEvents: TableEvents;
  readonly ends: EndCounters = new EndCounters();
  /** How often the mode became each of its kinds. */
  readonly modes: Record<Mode["kind"], number> = { starting: 0, live: 0, fallback: 0 };

  constructor(options: CatalogOptions) {
    this.#options = options;
    this.#makeHandle = createHandleMaker(options.nowMs);
    this.#filling = new Filling({
      source: options.source,
      store: options.resources.store,
      chunkBytes: options.resources.chunkBytes,
      ingest: () => this.#ingest,
      mode: () => this.#mode,
      onFailure: (shape, reason, told) => this.#end(shape, reason, "snapshot_failed", told),
    });
    this.tableEvents = new TableEvents({
      source: options.source,
      store: options.resources.store,
      logger: options.logger,
      index: this.#index,
      ingest: () => this.#ingest,
      lose: (shape, reason) => this.lose(shape, reason),
      end: (shape, reason) => this.#end(shape, reason, "table_changed"),
    });
    this.#mode = { kind: "starting", reason: "starting", detail: "", sinceMs: options.nowMs() };
  }

  get mode(): Mode {
    return this.#mode;
  }

  get lastSeenLsn(): bigint {
    return this.#ingest?.lastSeenLsn ?? 0n;
  }

  get shapes(): Iterable<Shape> {
    return this.#index.shapes;
  }

  /** Shapes in all, those being filled, and those that are complete but lack changes. */
  get counts(): { total: number; snapshotting: number; behind: number } {
    let behind = 0;
    for (const shape of this.#index.shapes) if (shape.isComplete && shape.isBehind) behind++;
    return { total: this.#index.size, snapshotting: this.#filling.size, behind };
  }

  /** The tables that have shapes, in every description that a shape rests on. */
  get tables(): readonly Table[] {
    return this.#index.tables;
  }

  get snapshots(): SnapshotCounters {
    return this.#filling.counters;
  }

  setMode(mode: Mode): void {
    if (mode.kind !== this.#mode.kind) this.modes[mode.kind]++;
    if (mode.kind !== "starting") this.#serving.resolve();
    else if (this.#mode.kind !== "starting") this.#serving = Promise.withResolvers();
    this.#mode = mode;
  }

  setFreshener(freshen: (shape: Shape) => Promise<void> | undefined): void {
    this.#freshen = freshen;
  }

  freshen(handle: string): Promise<void> | undefined {
    const shape = this.#index.byHandle(handle);
    return shape && this.#freshen(shape);
  }

  setRules(rules: DefinitionRules): void {
    this.#rules = rules;
  }

  async whenServing(timeoutMs: number, signal: AbortSignal): Promise<void> {
    if (this.#mode.kind !== "starting" || signal.aborted) return;
    const over = Promise.withResolvers<void>();
    const timer = setTimeout(over.resolve, timeoutMs);
    signal.addEventListener("abort", () => over.resolve(), { once: true });
    await Promise.race([this.#serving.promise, over.promise]);
    clearTimeout(timer);
  }

  /** Brings back the shapes of an earlier run. */
  restore(state: StoredState, ingest: Ingest): void {
    this.#ingest = ingest;
    for (const stored of state.shapes) {
      if (this.#restoreShape(stored, state, ingest)) continue;
      this.#options.resources.store.dropShape(stored.handle);
    }
  }

  #restoreShape(stored: StoredShape, state: StoredState, ingest: Ingest): boolean {
    const { resources, nowMs, logger } = this.#options;
    try {
      const definition = parseStoredDefinition(
        stored.meta,
        (table) =>
          this.#index.sharedTable(withPartitions(table, state.partitions.get(table.oid) ?? [])),
      );
      if (!definition || stored.snapshot === undefined) return false;
      const snapshot = parseStoredSnapshot(stored.snapshot);
      const { reconciledTo } = parseStanding(stored.standing);
      // What readers have seen must still be there.
      if (reconciledTo && compareOffsets(stored.head ?? SNAPSHOT_END, reconciledTo) < 0) {
        return false;
      }
      const shape = new Shape(stored.handle, definition, resources, nowMs(), {
        shape: stored,
        ...snapshot,
      });
      this.#register(shape, canonicalText(definition));
      ingest.add(shape, undefined);
      return true;
    } catch (error) {
      logger.warn("Could not restore a shape", { handle: stored.handle, reason: `${error}` });
      return false;
    }
  }

  byHandle(handle: string): Shape | undefined {
    return this.#index.byHandle(handle);
  }

  async find(request: DefinitionRequest): Promise<Shape | undefined> {
    const known = this.#findKnown(request);
    if (known) return known;
    const definition = await this.#resolve(request);
    return this.#index.byDefinition(canonicalText(definition));
  }

  async findOrCreate(request: DefinitionRequest): Promise<Shape> {
    const known = this.#findKnown(request);
    if (known) return known;
    const definition = await this.#resolve(request);
    const canonical = canonicalText(definition);
    const shape = this.#index.byDefinition(canonical) ??
      this.#create(definition, canonical, request);
    this.#index.remember(request, shape);
    return shape;
  }

  drop(handle: string): void {
    const shape = this.#index.byHandle(handle);
    if (shape) this.#end(shape, "It was deleted", "deleted");
  }

  /** Ends the least recently used shapes beyond the limit. */
  evictBeyond(limit: number): void {
    const excess = this.#index.size - limit;
    if (excess <= 0) return;
    const oldestFirst = [...this.#index.shapes].sort((a, b) => a.lastUsedMs - b.lastUsedMs);
    for (const shape of oldestFirst.slice(0, excess)) {
      this.#end(shape, "More shapes than the limit allows", "evicted");
    }
  }

  /** The shape can't go on: clients start again with another. */
  rotate(shape: Shape, reason: string, kind: EndKind): void {
    this.#end(shape, reason, kind);
  }

  /** The stream has left out something of the shape. */
  lose(shape: Shape, reason: string): void {
    // What it had at first is in no log: there is nothing to compare with.
    if (shape.definition.log === "changes_only") return this.#end(shape, reason, "changes_missed");
    if (shape.isFollowed) {
      const { handle, definition: { table } } = shape;
      this.#options.logger.info("Shape must be reconciled", { handle, table: table.name, reason });
    }
    shape.lose();
  }

  /** The stream does not go on where it ended. */
  loseAll(reason: string): void {
    const shapes = [...this.#index.shapes];
    const count = shapes.filter(({ isFollowed }) => isFollowed).length;
    if (count > 0) this.#options.logger.info("All shapes must be reconciled", { count, reason });
    for (const shape of shapes) {
      if (shape.definition.log === "changes_only") this.#end(shape, reason, "changes_missed");
      else shape.lose();
    }
  }

  endAll(reason: string): void {
    for (const shape of [...this.#index.shapes]) this.#end(shape, reason, "database_changed");
  }

  /** What can be found without asking the database. */
  #findKnown(request: DefinitionRequest): Shape | undefined {
    const remembered = this.#index.byRequest(request);
    if (remembered && !remembered.isGone) return remembered;
    const table = this.#index.tableByName(parseRequestedTable(request.table));
    if (!table) return undefined;
    const definition = tryResolveDefinition(request, table, this.#rules);
    const shape = definition && this.#index.byDefinition(canonicalText(definition));
    if (shape) this.#index.remember(request, shape);
    return shape;
  }

  async #resolve(request: DefinitionRequest): Promise<ShapeDefinition> {
    const name = parseRequestedTable(request.table);
    const table = await this.#describe(name);
    // What the stream can't tell of can only be followed by queries.
    const isFollowable = table && (table.kind !== "view" || this.#rules.isQueried);
    if (!isFollowable) throw missingTableError(name);
    return resolveDefinition(request, table, this.#rules);
  }

  /** One question for all who ask at the same time. */
  #describe(name: TableName): Promise<Table | undefined> {
    const key = `${name.schema}\0${name.name}`;
    const asked = this.#describing.get(key);
    if (asked) return asked;
    const answer = this.#options.source.describe(name)
      .then((table) => table && this.#index.sharedTable(table))
      .finally(() => this.#describing.delete(key));
    this.#describing.set(key, answer);
    return answer;
  }

  #create(definition: ShapeDefinition, canonical: string, request: DefinitionRequest): Shape {
    const { resources, nowMs, trace = untraced } = this.#options;
    const shape = new Shape(this.#makeHandle(canonical), definition, resources, nowMs());
    this.#register(shape, canonical);
    const meta = formatStoredDefinition(definition, request, this.#rules);
    const { table: { name: table } } = definition;
    trace("snapshot", { table, handle: shape.handle }, () => this.#filling.fill(shape, meta));
    return shape;
  }

  #register(shape: Shape, canonical: string): void {
    this.#canonical.set(shape, canonical);
    this.#index.add(shape, canonical);
  }

  #end(shape: Shape, reason: string, kind: EndKind, error?: Error): void {
    if (shape.isGone) return;
    this.ends.add(kind);
    const { handle, definition: { table } } = shape;
    this.#options.logger.info("Shape ended", { handle, table: table.name, reason, kind });
    this.#index.remove(shape, this.#canonical.get(shape) ?? "");
    this.#ingest?.remove(shape);
    this.#options.resources.store.dropShape(handle);
    if (table.kind === "partitioned" && this.#index.onTable(table.oid).length === 0) {
      this.#options.resources.store.setPartitions(table.oid, []);
    }
    this.#filling.abort(shape);
    shape.end(error);
  }
}
