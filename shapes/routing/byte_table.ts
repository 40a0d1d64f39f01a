/** A slot: the key's hash, its length plus one (0 if the slot is free), where it begins in `#keys`. */
const SLOT = 3, HASH = 0, SIZE = 1, START = 2;

const SLOTS_MIN = 8, KEY_BYTES_MIN = 64;

/**
 * Objects by strings of bytes, looked up where these lie in a row. An open hash table whose slots
 * and keys lie side by side in typed arrays: with very many keys, what a look-up costs is the number
 * of places in memory that it goes to. The caller hashes, so that it may do so piece by piece.
 */
export class ByteTable<V extends object> {
  /** A power of two of them, at most three quarters in use; a key is in the first free one after its own. */
  #slots = new Int32Array(SLOTS_MIN * SLOT);
  /** By slot. */
  #values: (V | undefined)[] = Array(SLOTS_MIN).fill(undefined);
  #mask = SLOTS_MIN - 1;
  #size = 0;
  #keys = new Uint8Array(KEY_BYTES_MIN);
  #keysEnd = 0;

  get size(): number {
    return this.#size;
  }

  get(hash: number, bytes: Uint8Array, start: number, length: number): V | undefined {
    const slots = this.#slots, mask = this.#mask;
    for (let i = hash & mask;; i = (i + 1) & mask) {
      const at = i * SLOT, size = slots[at + SIZE];
      if (size === 0) return undefined;
      if (slots[at + HASH] !== hash || size !== length + 1) continue;
      if (this.#isKey(slots[at + START], bytes, start, length)) return this.#values[i];
    }
  }

  /** Sets the value of a key, or removes the key if it is undefined. */
  set(hash: number, key: Uint8Array, value: V | undefined): void {
    const i = this.#find(hash, key), isThere = this.#values[i] !== undefined;
    if (value === undefined) {
      if (isThere) this.#free(i);
    } else if (isThere) {
      this.#values[i] = value;
    } else {
      this.#add(hash, key, value);
    }
  }

  /** The slot of the key, or the free one where its search ends. */
  #find(hash: number, key: Uint8Array): number {
    const slots = this.#slots;
    let i = hash & this.#mask;
    for (; slots[i * SLOT + SIZE] !== 0; i = (i + 1) & this.#mask) {
      const at = i * SLOT;
      if (slots[at + HASH] !== hash || slots[at + SIZE] !== key.length + 1) continue;
      if (this.#isKey(slots[at + START], key, 0, key.length)) break;
    }
    return i;
  }

  #isKey(at: number, bytes: Uint8Array, start: number, length: number): boolean {
    const keys = this.#keys;
    for (let i = 0; i < length; i++) if (keys[at + i] !== bytes[start + i]) return false;
    return true;
  }

  #add(hash: number, key: Uint8Array, value: V): void {
    if (++this.#size * 4 > (this.#mask + 1) * 3) this.#resize((this.#mask + 1) * 2);
    if (this.#keysEnd + key.length > this.#keys.length) this.#repack(key.length);
    this.#keys.set(key, this.#keysEnd);
    this.#put(hash, key.length + 1, this.#keysEnd, value);
    this.#keysEnd += key.length;
  }

  #put(hash: number, size: number, start: number, value: V | undefined): void {
    let i = hash & this.#mask;
    while (this.#slots[i * SLOT + SIZE] !== 0) i = (i + 1) & this.#mask;
    this.#slots[i * SLOT + HASH] = hash;
    this.#slots[i * SLOT + SIZE] = size;
    this.#slots[i * SLOT + START] = start;
    this.#values[i] = value;
  }

  /** Frees a slot and moves up those after it that are not in their own, so that no search ends early. */
  #free(i: number): void {
    const slots = this.#slots, mask = this.#mask;
    for (let next = (i + 1) & mask; slots[next * SLOT + SIZE] !== 0; next = (next + 1) & mask) {
      const own = slots[next * SLOT + HASH] & mask;
      if (((next - own) & mask) < ((next - i) & mask)) continue;
      slots.copyWithin(i * SLOT, next * SLOT, (next + 1) * SLOT);
      this.#values[i] = this.#values[next];
      i = next;
    }
    slots[i * SLOT + SIZE] = 0;
    this.#values[i] = undefined;
    this.#size--;
    if (this.#size * 8 < mask && mask >= SLOTS_MIN) this.#resize((mask + 1) / 2);
  }

  #resize(count: number): void {
    const slots = this.#slots, values = this.#values;
    this.#slots = new Int32Array(count * SLOT);
    this.#values = Array(count).fill(undefined);
    this.#mask = count - 1;
    for (const [i, value] of values.entries()) {
      const at = i * SLOT;
      if (value) this.#put(slots[at + HASH], slots[at + SIZE], slots[at + START], value);
    }
  }

  /** Copies the keys that are in use to an array with room for as many again and `more`. */
  #repack(more: number): void {
    const used = this.#values.keys().filter((i) => this.#values[i] !== undefined).toArray();
    const size = used.reduce((sum, i) => sum + this.#slots[i * SLOT + SIZE] - 1, more);
    const keys = new Uint8Array(Math.max(KEY_BYTES_MIN, size * 2));
    let end = 0;
    for (const i of used) {
      const start = this.#slots[i * SLOT + START], length = this.#slots[i * SLOT + SIZE] - 1;
      keys.set(this.#keys.subarray(start, start + length), end);
      this.#slots[i * SLOT + START] = end;
      end += length;
    }
    this.#keys = keys;
    this.#keysEnd = end;
  }
}
