/** Stored values that are still, or again, in memory, and the budget that they share. */

/** Something in memory that can be let go of once it is durable. */
export interface Evictable {
  readonly bytes: number;
  /** Number of the write that makes it durable; 0 if it is. */
  readonly writeNumber: number;
  /** Called when the budget lets it go. */
  release(): void;
}

/** What is kept besides an item's bytes: objects, map entries, array slots (about 150 B). */
const ITEM_BYTES = 150;

/** First in, first out: what was read or written together goes together, with its shared buffer. */
export class MemoryBudget {
  readonly #limitBytes: number;
  readonly #items = new Set<Evictable>();
  #bytes = 0;
  #durable = 0;

  constructor(limitBytes: number) {
    this.#limitBytes = limitBytes;
  }

  get bytes(): number {
    return this.#bytes;
  }

  add(item: Evictable): void {
    this.#items.add(item);
    this.#bytes += item.bytes + ITEM_BYTES;
    this.#trim();
  }

  /** Takes an item out that its owner let go of. */
  forget(item: Evictable): void {
    if (this.#items.delete(item)) this.#bytes -= item.bytes + ITEM_BYTES;
  }

  /** All writes up to this number are durable. */
  setDurable(durable: number): void {
    this.#durable = durable;
    this.#trim();
  }

  #trim(): void {
    if (this.#bytes <= this.#limitBytes) return;
    for (const item of this.#items) {
      if (this.#bytes <= this.#limitBytes || item.writeNumber > this.#durable) return;
      this.forget(item);
      item.release();
    }
  }
}

/** A value of a stream of values, and the position where it ends. */
export interface RecentValue<P> extends Evictable {
  readonly end: P;
  readonly value: Uint8Array;
}

/**
 * The last values of a stream: all that were written after position `from`. What lies at or before
 * it is durable and has to be read from KV.
 */
export class RecentValues<P> {
  readonly #compare: (a: P, b: P) => number;
  readonly #budget: MemoryBudget;
  readonly #values: RecentValue<P>[] = [];
  readonly #onEmpty: () => void;
  #from: P;
  #end: P;

  constructor(
    budget: MemoryBudget,
    from: P,
    compare: (a: P, b: P) => number,
    onEmpty: () => void = () => {},
  ) {
    this.#onEmpty = onEmpty;
    this.#budget = budget;
    this.#from = from;
    this.#end = from;
    this.#compare = compare;
  }

  /** Where the stream ends. */
  get end(): P {
    return this.#end;
  }

  get isEmpty(): boolean {
    return this.#values.length === 0;
  }

  append(end: P, value: Uint8Array, writeNumber: number): void {
    const recent: RecentValue<P> = {
      end,
      value,
      bytes: value.length,
      writeNumber,
      release: () => this.#shift(),
    };
    this.#values.push(recent);
    this.#end = end;
    this.#budget.add(recent);
  }

  /** Whether everything beyond the position is in memory. */
  covers(position: P): boolean {
    return this.#compare(position, this.#from) >= 0;
  }

  /** The first value that ends beyond a covered position. */
  after(position: P): RecentValue<P> | undefined {
    let low = 0;
    let high = this.#values.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#compare(this.#values[middle].end, position) > 0) high = middle;
      else low = middle + 1;
    }
    return this.#values[low];
  }

  /** Lets go of everything, durable or not. */
  clear(): void {
    for (const value of this.#values) this.#budget.forget(value);
    this.#values.length = 0;
  }

  #shift(): void {
    const value = this.#values.shift();
    if (value !== undefined) this.#from = value.end;
    if (this.isEmpty) this.#onEmpty();
  }
}
