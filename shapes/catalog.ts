/** Makes shapes, finds them again, and ends them: the domain's face to HTTP. */

import {
  canonicalText,
  type DefinitionRules,
  missingTableError,
  parseRequestedTable,
  resolveDefinition,
  type ShapeDefinition,
} from "./definition.ts";
import { InvalidRequestError, ShapeGoneError, UnavailableError } from "./errors.ts";
import { createHandleMaker } from "./handle.ts";
import type { Ingest } from "./ingest.ts";
import type { StoredShape, StoredState } from "./log/store.ts";
import type { Mode } from "./mode.ts";
import { type Logger, type Source, TableChangedError } from "./ports.ts";
import { whyShapeEnds } from "./routing/compatibility.ts";
import { type DefinitionRequest, type ShapeService, SnapshotError } from "./service.ts";
import { Shape, type ShapeResources } from "./shape.ts";
import { ShapeIndex } from "./shape_index.ts";
import { fillShape, parseStoredSnapshot } from "./snapshot.ts";
import { formatStoredDefinition, parseStoredDefinition } from "./stored_definition.ts";
import { type Table, type TableName, withPartitions } from "./table.ts";

/** Between its connection being ready and its snapshot being taken a new shape holds up the stream. */
const SNAPSHOT_START_MS = 5_000;

export interface CatalogOptions {
  readonly source: Source;
  readonly resources: ShapeResources;
  readonly logger: Logger;
  readonly nowMs: () => number;
}

export class Catalog implements ShapeService {
  readonly #options: CatalogOptions;
  readonly #index = new ShapeIndex();
  readonly #canonical = new WeakMap<Shape, string>();
  readonly #filling = new Map<Shape, AbortController>();
  /** Tables that could not be prepared again, each mentioned once. */
  readonly #reported = new WeakSet<Table>();
  readonly #describing = new Map<string, Promise<Table | undefined>>();
  readonly #makeHandle: (definition: string) => string;
  #ingest: Ingest | undefined;
  #rules: DefinitionRules = { hasGeneratedColumns: false, isTextOrderBytewise: false };
  #mode: Mode;
  #serving = Promise.withResolvers<void>();

  constructor(options: CatalogOptions) {
    this.#options = options;
    this.#makeHandle = createHandleMaker(options.nowMs);
    this.#mode = { kind: "starting", reason: "starting", detail: "", sinceMs: options.nowMs() };
  }

  get mode(): Mode {
    return this.#mode;
  }

  get lastSeenLsn(): bigint {
    return this.#ingest?.lastSeenLsn ?? 0n;
  }

  get shapeCount(): number {
    return this.#index.size;
  }

  /** The tables that have shapes, in every description that a shape rests on. */
  get tables(): readonly Table[] {
    return this.#index.tables;
  }

