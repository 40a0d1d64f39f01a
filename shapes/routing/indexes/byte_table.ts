import type { Few } from "./few.ts";

const SLOTS_MIN = 8, KEY_BYTES_MIN = 64;

/**
 * Numbers by strings of bytes, looked up where these lie in a row. An open hash table in typed
 * arrays: with very many keys, what a look-up costs is the number of places in memory that it goes
 * to, and for a key that is not there it is mostly one. The caller hashes, so that it may do so
 * piece by piece.
 */
export class ByteTable {
  /** By slot: the key's hash, 0 if the slot is free. A key is in its own slot or the first free one after. */
  #hashes = new Int32Array(SLOTS_MIN);
  /** By slot, two each: where in `#keys` the key begins, and its length. */
  #places = new Int32Array(SLOTS_MIN * 2);
  #values: (Few | undefined)[] = Array(SLOTS_MIN).fill(undefined);
  /** There is a power of two of slots, of which at most three quarters are in use. */
  #mask = SLOTS_MIN - 1;
  #size = 0;
  #keys = new Uint8Array(KEY_BYTES_MIN);
  #keysEnd = 0;

  get size(): number {
    return this.#size;
  }

  get(hash: number, bytes: Uint8Array, start: number, length: number): Few | undefined {
    return this.#values[this.#find(hash || 1, bytes, start, length)];
  }

  /** Sets the value of a key, or removes the key if it is undefined. */
  set(hash: number, key: Uint8Array, value: Few | undefined): void {
    const i = this.#find(hash || 1, key, 0, key.length), isThere = this.#hashes[i] !== 0;
    if (value === undefined) {
      if (isThere) this.#free(i);
    } else if (isThere) {
      this.#values[i] = value;
    } else {
      this.#add(hash || 1, key, value);
    }
  }

  /** The slot of the key, or the free one where its search ends. */
  #find(hash: number, bytes: Uint8Array, start: number, length: number): number {
    const hashes = this.#hashes, mask = this.#mask;
    for (let i = hash & mask;; i = (i + 1) & mask) {
      const other = hashes[i];
      if (other === 0 || (other === hash && this.#isKey(i, bytes, start, length))) return i;
    }
  }

  #isKey(slot: number, bytes: Uint8Array, start: number, length: number): boolean {
    const keys = this.#keys, at = this.#places[slot * 2];
    if (this.#places[slot * 2 + 1] !== length) return false;
    for (let i = 0; i < length; i++) if (keys[at + i] !== bytes[start + i]) return false;
    return true;
  }

  #add(hash: number, key: Uint8Array, value: Few): void {
    if (++this.#size * 4 > this.#mask * 3) this.#resize((this.#mask + 1) * 2);
    if (this.#keysEnd + key.length > this.#keys.length) this.#repack(key.length);
    this.#keys.set(key, this.#keysEnd);
    this.#put(hash, this.#keysEnd, key.length, value);
    this.#keysEnd += key.length;
  }

  #put(hash: number, start: number, length: number, value: Few | undefined): void {
    let i = hash & this.#mask;
    while (this.#hashes[i] !== 0) i = (i + 1) & this.#mask;
    this.#hashes[i] = hash;
    this.#places[i * 2] = start;
    this.#places[i * 2 + 1] = length;
    this.#values[i] = value;
  }

  /** Frees a slot and moves up those after it that are not in their own, so that no search ends early. */
  #free(i: number): void {
    const hashes = this.#hashes, mask = this.#mask;
    for (let next = (i + 1) & mask; hashes[next] !== 0; next = (next + 1) & mask) {
      const own = hashes[next] & mask;
      if (((next - own) & mask) < ((next - i) & mask)) continue;
      hashes[i] = hashes[next];
      this.#places.copyWithin(i * 2, next * 2, next * 2 + 2);
      this.#values[i] = this.#values[next];
      i = next;
    }
    hashes[i] = 0;
    this.#values[i] = undefined;
    this.#size--;
    if (this.#size * 8 < mask && mask >= SLOTS_MIN) this.#resize((mask + 1) / 2);
  }

  #resize(count: number): void {
    const hashes = this.#hashes, places = this.#places, values = this.#values;
    this.#hashes = new Int32Array(count);
    this.#places = new Int32Array(count * 2);
    this.#values = Array(count).fill(undefined);
    this.#mask = count - 1;
    for (const [i, hash] of hashes.entries()) {
      if (hash !== 0) this.#put(hash, places[i * 2], places[i * 2 + 1], values[i]);
    }
  }

  /** Copies the keys that are in use to an array with room for as many again and `more`. */
  #repack(more: number): void {
    const used: number[] = [];
    let size = more;
    for (const [i, hash] of this.#hashes.entries()) {
      if (hash === 0) continue;
      used.push(i);
      size += this.#places[i * 2 + 1];
    }
    const keys = new Uint8Array(Math.max(KEY_BYTES_MIN, size * 2));
    let end = 0;
    for (const i of used) {
      const start = this.#places[i * 2], length = this.#places[i * 2 + 1];
      keys.set(this.#keys.subarray(start, start + length), end);
      this.#places[i * 2] = end;
      end += length;
    }
    this.#keys = keys;
    this.#keysEnd = end;
  }
}
