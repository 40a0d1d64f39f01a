/**
 * Writes JSON text as bytes into slabs. What was taken stays valid and is never moved: a slab that
 * is full is left to those who took parts of it, and a new one begun.
 */

/** Large enough to make slabs rare, small enough that one pinned by a few bytes costs little. */
const SLAB_BYTES = 256 * 1024;

const QUOTE = 0x22, BACKSLASH = 0x5c, SPACE = 0x20;
const HEX = new TextEncoder().encode("0123456789abcdef");
/** The letter after the backslash for control characters that have a short form; else 0. */
const SHORT_ESCAPES = new Uint8Array(SPACE);
SHORT_ESCAPES[0x08] = 0x62; // b
SHORT_ESCAPES[0x09] = 0x74; // t
SHORT_ESCAPES[0x0a] = 0x6e; // n
SHORT_ESCAPES[0x0c] = 0x66; // f
SHORT_ESCAPES[0x0d] = 0x72; // r

/** Below this many bytes a loop is cheaper than `TypedArray.set`. */
const LOOP_MAX = 24;

const encoder = new TextEncoder();

export class JsonWriter {
  #slab = new Uint8Array(SLAB_BYTES);
  /** Where the part being written begins, and where the next byte goes. */
  #start = 0;
  #end = 0;

  /** Bytes written since the last `take()`. */
  get length(): number {
    return this.#end - this.#start;
  }

  /** Goes back to an earlier length of the part being written. */
  truncate(length: number): void {
    this.#end = this.#start + length;
  }

  /** The part being written: valid until the next byte is. */
  written(): Uint8Array {
    return this.#slab.subarray(this.#start, this.#end);
  }

  /** Ends the part being written and gives its bytes, which stay as they are. */
  take(): Uint8Array {
    const part = this.#slab.subarray(this.#start, this.#end);
    this.#start = this.#end;
    return part;
  }

  byte(code: number): void {
    this.#reserve(1);
    this.#slab[this.#end++] = code;
  }

  /** Bytes that are JSON already. */
  raw(bytes: Uint8Array): void {
    const { length } = bytes;
    this.#reserve(length);
    const slab = this.#slab;
    let end = this.#end;
    if (length > LOOP_MAX) {
      slab.set(bytes, end);
      end += length;
    } else {
      for (let i = 0; i < length; i++) slab[end++] = bytes[i];
    }
    this.#end = end;
  }

  /** Text that is JSON already. */
  text(text: string): void {
    this.raw(encoder.encode(text));
  }

  /** A part of `source` that needs no escaping. */
  copy(source: Uint8Array, from: number, to: number): void {
    const length = to - from;
    this.#reserve(length);
    const slab = this.#slab;
    let end = this.#end;
    if (length > 64) {
      slab.set(source.subarray(from, to), end);
      end += length;
    } else {
      for (let i = from; i < to; i++) slab[end++] = source[i];
    }
    this.#end = end;
  }

  /** UTF-8 text as the inside of a JSON string. */
  escaped(source: Uint8Array, from: number, to: number): void {
    // In the worst case every byte becomes \u00XX; more is only reserved when it is needed.
    this.#reserve(to - from);
    const slab = this.#slab;
    let end = this.#end;
    for (let i = from; i < to; i++) {
      const code = source[i];
      if (code < SPACE || code === QUOTE || code === BACKSLASH) {
        this.#end = end;
        return this.#escapedSlowly(source, i, to);
      }
      slab[end++] = code;
    }
    this.#end = end;
  }

  #escapedSlowly(source: Uint8Array, from: number, to: number): void {
    for (let i = from; i < to; i++) this.escapedByte(source[i]);
  }

  escapedByte(code: number): void {
    this.#reserve(6);
    if (code >= SPACE) {
      if (code === QUOTE || code === BACKSLASH) this.#slab[this.#end++] = BACKSLASH;
      this.#slab[this.#end++] = code;
      return;
    }
    this.#slab[this.#end++] = BACKSLASH;
    const short = SHORT_ESCAPES[code];
    if (short !== 0) {
      this.#slab[this.#end++] = short;
      return;
    }
    this.#slab[this.#end++] = 0x75; // u
    this.#slab[this.#end++] = HEX[0];
    this.#slab[this.#end++] = HEX[0];
    this.#slab[this.#end++] = HEX[code >> 4];
    this.#slab[this.#end++] = HEX[code & 15];
  }

  /** A whole number of at most 2^53. */
  integer(value: number): void {
    if (value < 10) return this.byte(0x30 + value);
    this.#reserve(16);
    let divisor = 10;
    while (value >= divisor * 10) divisor *= 10;
    for (; divisor >= 1; divisor /= 10) {
      this.#slab[this.#end++] = 0x30 + Math.floor(value / divisor) % 10;
    }
  }

  #reserve(count: number): void {
    if (this.#end + count <= this.#slab.length) return;
    const written = this.length;
    const slab = new Uint8Array(Math.max(SLAB_BYTES, (written + count) * 2));
    slab.set(this.#slab.subarray(this.#start, this.#end));
    this.#slab = slab;
    this.#start = 0;
    this.#end = written;
  }
}
