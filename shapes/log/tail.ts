/**
 * The newest part of every shape's log, kept in memory: what live requests ask for. All shapes
 * share one budget; the oldest entries go first, whosever they are.
 *
 * Entries are linked to their neighbours in their own tail and to the next of all, so that one goes
 * without a look at the tail that it was in. When each of ten thousand shapes had an array of its
 * entries, most of what an entry cost was to fetch and renew those.
 */

import { compareOffsets, type Offset } from "../offset.ts";
import type { LogEntry } from "./store.ts";

const TAIL_BYTES_MAX = 8 * 1024 * 1024;
/** What an entry costs besides its bytes. */
const ENTRY_OVERHEAD_BYTES = 250;

const LET_GO = new Uint8Array(0);

/** An entry in its tail. */
class Link {
  readonly first: Offset;
  readonly last: Offset;
  /** `LET_GO` when they are gone: then the link only tells where its tail begins. */
  bytes: Uint8Array;
  /** What the budget counts. */
  readonly size: number;
  /** Where the entry before it ends. */
  readonly from: Offset;
  /** Neighbours in the tail. */
  before: Link | undefined;
  after: Link | undefined = undefined;
  /** What was pushed next, to whichever tail. */
  next: Link | undefined = undefined;

  constructor({ first, last, bytes }: LogEntry, before: Link | undefined) {
    this.first = first;
    this.last = last;
    this.bytes = bytes;
    this.size = bytes.length + ENTRY_OVERHEAD_BYTES;
    this.from = before ? before.last : last;
    this.before = before?.bytes === LET_GO ? undefined : before;
  }
}

/** The entries of one shape. */
export class Tail {
  #newest: Link;

  /** Everything beyond this offset will be in it. */
  constructor(from: Offset) {
    this.#newest = new Link({ first: from, last: from, bytes: LET_GO }, undefined);
  }

  /** Where the last entry ends. */
  get end(): Offset {
    return this.#newest.last;
  }

  push(entry: LogEntry): Link {
    const newest = this.#newest, link = new Link(entry, newest);
    newest.after = link;
    this.#newest = link;
    return link;
  }

  /** Entries that reach beyond `since` up to `until`; undefined when some of them are gone. */
  read(since: Offset, until: Offset): readonly LogEntry[] | undefined {
    const entries: LogEntry[] = [];
    let link: Link | undefined = this.#newest;
    // From the end: that is where live readers are, in what may be a long tail.
    for (; link && compareOffsets(link.last, since) > 0; link = link.before) {
      if (link.bytes === LET_GO) return undefined;
      if (!link.before && compareOffsets(since, link.from) < 0) return undefined;
      const { first, last, bytes } = link;
      if (compareOffsets(last, until) <= 0) entries.push({ first, last, bytes });
    }
    return entries.reverse();
  }
}

/** Keeps the tails of all shapes within one budget. */
export class TailBudget {
  readonly #bytesMax: number;
  #oldest: Link | undefined;
  #newest: Link | undefined;
  #bytes = 0;

  constructor(bytesMax = TAIL_BYTES_MAX) {
    this.#bytesMax = bytesMax;
  }

  push(tail: Tail, entry: LogEntry): void {
    const link = tail.push(entry);
    if (this.#newest) this.#newest.next = link;
    else this.#oldest = link;
    this.#newest = link;
    this.#bytes += link.size;
    while (this.#oldest && this.#bytes > this.#bytesMax) this.#shift(this.#oldest);
  }

  /** The oldest of all is the first of its tail. */
  #shift(oldest: Link): void {
    if (oldest.after) oldest.after.before = undefined;
    oldest.bytes = LET_GO;
    this.#bytes -= oldest.size;
    this.#oldest = oldest.next;
    oldest.next = undefined;
    if (!this.#oldest) this.#newest = undefined;
  }
}
