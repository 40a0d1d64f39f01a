/** A shape that another process keeps, as far as the storage has it. */

import type { ShapeDefinition } from "./definition.ts";
import { ShapeGoneError, UnavailableError } from "./errors.ts";
import { LogReader } from "./log/log_reader.ts";
import type { PageCache } from "./log/page_cache.ts";
import type { StoredBytes, StoredShape } from "./log/store.ts";
import { Tail } from "./log/tail.ts";
import { isLost, type LostGap } from "./lost_tail.ts";
import { compareOffsets, type Offset, type RequestedOffset, SNAPSHOT_END } from "./offset.ts";
import { formatSchemaHeader } from "./schema_header.ts";
import type { Page, ServedShape } from "./service.ts";
import { parseStanding } from "./standing.ts";

export interface StandbyResources {
  readonly store: StoredBytes;
  readonly pages: PageCache;
}

const RETRY_LOST_SECONDS = 5;

export class StandbyShape implements ServedShape {
  readonly handle: string;
  readonly definition: ShapeDefinition;
  readonly schemaHeader: string;
  /** Nobody here knows of more than is stored. */
  readonly isBehind = true;
  readonly isResuming = false;
  readonly isStarted = true;
  readonly #resources: StandbyResources;
  /** Sizes of the snapshot's chunks. */
  readonly #chunks: readonly number[];
  readonly #listeners = new Set<() => void>();
  #stored: StoredShape | undefined;
  #head: Offset = SNAPSHOT_END;
  #log: LogReader;
  #lostGaps: readonly LostGap[] = [];
  /** All that is stored is shown. */
  #isWhole = false;
  #isGone = false;

  constructor(
    handle: string,
    definition: ShapeDefinition,
    chunks: readonly number[],
    resources: StandbyResources,
  ) {
    this.handle = handle;
    this.definition = definition;
    this.schemaHeader = formatSchemaHeader(definition.columns);
    this.#chunks = chunks;
    this.#resources = resources;
    this.#log = new LogReader(handle, resources, new Tail(SNAPSHOT_END), []);
  }

  get head(): Offset {
    return this.#head;
  }

  get isGone(): boolean {
    return this.#isGone;
  }

  /** It could be shown at least once. */
  get isShown(): boolean {
    return this.#stored !== undefined;
  }

  /** Somebody waits for changes. */
  get isWatched(): boolean {
    return this.#listeners.size > 0;
  }

  started(): Promise<void> {
    return Promise.resolve();
  }

  touch(): void {}

  watch(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** Goes on to what is stored by now; false if some of it is not to be shown yet. */
  update(stored: StoredShape): boolean {
    if (stored === this.#stored) return this.#isWhole;
    const { frozenAt, reconciledTo, lostGaps } = parseStanding(stored.standing);
    const end = stored.head ?? SNAPSHOT_END;
    // The standing was read after the log: it may tell of differences that were not there yet.
    if (reconciledTo && compareOffsets(end, reconciledTo) < 0) return false;
    const head = frozenAt && compareOffsets(frozenAt, end) < 0 ? frozenAt : end;
    if (compareOffsets(head, this.#head) < 0) return false;
    const hasMoved = compareOffsets(head, this.#head) > 0;
    this.#stored = stored;
    this.#lostGaps = lostGaps;
    this.#log = new LogReader(this.handle, this.#resources, new Tail(end), stored.chunkEnds);
    this.#head = head;
    this.#isWhole = frozenAt === undefined;
    if (hasMoved) this.#notify();
    return this.#isWhole;
  }

  end(): void {
    this.#isGone = true;
    this.#notify();
  }

  page(since: RequestedOffset & { kind: "before" | "at" }): Page | undefined {
    if (this.#isGone) throw new ShapeGoneError(this.handle);
    if (since.kind === "before") return this.#snapshotPage(0);
    const { lsn, op } = since.offset;
    if (isLost(this.#lostGaps, since.offset)) {
      // Who holds the storage ends the shape for such a reader.
      const retryAfterSeconds = RETRY_LOST_SECONDS;
      throw new UnavailableError("What was read was lost in a crash", { retryAfterSeconds });
    }
    if (lsn === 0n && op !== Infinity) {
      const next = this.#snapshotPage(op + 1);
      if (next !== undefined) return next;
    }
    const from = lsn === 0n ? SNAPSHOT_END : since.offset;
    return this.#log.page(from, this.#head, this.#lostGaps);
  }

  #snapshotPage(chunk: number): Page | undefined {
    if (chunk >= this.#chunks.length) return undefined;
    const { store } = this.#resources;
    const open = () => store.readSnapshot(this.handle, chunk, 0)[Symbol.asyncIterator]();
    const until = { lsn: 0n, op: chunk };
    return { until, isUpToDate: false, hasData: true, body: { kind: "stream", open } };
  }

  #notify(): void {
    for (const listener of [...this.#listeners]) listener();
  }
}
