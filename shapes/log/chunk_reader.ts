/** The chunks of a shape's snapshot: read while they are still being written. */

import { ShapeGoneError } from "../errors.ts";
import type { Page } from "../service.ts";
import { CACHED_PAGE_BYTES_MAX, type PageCache } from "./page_cache.ts";
import { collecting } from "./streams.ts";
import type { ShapeStore } from "./store.ts";

interface Owner {
  readonly handle: string;
  readonly isGone: boolean;
  watch(listener: () => void): () => void;
}

export class ChunkReader {
  readonly #owner: Owner;
  readonly #store: ShapeStore;
  readonly #pages: PageCache;
  /** Bytes in each chunk so far. There is always a first one; the last is open until complete. */
  readonly #chunks: number[];
  #isLastClosed = false;
  #isComplete: boolean;

  /** `chunks`: the sizes in a snapshot that is complete already. */
  constructor(
    owner: Owner,
    { store, pages }: { store: ShapeStore; pages: PageCache },
    chunks?: readonly number[],
  ) {
    this.#owner = owner;
    this.#store = store;
    this.#pages = pages;
    this.#chunks = chunks ? [...chunks] : [0];
    this.#isComplete = chunks !== undefined;
  }

  get isComplete(): boolean {
    return this.#isComplete;
  }

  get chunks(): readonly number[] {
    return this.#chunks;
  }

  append(bytes: Uint8Array, isChunkEnd: boolean): void {
    if (this.#isLastClosed) this.#chunks.push(0);
    const last = this.#chunks.length - 1;
    this.#chunks[last] += bytes.length;
    this.#isLastClosed = isChunkEnd;
    this.#store.appendSnapshot(this.#owner.handle, last, bytes);
  }

  complete(): void {
    this.#isComplete = true;
  }

  /** The page of one chunk; undefined when there is no such chunk, or not yet. */
  page(chunk: number): Page | undefined {
    if (chunk >= this.#chunks.length) return undefined;
    const until = { lsn: 0n, op: chunk };
    return { until, isUpToDate: false, hasData: true, body: this.#body(chunk) };
  }

  #body(chunk: number): Page["body"] {
    const size = this.#chunks[chunk];
    if (!this.#isClosed(chunk) || size > CACHED_PAGE_BYTES_MAX) {
      return { kind: "stream", open: () => this.#follow(chunk) };
    }
    const key = `${this.#owner.handle}/0_${chunk}`;
    const bytes = this.#pages.get(key);
    if (bytes) return { kind: "bytes", bytes };
    const keep = (page: Uint8Array) => this.#pages.put(key, page);
    return { kind: "stream", open: () => collecting(this.#follow(chunk), keep) };
  }

  #isClosed(chunk: number): boolean {
    if (this.#isComplete || chunk < this.#chunks.length - 1) return true;
    return this.#isLastClosed;
  }

  async *#follow(chunk: number): AsyncGenerator<Uint8Array> {
    for (let sent = 0;;) {
      const before = sent;
      if (sent < this.#chunks[chunk]) {
        for await (const bytes of this.#store.readSnapshot(this.#owner.handle, chunk, sent)) {
          sent += bytes.length;
          yield bytes;
        }
      }
      if (this.#owner.isGone) throw new ShapeGoneError(this.#owner.handle);
      if (sent < this.#chunks[chunk]) {
        if (sent > before) continue;
        throw new RangeError(`Snapshot chunk ${chunk} of "${this.#owner.handle}" is incomplete`);
      }
      if (this.#isClosed(chunk)) return;
      await nextMove(this.#owner);
    }
  }
}

function nextMove(owner: Owner): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const unwatch = owner.watch(resolve);
  return promise.finally(unwatch);
}
