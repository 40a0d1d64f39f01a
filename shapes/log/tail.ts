/**
 * The newest part of every shape's log, kept in memory: what live requests ask for. All shapes
 * share one budget; the oldest entries go first, whosever they are.
 */

import { compareOffsets, type Offset } from "../offset.ts";
import type { LogEntry } from "./store.ts";

const TAIL_BYTES_MAX = 8 * 1024 * 1024;
/** What an entry costs besides its bytes. */
const ENTRY_OVERHEAD_BYTES = 250;

/** In place of an entry until the list is cut, which must not hold on to its bytes. */
const LET_GO: LogEntry = {
  first: { lsn: 0n, op: 0 },
  last: { lsn: 0n, op: 0 },
  bytes: new Uint8Array(0),
};

/** The entries of one shape. */
export class Tail {
  /** Everything beyond this offset is in `entries`. */
  #from: Offset;
  #entries: LogEntry[] = [];
  /** How many entries at the front have been let go of. */
  #gone = 0;

  constructor(from: Offset) {
    this.#from = from;
  }

  push(entry: LogEntry): void {
    this.#entries.push(entry);
  }

  /** Lets go of the oldest entry. */
  shift(): void {
    this.#from = this.#entries[this.#gone].last;
    this.#entries[this.#gone++] = LET_GO;
    if (this.#gone * 2 < this.#entries.length) return;
    this.#entries = this.#entries.slice(this.#gone);
    this.#gone = 0;
  }

  /** Entries that reach beyond `since` up to `until`; undefined when some of them are gone. */
  read(since: Offset, until: Offset): readonly LogEntry[] | undefined {
    if (compareOffsets(since, this.#from) < 0) return undefined;
    const first = this.#firstBeyond(since);
    let end = first;
    while (end < this.#entries.length && compareOffsets(this.#entries[end].last, until) <= 0) end++;
    return this.#entries.slice(first, end);
  }

  /** Binary search: live readers ask for the very end of what may be a long tail. */
  #firstBeyond(since: Offset): number {
    let low = this.#gone, high = this.#entries.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (compareOffsets(this.#entries[middle].last, since) > 0) high = middle;
      else low = middle + 1;
    }
    return low;
  }
}

/** Keeps the tails of all shapes within one budget. */
export class TailBudget {
  readonly #bytesMax: number;
  #queue: { tail: Tail; bytes: number }[] = [];
  #gone = 0;
  #bytes = 0;

  constructor(bytesMax = TAIL_BYTES_MAX) {
    this.#bytesMax = bytesMax;
  }

  push(tail: Tail, entry: LogEntry): void {
    tail.push(entry);
    const bytes = entry.bytes.length + ENTRY_OVERHEAD_BYTES;
    this.#queue.push({ tail, bytes });
    this.#bytes += bytes;
    while (this.#bytes > this.#bytesMax) this.#shift();
  }

  #shift(): void {
    const { tail, bytes } = this.#queue[this.#gone++];
    tail.shift();
    this.#bytes -= bytes;
    if (this.#gone < 4096 || this.#gone * 2 < this.#queue.length) return;
    this.#queue = this.#queue.slice(this.#gone);
    this.#gone = 0;
  }
}
