/** Pages of a shape's log: from the tail in memory where that reaches, else from the store. */

import { isLost, type LostGap } from "../lost_tail.ts";
import { compareOffsets, formatOffset, type Offset } from "../offset.ts";
import type { Page } from "../service.ts";
import { itemsBeyond } from "./items.ts";
import { CACHED_PAGE_BYTES_MAX, type PageCache } from "./page_cache.ts";
import type { LogEntry, StoredBytes } from "./store.ts";
import { collecting, concat, piecesOf } from "./streams.ts";
import type { Tail } from "./tail.ts";

const NOTHING = new Uint8Array(0);

export class LogReader {
  readonly #handle: string;
  readonly #store: StoredBytes;
  readonly #pages: PageCache;
  readonly #tail: Tail;
  readonly #chunkEnds: Offset[];

  constructor(
    handle: string,
    { store, pages }: { store: StoredBytes; pages: PageCache },
    tail: Tail,
    chunkEnds: readonly Offset[],
  ) {
    this.#handle = handle;
    this.#store = store;
    this.#pages = pages;
    this.#tail = tail;
    this.#chunkEnds = [...chunkEnds];
  }

  get chunkEnds(): readonly Offset[] {
    return this.#chunkEnds;
  }

  endChunk(last: Offset): void {
    this.#chunkEnds.push(last);
  }

  /**
   * What lies beyond `since`, to the end of its chunk or to the head. No page ends within one of the
   * gaps: who comes with such an offset is taken for a reader of what was lost.
   */
  page(since: Offset, head: Offset, gaps: readonly LostGap[] = []): Page {
    if (compareOffsets(since, head) >= 0) {
      const body = { kind: "bytes", bytes: NOTHING } as const;
      return { until: since, isUpToDate: true, hasData: false, body };
    }
    const until = this.#chunkEndBeyond(since, head, gaps);
    const isUpToDate = compareOffsets(until, head) >= 0;
    return { until, isUpToDate, hasData: true, body: this.#body(since, until) };
  }

  #chunkEndBeyond(since: Offset, head: Offset, gaps: readonly LostGap[]): Offset {
    const end = this.#chunkEnds.find((offset) =>
      compareOffsets(offset, since) > 0 && !isLost(gaps, offset)
    );
    return end && compareOffsets(end, head) < 0 ? end : head;
  }

  #body(since: Offset, until: Offset): Page["body"] {
    const key = `${this.#handle}/${formatOffset(since)}/${formatOffset(until)}`;
    const cached = this.#pages.get(key);
    if (cached) return { kind: "bytes", bytes: cached };
    const entries = this.#tail.read(since, until);
    const keep = (page: Uint8Array) => this.#pages.put(key, page);
    if (!entries) {
      return { kind: "stream", open: () => collecting(this.#fromStore(since, until), keep) };
    }
    const pieces = entries.map((entry) => trim(entry, since));
    const size = pieces.reduce((sum, { length }) => sum + length, 0);
    if (size > CACHED_PAGE_BYTES_MAX) return { kind: "stream", open: () => piecesOf(pieces) };
    const bytes = concat(pieces, size);
    keep(bytes);
    return { kind: "bytes", bytes };
  }

  async *#fromStore(since: Offset, until: Offset): AsyncGenerator<Uint8Array> {
    let begun: Uint8Array[] = [], end = since;
    for await (const piece of this.#store.readLog(this.#handle, since, until)) {
      end = piece.last;
      if (compareOffsets(piece.first, since) > 0) {
        yield piece.bytes;
        continue;
      }
      // Items can be told apart only in an entry that is whole. At most the first one is begun.
      begun.push(piece.bytes);
      if (!piece.isLast) continue;
      const size = begun.reduce((sum, { length }) => sum + length, 0);
      yield itemsBeyond(concat(begun, size), since.op);
      begun = [];
    }
    // Readers were told that they would be at `until`: better a broken answer than less than that.
    if (compareOffsets(end, until) !== 0 || begun.length > 0) {
      const [reached, wanted] = [formatOffset(end), formatOffset(until)];
      throw new RangeError(`Log of "${this.#handle}" ends at ${reached} instead of ${wanted}`);
    }
  }
}

/** Leaves out what is not beyond `since`: a client may go on from the middle of an entry. */
function trim(entry: Pick<LogEntry, "first" | "bytes">, since: Offset): Uint8Array {
  return compareOffsets(entry.first, since) > 0 ? entry.bytes : itemsBeyond(entry.bytes, since.op);
}
