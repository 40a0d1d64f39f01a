import type { Few } from "./few.ts";

const SLOTS_MIN = 8, KEY_BYTES_MIN = 64;

/** A slot's fields, as they lie one after the other. */
const HASH = 0, START = 1, LENGTH = 2, VALUE = 3, FIELDS = 4;

/**
 * Numbers (at least 0) by strings of bytes, looked up where these lie in a row. An open hash table in
 * typed arrays: with very many keys, what a look-up costs is the number of places in memory that it
 * goes to, and those are the slot and the key, and mostly one for a key that is not there. The
 * caller hashes, so that it may do so piece by piece.
 */
export class ByteTable {
  /**
   * By slot: the key's hash, 0 if the slot is free; where in `#keys` the key begins; its length; its
   * number, or below 0 the inverted place of its set. A key is in its own slot or the first free one
   * after.
   */
  #slots = new Int32Array(SLOTS_MIN * FIELDS);
  /** Of the keys that have several numbers. */
  readonly #sets: (Set<number> | undefined)[] = [];
  readonly #freeSets: number[] = [];
  /** There is a power of two of slots, of which at most three quarters are in use. */
  #mask = SLOTS_MIN - 1;
  #size = 0;
  #keys = new Uint8Array(KEY_BYTES_MIN);
  #keysEnd = 0;

  get size(): number {
    return this.#size;
  }

  get(hash: number, bytes: Uint8Array, start: number, length: number): Few | undefined {
    const at = this.#find(hash || 1, bytes, start, length);
    return this.#slots[at + HASH] === 0 ? undefined : this.#valueAt(at);
  }

  /** Sets the value of a key, or removes the key if it is undefined. */
  set(hash: number, key: Uint8Array, value: Few | undefined): void {
    const at = this.#find(hash || 1, key, 0, key.length), isThere = this.#slots[at + HASH] !== 0;
    if (isThere) this.#forget(at);
    if (value === undefined) {
      if (isThere) this.#free(at);
    } else if (isThere) {
      this.#slots[at + VALUE] = this.#numberOf(value);
    } else {
      this.#add(hash || 1, key, value);
    }
  }

  #valueAt(at: number): Few | undefined {
    const number = this.#slots[at + VALUE];
    return number >= 0 ? number : this.#sets[~number];
  }

  #numberOf(value: Few): number {
    if (typeof value === "number") return value;
    const place = this.#freeSets.pop() ?? this.#sets.length;
    this.#sets[place] = value;
    return ~place;
  }

  /** Lets go of the slot's set, if it has one. */
  #forget(at: number): void {
    const number = this.#slots[at + VALUE];
    if (number >= 0) return;
    this.#sets[~number] = undefined;
    this.#freeSets.push(~number);
  }

  /** Where the slot of the key begins, or the free one where its search ends. */
  #find(hash: number, bytes: Uint8Array, start: number, length: number): number {
    const slots = this.#slots, mask = this.#mask;
    for (let i = hash & mask;; i = (i + 1) & mask) {
      const at = i * FIELDS, other = slots[at + HASH];
      if (other === 0 || (other === hash && this.#isKey(at, bytes, start, length))) return at;
    }
  }

  #isKey(at: number, bytes: Uint8Array, start: number, length: number): boolean {
    if (this.#slots[at + LENGTH] !== length) return false;
    const keys = this.#keys, keyStart = this.#slots[at + START];
    for (let i = 0; i < length; i++) if (keys[keyStart + i] !== bytes[start + i]) return false;
    return true;
  }

  #add(hash: number, key: Uint8Array, value: Few): void {
    if (++this.#size * 4 > this.#mask * 3) this.#resize((this.#mask + 1) * 2);
    if (this.#keysEnd + key.length > this.#keys.length) this.#repack(key.length);
    this.#keys.set(key, this.#keysEnd);
    this.#put(hash, this.#keysEnd, key.length, this.#numberOf(value));
    this.#keysEnd += key.length;
  }

  #put(hash: number, start: number, length: number, number: number): void {
    const slots = this.#slots;
    let i = hash & this.#mask;
    while (slots[i * FIELDS + HASH] !== 0) i = (i + 1) & this.#mask;
    const at = i * FIELDS;
    slots[at + HASH] = hash;
    slots[at + START] = start;
    slots[at + LENGTH] = length;
    slots[at + VALUE] = number;
  }

  /** Frees a slot and moves up those after it that are not in their own, so that no search ends early. */
  #free(at: number): void {
    const slots = this.#slots, mask = this.#mask;
    let i = at / FIELDS;
    for (let next = (i + 1) & mask; slots[next * FIELDS] !== 0; next = (next + 1) & mask) {
      const own = slots[next * FIELDS + HASH] & mask;
      if (((next - own) & mask) < ((next - i) & mask)) continue;
      slots.copyWithin(i * FIELDS, next * FIELDS, (next + 1) * FIELDS);
      i = next;
    }
    slots[i * FIELDS + HASH] = 0;
    this.#size--;
    if (this.#size * 8 < mask && mask >= SLOTS_MIN) this.#resize((mask + 1) / 2);
  }

  #resize(count: number): void {
    const slots = this.#slots;
    this.#slots = new Int32Array(count * FIELDS);
    this.#mask = count - 1;
    for (let at = 0; at < slots.length; at += FIELDS) {
      if (slots[at + HASH] === 0) continue;
      this.#put(slots[at + HASH], slots[at + START], slots[at + LENGTH], slots[at + VALUE]);
    }
  }

  /** Copies the keys that are in use to an array with room for as many again and `more`. */
  #repack(more: number): void {
    const slots = this.#slots, used: number[] = [];
    let size = more;
    for (let at = 0; at < slots.length; at += FIELDS) {
      if (slots[at + HASH] === 0) continue;
      used.push(at);
      size += slots[at + LENGTH];
    }
    const keys = new Uint8Array(Math.max(KEY_BYTES_MIN, size * 2));
    let end = 0;
    for (const at of used) {
      const start = slots[at + START];
      keys.set(this.#keys.subarray(start, start + slots[at + LENGTH]), end);
      slots[at + START] = end;
      end += slots[at + LENGTH];
    }
    this.#keys = keys;
    this.#keysEnd = end;
  }
}
