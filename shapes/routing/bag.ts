/**
 * A few things, mostly one: that one needs no `Set`. Read `first` and then `rest`; they are public
 * because to iterate over sets of one is most of the cost of routing.
 */
export class Bag<V extends NonNullable<unknown>> {
  /** Undefined only while the bag is empty. */
  first: V | undefined;
  /** All others. */
  rest: Set<V> | undefined;

  constructor(first?: V) {
    this.first = first;
  }

  get size(): number {
    return this.first === undefined ? 0 : 1 + (this.rest?.size ?? 0);
  }

  /** Adds what is not in it yet. */
  add(item: V): void {
    if (this.first === undefined) this.first = item;
    else if (this.first !== item) (this.rest ??= new Set()).add(item);
  }

  remove(item: V): void {
    if (this.first !== item) {
      this.rest?.delete(item);
    } else {
      this.first = undefined;
      if (!this.rest) return;
      for (const next of this.rest) {
        this.first = next;
        this.rest.delete(next);
        break;
      }
    }
    if (this.rest?.size === 0) this.rest = undefined;
  }
}
