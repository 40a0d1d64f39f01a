import type { Row } from "../row.ts";
import type { Value } from "../where/types/type.ts";
import { Bag } from "./bag.ts";

interface Slot<V extends NonNullable<unknown>> {
  readonly bytes: Uint8Array;
  readonly entries: Bag<V>;
  /** The next one with the same hash. */
  next: Slot<V> | undefined;
}

const encoder = new TextEncoder();

/** Entries by a column's text, looked up by its bytes where they lie in the row. */
export class TextIndex<V extends NonNullable<unknown>> {
  readonly #column: number;
  readonly #slots = new Map<number, Slot<V>>();
  /** No key is longer, nor was any. */
  #lengthMax = -1;

  /** `column` is a place in the rows. */
  constructor(column: number) {
    this.#column = column;
  }

  get isEmpty(): boolean {
    return this.#slots.size === 0;
  }

  /** The entries whose key is the row's text. */
  find(row: Row): Bag<V> | undefined {
    const length = row.lengths[this.#column];
    if (length < 0 || length > this.#lengthMax) return undefined;
    return this.#slot(row.bytes, row.starts[this.#column], length)?.entries;
  }

  count(key: Value): number {
    const bytes = encoder.encode(String(key));
    return this.#slot(bytes, 0, bytes.length)?.entries.size ?? 0;
  }

  add(key: Value, entry: V): void {
    const bytes = encoder.encode(String(key)), found = this.#slot(bytes, 0, bytes.length);
    if (found) {
      found.entries.add(entry);
      return;
    }
    const hash = hashOf(bytes, 0, bytes.length);
    this.#slots.set(hash, { bytes, entries: new Bag(entry), next: this.#slots.get(hash) });
    this.#lengthMax = Math.max(this.#lengthMax, bytes.length);
  }

  remove(key: Value, entry: V): void {
    const bytes = encoder.encode(String(key)), slot = this.#slot(bytes, 0, bytes.length);
    slot?.entries.remove(entry);
    if (!slot || slot.entries.size > 0) return;
    const hash = hashOf(bytes, 0, bytes.length);
    let first = this.#slots.get(hash);
    if (first === slot) first = slot.next;
    else for (let at = first; at; at = at.next) if (at.next === slot) at.next = slot.next;
    if (first) this.#slots.set(hash, first);
    else this.#slots.delete(hash);
  }

  #slot(bytes: Uint8Array, start: number, length: number): Slot<V> | undefined {
    let slot = this.#slots.get(hashOf(bytes, start, length));
    while (slot && !isSame(slot.bytes, bytes, start, length)) slot = slot.next;
    return slot;
  }
}

/** FNV-1a, as an integer that is small enough for V8 to keep without a box. */
function hashOf(bytes: Uint8Array, start: number, length: number): number {
  let hash = 0x811c9dc5;
  for (let i = start; i < start + length; i++) hash = Math.imul(hash ^ bytes[i], 0x01000193);
  return hash & 0x3fffffff;
}

function isSame(key: Uint8Array, bytes: Uint8Array, start: number, length: number): boolean {
  if (key.length !== length) return false;
  for (let i = 0; i < length; i++) if (key[i] !== bytes[start + i]) return false;
  return true;
}
