import type { Row } from "../row.ts";
import { Bag } from "./bag.ts";
import type { PgType, Value } from "../where/types/type.ts";

/** Entries by a column's value, for types whose equal values have several texts (1.0 and 1.00). */
export class ValueIndex<V extends NonNullable<unknown>> {
  readonly #column: number;
  readonly #type: PgType;
  readonly #entries = new Map<Value, Bag<V>>();

  /** `column` is a place in the rows. */
  constructor(column: number, type: PgType) {
    this.#column = column;
    this.#type = type;
  }

  get isEmpty(): boolean {
    return this.#entries.size === 0;
  }

  /** The entries whose key is that of the row's value. */
  find(row: Row): Bag<V> | undefined {
    const text = row.text(this.#column);
    return text === null ? undefined : this.#entries.get(this.#type.key(this.#type.decode(text)));
  }

  count(key: Value): number {
    return this.#entries.get(key)?.size ?? 0;
  }

  add(key: Value, entry: V): void {
    const entries = this.#entries.get(key);
    if (entries) entries.add(entry);
    else this.#entries.set(key, new Bag(entry));
  }

  remove(key: Value, entry: V): void {
    const entries = this.#entries.get(key);
    entries?.remove(entry);
    if (entries?.size === 0) this.#entries.delete(key);
  }
}
