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
import { whyShapeEnds } from "./routing/compatibility.ts";
import { compareOffsets, SNAPSHOT_END } from "./offset.ts";
import type { DefinitionRequest, ShapeService } from "./service.ts";
import { Shape, type ShapeResources } from "./shape.ts";
import { ShapeIndex } from "./shape_index.ts";
import { parseStoredSnapshot } from "./snapshot.ts";
import { parseStanding } from "./standing.ts";
import { formatStoredDefinition, parseStoredDefinition } from "./stored_definition.ts";
import { type Table, type TableName, withPartitions } from "./table.ts";
import { type TraceWork, untraced } from "./tracing.ts";
import { shows } from "./visibility.ts";

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
  /** Tables that could not be prepared again, each mentioned once. */
  readonly #reported = new WeakSet<Table>();
  readonly #describing = new Map<string, Promise<Table | undefined>>();
  readonly #makeHandle: (definition: string) => string;
  #ingest: Ingest | undefined;
  #rules: DefinitionRules = { hasGeneratedColumns: false, isTextOrderBytewise: false };
  #mode: Mode;
  #freshen: (shape: Shape) => Promise<void> | undefined = () => undefined;
  #serving = Promise.withResolvers<void>();
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

  /** The database says something else of a table than some shapes know: undefined when it is gone. */
  tableChanged(oid: number, now: Table | undefined): void {
    let hasGrown = false;
    for (const shape of this.#index.onTable(oid)) {
      const reason = whyShapeEnds(shape.definition, now);
      if (reason) this.#end(shape, reason, "table_changed");
      else if (now) {
        hasGrown ||= now.partitions.length > shape.definition.table.partitions.length;
        shape.updateTable(now);
      }
    }
    if (!now || this.#index.onTable(oid).length === 0) return;
    this.#index.setTable(now);
    if (now.kind === "partitioned") {
      this.#options.resources.store.setPartitions(oid, now.partitions);
      this.#ingest?.refresh(now);
    }
    if (hasGrown) this.#prepareAgain(now);
  }

  /** The changes of a table are no longer in the stream, or not with their old rows. */
  unprepared(oid: number, lost: "publication" | "identity"): void {
    const table = this.#index.tableByOid(oid);
    if (!table) return;
    if (lost === "identity") return void this.#prepareAgain(table);
    // Nobody knows what has been missed.
    for (const shape of this.#index.onTable(oid)) this.lose(shape, "The table was not published");
  }

  /**
   * What publishes the table is as it is since these transactions. Shapes whose rows were read before
   * one of them may lack changes, however short the time was in which it was otherwise.
   */
  published(oid: number, xids: readonly number[]): void {
    for (const shape of this.#index.onTable(oid)) {
      const { visibility, isFollowed } = shape;
      if (!visibility || !isFollowed || xids.every((xid) => shows(visibility, xid))) continue;
      this.lose(shape, "The publication was changed");
    }
  }

  /**
   * The table is about to be published. Were there shapes of it already, they have missed changes,
   * and looking at the table later would no longer tell: when it resolves a crash can't make that
   * forgotten.
   */
  async publishing(oid: number): Promise<void> {
    if (!this.#index.onTable(oid).some(({ visibility }) => visibility)) return;
    this.unprepared(oid, "publication");
    await this.#options.resources.store.flushed();
  }

  /** Whether the table has a shape that relies on its being prepared. */
  isPrepared(oid: number): boolean {
    return this.#index.onTable(oid).some((shape) => shape.visibility && shape.isFollowed);
  }

  /**
   * OIDs of the tables with shapes that a relation of the stream is a partition of. Shapes have
   * learnt of the partition, or have ended because of it, when it resolves.
   */
  async ancestors(relationOid: number): Promise<readonly number[]> {
    const oids = await this.#options.source.ancestors(relationOid);
    const known = oids.filter((oid) => this.#index.tableByOid(oid) !== undefined);
    for (const oid of known) await this.#look(oid, relationOid);
    return known.filter((oid) => this.#index.tableByOid(oid)?.partitions.includes(relationOid));
  }

  /** Asks the database about a table that may have a partition we have not heard of. */
  async #look(oid: number, partition: number): Promise<void> {
    for (;;) {
      const table = this.#index.tableByOid(oid);
      const shapes = this.#index.onTable(oid);
      if (!table || shapes.every(({ definition }) => hasPartition(definition, partition))) return;
      const now = await this.#options.source.describe(table);
      // The watch was faster, and may have seen more.
      if (table !== this.#index.tableByOid(oid)) continue;
      return this.tableChanged(oid, now?.oid === oid ? now : undefined);
    }
  }

  async #prepareAgain(table: Table): Promise<void> {
    try {
      await this.#options.source.prepare(table);
    } catch (error) {
      if (this.#reported.has(table)) return;
      this.#reported.add(table);
      const reason = error instanceof Error ? error.message : `${error}`;
      this.#options.logger.warn("Table is not fully prepared", { table: table.name, reason });
    }
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

function hasPartition({ table }: ShapeDefinition, partition: number): boolean {
  return table.partitions.includes(partition);
}
