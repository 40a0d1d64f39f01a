/**
 * What a shape's log materialises to, as hashes: key to row. Open addressing in typed arrays, some
 * 30 bytes a row, so that a million rows take 30 MB.
 */

const USED = 1, PRESENT = 2, SEEN = 4, LATER = 8, PARTIAL = 16, DOOMED = 32, PENDING = 64;
const FIRST_CAPACITY = 64;
const FILL_MAX = 0.65;

/** Entries are named by their index, which holds until the next `enter`. */
export class RowTable {
  #capacity = FIRST_CAPACITY;
  #used = 0;
  #present = 0;
  #flags = new Uint8Array(FIRST_CAPACITY);
  /** Key and row, two lanes each, side by side: one cache line a look-up. */
  #lanes = new Int32Array(FIRST_CAPACITY * 4);
  /** Number of the entry's last item in the log, and where its columns' hashes are. */
  #items = new Uint32Array(FIRST_CAPACITY);
  /** Where in `detailLanes` the hashes of an entry's columns begin. */
  #details = new Map<number, number>();
  /** Hashes of columns, two lanes each. One piece of memory: an array for each row is a waste. */
  detailLanes = new Int32Array(0);
  #detailEnd = 0;
  #hasLater = false;

  /** Rows present. */
  get size(): number {
    return this.#present;
  }

  /** Bytes held, about. */
  get bytes(): number {
    return this.#capacity * 21;
  }

  /** Index of a key, or -1. */
  find(lo: number, hi: number): number {
    const mask = this.#capacity - 1;
    for (let at = lo & mask;; at = at + 1 & mask) {
      if (this.#flags[at] === 0) return -1;
      if (this.#lanes[at * 4] === lo && this.#lanes[at * 4 + 1] === hi) return at;
    }
  }

  /** Index of a key, entered as absent if it was not known. */
  enter(lo: number, hi: number): number {
    const known = this.find(lo, hi);
    if (known >= 0) return known;
    if (this.#used >= this.#capacity * FILL_MAX) this.#grow();
    const at = this.#freePlace(lo);
    this.#flags[at] = USED;
    this.#lanes[at * 4] = lo;
    this.#lanes[at * 4 + 1] = hi;
    this.#used++;
    return at;
  }

  isPresent(at: number): boolean {
    return (this.#flags[at] & PRESENT) !== 0;
  }

  isRow(at: number, lo: number, hi: number): boolean {
    return this.#lanes[at * 4 + 2] === lo && this.#lanes[at * 4 + 3] === hi;
  }

  setRow(at: number, lo: number, hi: number): void {
    if (!this.isPresent(at)) this.#present++;
    this.#flags[at] |= PRESENT;
    this.#lanes[at * 4 + 2] = lo;
    this.#lanes[at * 4 + 3] = hi;
  }

  remove(at: number): void {
    if (this.isPresent(at)) this.#present--;
    this.#flags[at] &= ~PRESENT;
  }

  /** Number of the last item that told of the key. */
  itemOf(at: number): number {
    return this.#items[at];
  }

  setItem(at: number, number: number): void {
    this.#items[at] = number;
  }

  /** The database has the key. */
  isSeen(at: number): boolean {
    return (this.#flags[at] & SEEN) !== 0;
  }

  markSeen(at: number): void {
    this.#flags[at] |= SEEN;
  }

  /** The log tells of the key what is newer than what it is compared with. */
  isLater(at: number): boolean {
    return (this.#flags[at] & LATER) !== 0;
  }

  markLater(at: number): void {
    this.#flags[at] |= LATER;
    this.#hasLater = true;
  }

  forgetLater(): void {
    if (!this.#hasLater) return;
    for (let at = 0; at < this.#capacity; at++) this.#flags[at] &= ~LATER;
    this.#hasLater = false;
  }

  /** That the key's row came or went is not in the log yet. */
  markPending(at: number): void {
    this.#flags[at] |= PENDING;
  }

  clearPending(at: number): void {
    this.#flags[at] &= ~PENDING;
  }

  /** Whether the log, as far as it is written, has the key's row. */
  isInLog(at: number): boolean {
    return this.isPresent(at) !== ((this.#flags[at] & PENDING) !== 0);
  }

  /** The log holds updates of the key that name some columns only. */
  isPartial(at: number): boolean {
    return (this.#flags[at] & PARTIAL) !== 0;
  }

  markPartial(at: number): void {
    this.#flags[at] |= PARTIAL;
  }

  /** Where the hashes of the entry's columns begin in `detailLanes`; made on first use. */
  detail(at: number, columns: number): number {
    const known = this.#details.get(at);
    if (known !== undefined) return known;
    const start = this.#detailEnd;
    this.#detailEnd += columns * 2;
    if (this.#detailEnd > this.detailLanes.length) this.#growDetails();
    this.#details.set(at, start);
    return start;
  }

  eachDetail(visit: (at: number, start: number) => void): void {
    for (const [at, start] of this.#details) visit(at, start);
  }

  forgetDetails(): void {
    this.#details = new Map();
    this.detailLanes = new Int32Array(0);
    this.#detailEnd = 0;
  }

  /** Marks the rows that the database no longer has; answers how many. */
  doomUnseen(): number {
    let count = 0;
    for (let at = 0; at < this.#capacity; at++) {
      if ((this.#flags[at] & (PRESENT | SEEN | LATER)) !== PRESENT) continue;
      this.#flags[at] |= DOOMED;
      count++;
    }
    return count;
  }

  isDoomed(at: number): boolean {
    return (this.#flags[at] & DOOMED) !== 0;
  }

  spare(at: number): void {
    this.#flags[at] &= ~DOOMED;
  }

  /** Ends a comparison: what it marked is forgotten. Answers whether some key was `later`. */
  settle(): boolean {
    const hasLater = this.#hasLater;
    for (let at = 0; at < this.#capacity; at++) this.#flags[at] &= USED | PRESENT;
    this.#hasLater = false;
    return hasLater;
  }

  #growDetails(): void {
    const lanes = new Int32Array(Math.max(1024, Math.ceil(this.#detailEnd * 1.5)));
    lanes.set(this.detailLanes);
    this.detailLanes = lanes;
  }

  /** An empty place from where a key's look-up begins. */
  #freePlace(lo: number): number {
    const mask = this.#capacity - 1;
    let at = lo & mask;
    while (this.#flags[at] !== 0) at = at + 1 & mask;
    return at;
  }

  #grow(): void {
    const [flags, lanes, items, details] = [this.#flags, this.#lanes, this.#items, this.#details];
    this.#capacity *= 2;
    this.#flags = new Uint8Array(this.#capacity);
    this.#lanes = new Int32Array(this.#capacity * 4);
    this.#items = new Uint32Array(this.#capacity);
    this.#details = new Map();
    for (let from = 0; from < flags.length; from++) {
      if (flags[from] === 0) continue;
      const at = this.#freePlace(lanes[from * 4]);
      this.#flags[at] = flags[from];
      this.#items[at] = items[from];
      for (let lane = 0; lane < 4; lane++) this.#lanes[at * 4 + lane] = lanes[from * 4 + lane];
      const detail = details.get(from);
      if (detail !== undefined) this.#details.set(at, detail);
    }
  }
}