  setMode(mode: Mode): void {
    if (mode.kind !== "starting") this.#serving.resolve();
    else if (this.#mode.kind !== "starting") this.#serving = Promise.withResolvers();
    this.#mode = mode;
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
    if (shape) this.#end(shape, "It was deleted");
  }

  /** Ends the least recently used shapes beyond the limit. */
  evictBeyond(limit: number): void {
    const excess = this.#index.size - limit;
    if (excess <= 0) return;
    const oldestFirst = [...this.#index.shapes].sort((a, b) => a.lastUsedMs - b.lastUsedMs);
    for (const shape of oldestFirst.slice(0, excess)) {
      this.#end(shape, "More shapes than the limit allows");
    }
  }

  /** The shape can't go on: clients start again with another. */
  rotate(shape: Shape, reason: string): void {
    this.#end(shape, reason);
  }

  endAll(reason: string): void {
    for (const shape of [...this.#index.shapes]) this.#end(shape, reason);
  }

  /** The database says something else of a table than some shapes know: undefined when it is gone. */
  tableChanged(oid: number, now: Table | undefined): void {
    let hasGrown = false;
    for (const shape of this.#index.onTable(oid)) {
      const reason = whyShapeEnds(shape.definition, now);
      if (reason) this.#end(shape, reason);
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
    // Nobody knows what has been missed.
    if (lost === "publication") this.#endAllOn(oid, "The table was not published");
    else this.#prepareAgain(table);
  }

  /** Whether the table has a shape that relies on its being prepared. */
  isPrepared(oid: number): boolean {
    return this.#index.onTable(oid).some((shape) => shape.visibility !== undefined);
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

  #endAllOn(oid: number, reason: string): void {
    for (const shape of this.#index.onTable(oid)) this.#end(shape, reason);
  }

  /** What can be found without asking the database. */
  #findKnown(request: DefinitionRequest): Shape | undefined {
    const remembered = this.#index.byRequest(request);
    if (remembered && !remembered.isGone) return remembered;
    const table = this.#index.tableByName(parseRequestedTable(request.table));
    if (!table) return undefined;
    const definition = this.#tryResolve(request, table);
    const shape = definition && this.#index.byDefinition(canonicalText(definition));
    if (shape) this.#index.remember(request, shape);
    return shape;
  }

  /** Against a table that may have changed since: errors count only against a fresh one. */
  #tryResolve(request: DefinitionRequest, table: Table): ShapeDefinition | undefined {
    try {
      return resolveDefinition(request, table, this.#rules);
    } catch (error) {
      if (error instanceof InvalidRequestError) return undefined;
      throw error;
    }
  }

  async #resolve(request: DefinitionRequest): Promise<ShapeDefinition> {
    const name = parseRequestedTable(request.table);
    const table = await this.#describe(name);
    if (!table) throw missingTableError(name);
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
    const { resources, nowMs } = this.#options;
    const shape = new Shape(this.#makeHandle(canonical), definition, resources, nowMs());
    this.#register(shape, canonical);
    this.#fill(shape, formatStoredDefinition(definition, request, this.#rules));
    return shape;
  }

  #register(shape: Shape, canonical: string): void {
    this.#canonical.set(shape, canonical);
    this.#index.add(shape, canonical);
  }

  async #fill(shape: Shape, meta: string): Promise<void> {
    const { source, resources } = this.#options;
    const abort = new AbortController();
    this.#filling.set(shape, abort);
    const taken = Promise.withResolvers<void>();
    let timer: ReturnType<typeof setTimeout> | undefined;
    try {
      await source.prepare(shape.definition.table);
      if (shape.isGone) return;
      resources.store.createShape(shape.handle, meta);
      await fillShape(shape, {
        source,
        store: resources.store,
        chunkBytes: resources.chunkBytes,
        signal: abort.signal,
        onReserved: () => {
          if (shape.isGone) return;
          timer = setTimeout(() => {
            this.#fail(shape, startedTooSlowly());
            // The stream must not wait for a connection that hangs.
            taken.resolve();
          }, SNAPSHOT_START_MS);
          this.#ingest?.add(shape, taken.promise);
        },
        onVisible: () => {
          clearTimeout(timer);
          taken.resolve();
        },
      });
      if (!shape.isGone) shape.completeSnapshot();
    } catch (error) {
      this.#fail(shape, error);
    } finally {
      clearTimeout(timer);
      taken.resolve();
      this.#filling.delete(shape);
    }
  }

  #fail(shape: Shape, error: unknown): void {
    if (shape.isGone) return;
    const reason = error instanceof Error ? error.message : `${error}`;
    this.#end(shape, `Its snapshot failed: ${reason}`, snapshotFailure(shape, error));
  }

  #end(shape: Shape, reason: string, error?: Error): void {
    if (shape.isGone) return;
    const { table } = shape.definition;
    this.#options.logger.info("Shape ended", { handle: shape.handle, table: table.name, reason });
    this.#index.remove(shape, this.#canonical.get(shape) ?? "");
    this.#ingest?.remove(shape);
    this.#options.resources.store.dropShape(shape.handle);
    if (table.kind === "partitioned" && this.#index.onTable(table.oid).length === 0) {
      this.#options.resources.store.setPartitions(table.oid, []);
    }
    this.#filling.get(shape)?.abort(new ShapeGoneError(shape.handle));
    shape.end(error);
  }
}

function hasPartition({ table }: ShapeDefinition, partition: number): boolean {
  return table.partitions.includes(partition);
}

/** What those who wait for the first rows are told. */
function snapshotFailure(shape: Shape, error: unknown): Error {
  if (error instanceof TableChangedError) return new ShapeGoneError(shape.handle);
  if (error instanceof UnavailableError || error instanceof InvalidRequestError) return error;
  const message = error instanceof Error ? error.message : `${error}`;
  return new SnapshotError(message, { cause: error });
}

function startedTooSlowly(): UnavailableError {
  return new UnavailableError("Snapshot query took too long to start reading from the database", {
    retryAfterSeconds: 10,
    isKnown: true,
  });
}
