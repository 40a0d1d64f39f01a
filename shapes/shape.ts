/**
 * A shape at work: its definition, how far its snapshot and its log have come, and who is waiting
 * for more. Its bytes are in the store and the newest of them in the tail.
 */

import { type ShapeDefinition, withTable } from "./definition.ts";
import { ShapeGoneError } from "./errors.ts";
import { ChunkReader } from "./log/chunk_reader.ts";
import { LogReader } from "./log/log_reader.ts";
import type { PageCache } from "./log/page_cache.ts";
import type { LogEntry, ShapeStore, StoredShape } from "./log/store.ts";
import { Tail, type TailBudget } from "./log/tail.ts";
import { compareOffsets, type Offset, type RequestedOffset, SNAPSHOT_END } from "./offset.ts";
import type { Joint } from "./operation.ts";
import type { Visibility } from "./ports.ts";
import type { StoredLog } from "./reconcile/fold.ts";
import { restoreStanding, StandingRecord } from "./standing_record.ts";
import { formatSchemaHeader } from "./schema_header.ts";
import type { Page, ServedShape } from "./service.ts";
import type { EarlierReaders } from "./lost_tail.ts";
import type { Table } from "./table.ts";
import type { Gathered } from "./transaction_log.ts";

/** What all shapes share. */
export interface ShapeResources {
  readonly store: ShapeStore;
  readonly tails: TailBudget;
  readonly pages: PageCache;
  /** Bytes after which a chunk ends. */
  readonly chunkBytes: number;
  /** A reader comes with an offset that was lost in a crash: the shape must start again. */
  readonly onLostReader?: (shape: Shape) => void;
}

