/**
 * A shape at work: its definition, how far its snapshot and its log have come, and who is waiting
 * for more. Its bytes are in the store and the newest of them in the tail.
 */

import type { ShapeDefinition } from "./definition.ts";
import { ShapeGoneError } from "./errors.ts";
import { ChunkReader } from "./log/chunk_reader.ts";
import { LogReader } from "./log/log_reader.ts";
import type { PageCache } from "./log/page_cache.ts";
import type { LogEntry, ShapeStore, StoredShape } from "./log/store.ts";
import { Tail, type TailBudget } from "./log/tail.ts";
import { type Offset, type RequestedOffset, SNAPSHOT_END } from "./offset.ts";
import type { Visibility } from "./ports.ts";
import { formatSchemaHeader } from "./schema_header.ts";
import type { Page, ServedShape } from "./service.ts";
import { keyColumns, type Table } from "./table.ts";
import type { Gathered } from "./transaction_log.ts";

/** What all shapes share. */
export interface ShapeResources {
  readonly store: ShapeStore;
  readonly tails: TailBudget;
  readonly pages: PageCache;
  /** Bytes after which a chunk ends. */
  readonly chunkBytes: number;
}

export class Shape implements ServedShape {
  // First what each change of the shape touches: beside each other in memory.
  readonly handle: string;
  readonly #resources: ShapeResources;
  readonly #tail: Tail;
  #openChunkBytes = 0;
  #head: Offset = SNAPSHOT_END;
  /** What the transaction under way has gathered for it; the transaction's to set. */
  gathered: Gathered | undefined = undefined;
  /** Undefined while there is none: most shapes never have one, and each change asks. */
  #listeners: Set<() => void> | undefined;
  #definition: ShapeDefinition;
  #schemaHeader: string;
  #lastUsedMs: number;
  #visibility: Visibility | undefined;
  #isGone = false;
  #isStarted = false;
  readonly #started = Promise.withResolvers<void>();
  readonly #snapshot: ChunkReader;
  readonly #log: LogReader;

  constructor(
    handle: string,
    definition: ShapeDefinition,
    resources: ShapeResources,
    nowMs: number,
    stored?: { shape: StoredShape; chunks: readonly number[]; visibility: Visibility },
  ) {
    this.handle = handle;
    this.#definition = definition;
    this.#schemaHeader = formatSchemaHeader(definition.columns);
    this.#resources = resources;
    this.#lastUsedMs = nowMs;
    const head = stored?.shape.head ?? SNAPSHOT_END;
    this.#head = head;
    this.#openChunkBytes = stored?.shape.openChunkBytes ?? 0;
    this.#tail = new Tail(head);
    this.#snapshot = new ChunkReader(this, resources, stored?.chunks);
    this.#log = new LogReader(handle, resources, this.#tail, stored?.shape.chunkEnds ?? []);
    // Nobody may be waiting when it fails: then the rejection is of no interest.
    this.#started.promise.catch(() => {});
    if (stored) {
      this.markVisible(stored.visibility);
      this.#start();
    }
  }

  get definition(): ShapeDefinition {
    return this.#definition;
  }

  get schemaHeader(): string {
    return this.#schemaHeader;
  }

  get head(): Offset {
    return this.#head;
  }

  get isGone(): boolean {
    return this.#isGone;
  }

  get isBehind(): boolean {
    return false;
  }

  get isStarted(): boolean {
    return this.#isStarted;
  }

  get lastUsedMs(): number {
    return this.#lastUsedMs;
  }

  /** Which transactions its snapshot saw; undefined until it has been taken. */
  get visibility(): Visibility | undefined {
    return this.#visibility;
  }

  /** What its log ends with, visible or not: what a transaction that is sent again has already. */
  get appended(): Offset {
    return this.#tail.end;
  }

  /** True once the whole snapshot is durable: from then on it survives a restart. */
  get isComplete(): boolean {
    return this.#snapshot.isComplete;
  }

  started(): Promise<void> {
    return this.#started.promise;
  }

  touch(nowMs: number): void {
    this.#lastUsedMs = nowMs;
  }

  watch(listener: () => void): () => void {
    (this.#listeners ??= new Set()).add(listener);
    return () => {
      this.#listeners?.delete(listener);
      if (this.#listeners?.size === 0) this.#listeners = undefined;
    };
  }

  page(since: RequestedOffset & { kind: "before" | "at" }): Page | undefined {
    if (this.#isGone) throw new ShapeGoneError(this.handle);
    if (since.kind === "before") return this.#snapshot.page(0);
    const { lsn, op } = since.offset;
    if (lsn === 0n && op !== Infinity) {
      const next = this.#snapshot.page(op + 1);
      if (next !== undefined) return next;
    }
    if (!this.#snapshot.isComplete) return undefined;
    const from = lsn === 0n ? SNAPSHOT_END : since.offset;
    return this.#log.page(from, this.#head);
  }

  /** The snapshot has been taken. A row may still make the filter fail, so nobody is told yet. */
  markVisible(visibility: Visibility): void {
    this.#visibility = visibility;
  }

  /** Appends rows of the snapshot: items of which the last one may end the chunk. */
  appendSnapshot(bytes: Uint8Array, isChunkEnd: boolean): void {
    this.#snapshot.append(bytes, isChunkEnd);
    this.#start();
    this.#notify();
  }

  /** There is something to answer with: from now on the shape can be read. */
  #start(): void {
    if (this.#isStarted) return;
    this.#isStarted = true;
    this.#started.resolve();
  }

  /** The snapshot is whole and durable. */
  completeSnapshot(): void {
    this.#snapshot.complete();
    this.#start();
    this.#notify();
  }

  /** Sizes of the snapshot's chunks, in bytes. */
  get snapshotChunks(): readonly number[] {
    return this.#snapshot.chunks;
  }

  /** Notes that an item of so many bytes comes next; true if it ends the chunk. */
  countItem(bytes: number): boolean {
    this.#openChunkBytes += bytes;
    return this.#openChunkBytes >= this.#resources.chunkBytes;
  }

  /** Appends to the log; nobody sees it before `publish()`. */
  append(entry: LogEntry, isChunkEnd: boolean): void {
    this.#resources.tails.push(this.#tail, entry);
    this.#resources.store.appendLog(this.handle, entry);
    if (!isChunkEnd) return;
    this.#openChunkBytes = 0;
    this.#log.endChunk(entry.last);
    this.#resources.store.endChunk(this.handle, entry.last);
  }

  /** Shows all that has been appended, a transaction's end. */
  publish(): void {
    this.#head = this.#tail.end;
  }

  /** Tells those who wait that there is more. */
  wake(): void {
    this.#notify();
  }

  /** The table changed in a way that leaves the shape as it is. */
  updateTable(table: Table): void {
    const columns = this.#definition.columns.map((column) =>
      table.columns.find(({ name }) => name === column.name) ?? column
    );
    const key = keyColumns(table);
    this.#definition = { ...this.#definition, table, columns, key };
    this.#schemaHeader = formatSchemaHeader(columns);
  }

  /** It ends here: readers and those who wait learn at once. */
  end(error?: Error): void {
    if (this.#isGone) return;
    this.#isGone = true;
    this.#started.reject(error ?? new ShapeGoneError(this.handle));
    this.#notify();
  }

  #notify(): void {
    // Those who come back while being told are told the next time.
    if (this.#listeners) { for (const listener of [...this.#listeners]) listener(); }
  }
}
