/**
 * The shapes of another process, which holds the storage, served as far as that has them: read-only,
 * and looked for what is new while somebody waits. None can be made here.
 */

import {
  canonicalText,
  type DefinitionRules,
  parseRequestedTable,
  tryResolveDefinition,
} from "./definition.ts";
import { UnavailableError } from "./errors.ts";
import { PageCache } from "./log/page_cache.ts";
import type { StoredBytes, StoredShape, StoredState } from "./log/store.ts";
import type { Mode } from "./mode.ts";
import type { Logger } from "./ports.ts";
import type { DefinitionRequest, ShapeService } from "./service.ts";
import { ShapeIndex } from "./shape_index.ts";
import { parseStoredSnapshot } from "./snapshot.ts";
import { StandbyShape } from "./standby_shape.ts";
import { parseStoredDefinition, parseStoredRules } from "./stored_definition.ts";
import type { Table } from "./table.ts";

export interface StandbyOptions {
  readonly store: StoredBytes;
  /** Reads what is durable now; undefined when nothing has been written since the last time. */
  readonly look: () => Promise<StoredState | undefined>;
  /** Who holds the storage, for the body of a 503. */
  readonly detail: string;
  readonly logger: Logger;
  readonly nowMs: () => number;
}

/** Between looks while somebody waits. */
const LOOK_MS = 250;
/** A look is followed by so many times as long without one. */
const REST_FACTOR = 4;
const RETRY_SECONDS = 2;

export class StandbyCatalog implements ShapeService {
  readonly mode: Mode;
  readonly #options: StandbyOptions;
  readonly #pages = new PageCache();
  readonly #index = new ShapeIndex<StandbyShape>();
  readonly #canonical = new Map<string, string>();
  /** Those that shapes were made by, by their text. */
  readonly #rules = new Map<string, DefinitionRules>();
  #looking: Promise<void> | undefined;
  #nextLookMs = -Infinity;
  #lastFailure = "";
  lastSeenLsn = 0n;

  constructor(options: StandbyOptions) {
    this.#options = options;
    const { detail, nowMs } = options;
    this.mode = { kind: "starting", reason: "lock_held", detail, sinceMs: nowMs() };
  }

  get size(): number {
    return this.#index.size;
  }

  /** Looks for what is new while somebody waits for it, until the signal fires. Never rejects. */
  async run(signal: AbortSignal): Promise<void> {
    const timer = setInterval(() => {
      if (this.#isWatched) this.#refresh();
    }, LOOK_MS);
    await new Promise<void>((resolve) => {
      if (signal.aborted) resolve();
      else signal.addEventListener("abort", () => resolve(), { once: true });
    });
    clearInterval(timer);
    await this.#looking;
  }

  /** Learns what is stored now, unless that was done a moment ago. Never rejects. */
  refresh(): Promise<void> {
    return this.#refresh() ?? Promise.resolve();
  }

  /** Shapes can't be made for as long as this one serves. */
  whenServing(): Promise<void> {
    return Promise.resolve();
  }

  byHandle(handle: string): StandbyShape | undefined {
    return this.#index.byHandle(handle);
  }

  async find(request: DefinitionRequest): Promise<StandbyShape | undefined> {
    await this.refresh();
    const remembered = this.#index.byRequest(request);
    if (remembered && !remembered.isGone) return remembered;
    const table = this.#index.tableByName(parseRequestedTable(request.table));
    if (!table) return undefined;
    for (const rules of this.#rules.values()) {
      const definition = tryResolveDefinition(request, table, rules);
      const shape = definition && this.#index.byDefinition(canonicalText(definition));
      if (!shape) continue;
      this.#index.remember(request, shape);
      return shape;
    }
  }

  async findOrCreate(request: DefinitionRequest): Promise<StandbyShape> {
    const shape = await this.find(request);
    if (shape) return shape;
    throw this.#refusal();
  }

  freshen(): Promise<void> | undefined {
    return this.#refresh();
  }

  drop(): void {
    throw this.#refusal();
  }

  #refusal(): UnavailableError {
    return new UnavailableError(this.mode.detail, { retryAfterSeconds: RETRY_SECONDS });
  }

  get #isWatched(): boolean {
    for (const shape of this.#index.shapes) if (shape.isWatched) return true;
    return false;
  }

  #refresh(): Promise<void> | undefined {
    if (this.#looking) return this.#looking;
    const startMs = this.#options.nowMs();
    if (startMs < this.#nextLookMs) return undefined;
    return this.#looking = this.#look().finally(() => {
      const endMs = this.#options.nowMs();
      this.#nextLookMs = endMs + REST_FACTOR * (endMs - startMs);
      this.#looking = undefined;
    });
  }

  async #look(): Promise<void> {
    try {
      const state = await this.#options.look();
      if (state) this.#follow(state);
      this.#lastFailure = "";
    } catch (error) {
      const reason = error instanceof Error ? error.message : `${error}`;
      if (reason !== this.#lastFailure) {
        this.#options.logger.warn("Could not read what another instance stores", { reason });
      }
      this.#lastFailure = reason;
    }
  }

  #follow({ shapes, appliedLsn }: StoredState): void {
    const present = new Set(shapes.map(({ handle }) => handle));
    for (const shape of [...this.#index.shapes]) {
      if (!present.has(shape.handle)) this.#forget(shape);
    }
    let isWhole = true;
    for (const stored of shapes) {
      const shape = this.#index.byHandle(stored.handle) ?? this.#meet(stored);
      if (shape && !shape.update(stored)) isWhole = false;
    }
    // It promises that no shape lacks anything up to there.
    if (isWhole && appliedLsn > this.lastSeenLsn) this.lastSeenLsn = appliedLsn;
  }

  #forget(shape: StandbyShape): void {
    this.#index.remove(shape, this.#canonical.get(shape.handle) ?? "");
    this.#canonical.delete(shape.handle);
    shape.end();
  }

  /** A shape that was not there at the last look; undefined if it is not to be shown. */
  #meet(stored: StoredShape): StandbyShape | undefined {
    const { handle, meta, snapshot } = stored;
    const shared = (table: Table) => this.#index.sharedTable(table);
    const definition = parseStoredDefinition(meta, shared);
    if (!definition || snapshot === undefined) return undefined;
    const resources = { store: this.#options.store, pages: this.#pages };
    const shape = new StandbyShape(
      handle,
      definition,
      parseStoredSnapshot(snapshot).chunks,
      resources,
    );
    // Whoever reads it must find all that others have read.
    if (!shape.update(stored) && !shape.isShown) return undefined;
    const rules = parseStoredRules(meta);
    this.#rules.set(JSON.stringify(rules), rules);
    const canonical = canonicalText(definition);
    this.#canonical.set(handle, canonical);
    this.#index.add(shape, canonical);
    return shape;
  }
}