export class Shape implements ServedShape {
  // First what each change of the shape touches: beside each other in memory.
  readonly handle: string;
  readonly #resources: ShapeResources;
  readonly #tail: Tail;
  #openChunkBytes = 0;
  /** Since the process started; its own to count. */
  appendedChanges = 0;
  appendedBytes = 0;
  #head: Offset = SNAPSHOT_END;
  #isFollowed = true;
  #isFrozen = false;
  #joint: Joint | undefined = undefined;
  /** What the transaction under way has gathered for it; the transaction's to set. */
  gathered: Gathered | undefined = undefined;
  /** Undefined while there is none: most shapes never have one, and each change asks. */
  #listeners: Set<() => void> | undefined;
  #definition: ShapeDefinition;
  #schemaHeader: string;
  #lastUsedMs: number;
  #isGone = false;
  #isStarted = false;
  readonly #started = Promise.withResolvers<void>();
  readonly #snapshot: ChunkReader;
  readonly #log: LogReader;
  /** The last offset appended that ends a transaction. */
  #settled: Offset = SNAPSHOT_END;
  readonly #record: StandingRecord;
  /** Counts the times that the stream may have left changes out. */
  #losses = 0;

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
    const restored = stored && restoreStanding(stored.shape, stored.visibility);
    const end = restored?.end ?? SNAPSHOT_END;
    this.#settled = end;
    this.#head = restored?.frozenAt ?? end;
    this.#isFrozen = restored?.frozenAt !== undefined;
    this.#isFollowed = restored?.isFollowed ?? true;
    this.#record = new StandingRecord(handle, resources.store, restored);
    this.#openChunkBytes = stored?.shape.openChunkBytes ?? 0;
    this.#tail = new Tail(end);
    this.#snapshot = new ChunkReader(this, resources, stored?.chunks);
    this.#log = new LogReader(handle, resources, this.#tail, stored?.shape.chunkEnds ?? []);
    // Nobody may be waiting when it fails: then the rejection is of no interest.
    this.#started.promise.catch(() => {});
    if (stored) this.#start();
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
    return !this.#isFollowed || this.#isFrozen;
  }

  get isResuming(): boolean {
    return this.#record.earlier.isOpen;
  }

  /** The stream brings all its changes; else only reconciling does. */
  get isFollowed(): boolean {
    return this.#isFollowed;
  }

  /** Its head stays where it is until it has been reconciled. */
  get isFrozen(): boolean {
    return this.#isFrozen;
  }

  /** Somebody waits for changes. */
  get isWatched(): boolean {
    return this.#listeners !== undefined && this.#listeners.size > 0;
  }

  /** Where readers know the log to reach: undefined unless it was ever reconciled. */
  get reconciledTo(): Offset | undefined {
    return this.#record.reconciledTo;
  }

  get isStarted(): boolean {
    return this.#isStarted;
  }

  get lastUsedMs(): number {
    return this.#lastUsedMs;
  }

  /** Which transactions its snapshot saw; undefined until it has been taken. */
  get visibility(): Visibility | undefined {
    return this.#record.visibility;
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
    if (this.#record.earlier.meet(since.offset)) {
      this.#resources.onLostReader?.(this);
      throw new ShapeGoneError(this.handle);
    }
    if (lsn === 0n && op !== Infinity) {
      const next = this.#snapshot.page(op + 1);
      if (next !== undefined) return next;
    }
    if (!this.#snapshot.isComplete) return undefined;
    const from = lsn === 0n ? SNAPSHOT_END : since.offset;
    return this.#log.page(from, this.#head, this.#record.earlier.lostGaps);
  }

  /** The snapshot has been taken. A row may still make the filter fail, so nobody is told yet. */
  markVisible(visibility: Visibility): void {
    if (this.visibility) throw new TypeError("The snapshot has been taken already");
    this.#record.see(visibility);
  }

  /** A reconcile sees other transactions. `Ingest.revise()` alone calls it: the stream must know. */
  revise(visibility: Visibility): void {
    this.#record.seeAnew(visibility);
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

  /** Where the closed chunks of the log end, and the bytes that lie beyond the last of them. */
  get logChunks(): { readonly ends: readonly Offset[]; readonly openBytes: number } {
    return { ends: this.#log.chunkEnds, openBytes: this.#openChunkBytes };
  }

  /** Notes that an item of so many bytes comes next; true if it ends the chunk. */
  countItem(bytes: number): boolean {
    this.#openChunkBytes += bytes;
    this.appendedChanges++;
    return this.#openChunkBytes >= this.#resources.chunkBytes;
  }

  /** Appends to the log; nobody sees it before `publish()`. */
  append(entry: LogEntry, isChunkEnd: boolean): void {
    if (!this.#isFollowed || this.#isFrozen) this.#hide();
    this.appendedBytes += entry.bytes.length;
    const isAsSent = this.#isFollowed && this.#joint === undefined;
    const { earlier } = this.#record;
    if (earlier.noteAppended(entry.first, entry.last, isAsSent)) this.#storeStanding();
    this.#resources.tails.push(this.#tail, this.#resources.store.appendLog(this.handle, entry));
    if (!isChunkEnd) return;
    this.#openChunkBytes = 0;
    this.#log.endChunk(entry.last);
    this.#resources.store.endChunk(this.handle, entry.last);
  }

  /** Shows all that has been appended, a transaction's end. */
  publish(): void {
    this.#settled = this.#tail.end;
    if (!this.#isFrozen) this.#head = this.#settled;
  }

  /** From now on changes of the stream are joined to the log by this, or by nothing. */
  join(joint: Joint | undefined): void {
    this.#joint = joint;
  }

  get joint(): Joint | undefined {
    return this.#joint;
  }

  /** Changes of the stream belong into its log; else reconciling brings what they did. */
  get isTaking(): boolean {
    return this.#isFollowed || this.#joint !== undefined;
  }

  /** Differs when the stream may have left changes out since. */
  get losses(): number {
    return this.#losses;
  }

  /**
   * The stream has left changes out, or may have: what it brings from now on is not shown until the
   * log has been reconciled.
   */
  lose(): void {
    this.#losses++;
    if (this.#isGone || !this.#isFollowed) return;
    this.#isFollowed = false;
    // Part of a transaction lies there whose rest may never come.
    if (compareOffsets(this.appended, this.#settled) > 0) this.#isFrozen = true;
    this.#storeStanding();
  }

  /** A reconcile begins: until it is over nothing new is shown. */
  freeze(): void {
    this.#isFrozen = true;
  }

  /** What is appended is not fit to be seen: a restart must know. */
  #hide(): void {
    this.freeze();
    if (!this.#record.isFreezeStored) this.#storeStanding();
  }

  /**
   * A reconcile has appended all differences, which is stored, with whether the stream brings what
   * follows, but not yet shown. `thaw()` shows it, once it is durable. For `timelineBeganAt` see
   * `StoredIdentity`.
   */
  markReconciled(isFollowed: boolean, first: Offset | undefined, timelineBeganAt: bigint): void {
    this.#isFollowed = isFollowed;
    this.#record.noteReconciled(first ?? this.#settled, this.#settled, timelineBeganAt);
    this.#record.write(isFollowed, undefined);
  }

  /** What is known of readers that an earlier process had. */
  get earlierReaders(): EarlierReaders {
    return this.#record.earlier;
  }

  /** Ends a freeze: what has been appended is shown. */
  thaw(): void {
    if (!this.#isFrozen) return;
    this.#isFrozen = false;
    this.#head = this.#settled;
    if (this.#record.isFreezeStored) this.#storeStanding();
    this.#notify();
  }

  /** Whether the store has to be told when a reconcile ends, also of one that found nothing. */
  get isStandingOld(): boolean {
    return this.#record.isFreezeStored || this.#record.earlier.isOpen;
  }

  /** The store knows the shape from now on: it must know what has become of it by then. */
  noteCreated(): void {
    if (this.isBehind) this.#storeStanding();
  }

  /** A transaction is left out, for what is in memory alone it may be: a restart must know. */
  noteLeftOut(): void {
    if (!this.#record.isVisibilityStored) this.#storeStanding();
  }

  #storeStanding(): void {
    this.#record.write(this.#isFollowed, this.#isFrozen ? this.#head : undefined);
  }

  /** Where its bytes are, for those who read all of it. */
  storedLog(): StoredLog {
    const { store } = this.#resources;
    const { handle } = this;
    return {
      definition: this.#definition,
      chunkCount: this.#snapshot.chunks.length,
      readSnapshot: (chunk) => store.readSnapshot(handle, chunk, 0),
      readLog: (since, until) => store.readLog(handle, since, until),
    };
  }

  /** Tells those who wait that there is more. */
  wake(): void {
    this.#notify();
  }

  /** The table changed in a way that leaves the shape as it is. */
  updateTable(table: Table): void {
    this.#definition = withTable(this.#definition, table);
    this.#schemaHeader = formatSchemaHeader(this.#definition.columns);
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
