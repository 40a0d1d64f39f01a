/**
 * Keys as KV's engine has them: tuples whose bytes compare as their parts do
 * (https://github.com/denoland/denokv/blob/main/proto/kv-connect.md). A part is text, a number or an
 * integer of up to 64 bits.
 */

import type { KvKey } from "@deno/kv";

/** First bytes of the parts of a key. */
const TEXT_PART = 0x02, INTEGER_ZERO = 0x14, NUMBER_PART = 0x21;
const INTEGER_BYTES_MAX = 8;
/** Room for a key with every character escaped; what is too long for KV is for KV to say. */
const KEY_ROOM_BYTES = 16 * 1024;

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** Encodes one key after the other into the same memory. */
export class KeyEncoder {
  readonly #key = new Uint8Array(KEY_ROOM_BYTES);
  readonly #keyView = new DataView(this.#key.buffer);

  /**
   * The key's bytes, which are valid until the next call. Throws `RangeError` for a key that is far
   * too long or has an integer outside of 64 bits, `TypeError` for one with a part of another type.
   */
  encode(key: KvKey): Uint8Array {
    return this.#key.subarray(0, this.#packKey(key));
  }

  #packKey(key: KvKey): number {
    let end = 0;
    for (const part of key) {
      if (typeof part === "string") end = this.#packText(part, end);
      else if (typeof part === "number") end = this.#packNumber(part, end);
      else if (typeof part === "bigint") end = this.#packInteger(part, end);
      else throw new TypeError(`Key has a part of type "${typeof part}"`);
    }
    return end;
  }

  /** UTF-8, a zero byte as 00 FF, and 00 at the end. */
  #packText(text: string, end: number): number {
    const bytes = this.#key;
    this.#assertRoom(end, 2 * 3 * text.length + 2);
    bytes[end++] = TEXT_PART;
    if (text.includes("\0")) {
      for (const byte of encoder.encode(text)) {
        bytes[end++] = byte;
        if (byte === 0) bytes[end++] = 0xff;
      }
    } else end += encoder.encodeInto(text, bytes.subarray(end)).written;
    bytes[end++] = 0;
    return end;
  }

  /** Big-endian, so that bytes compare as numbers do: the sign bit flipped, of negatives all bits. */
  #packNumber(value: number, end: number): number {
    this.#assertRoom(end, 9);
    this.#key[end] = NUMBER_PART;
    this.#keyView.setFloat64(end + 1, -Math.abs(value));
    if (value < 0) { for (let i = end + 1; i < end + 9; i++) this.#key[i] ^= 0xff; }
    return end + 9;
  }

  /** How many bytes it has, then these. */
  #packInteger(value: bigint, end: number): number {
    if (value < 0n || value > 0xffff_ffff_ffff_ffffn) {
      throw new RangeError(`Key has the integer ${value}`);
    }
    this.#assertRoom(end, 9);
    let count = 0;
    for (let rest = value; rest > 0n; rest >>= 8n) count++;
    // Written to the end of eight bytes, then moved to the front of them.
    this.#keyView.setBigUint64(end + 1, value);
    this.#key[end] = INTEGER_ZERO + count;
    this.#key.copyWithin(end + 1, end + 9 - count, end + 9);
    return end + 1 + count;
  }

  #assertRoom(end: number, count: number): void {
    if (end + count > KEY_ROOM_BYTES) throw new RangeError("Key is too long");
  }
}

/** Reads a key back. Throws `RangeError` if it is none, or has a part of another type. */
export function decodeKey(bytes: Uint8Array): KvKey {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const parts: (string | number | bigint)[] = [];
  for (let at = 0; at < bytes.length;) {
    const kind = bytes[at++];
    const count = kind - INTEGER_ZERO;
    if (kind === TEXT_PART) {
      const end = textEnd(bytes, at);
      parts.push(decodeText(bytes.subarray(at, end)));
      at = end + 1;
    } else if (kind === NUMBER_PART) {
      parts.push(decodeNumber(view, at));
      at += 8;
    } else if (count >= 0 && count <= INTEGER_BYTES_MAX) {
      let value = 0n;
      for (const end = at + count; at < end; at++) value = value << 8n | BigInt(view.getUint8(at));
      parts.push(value);
    } else throw new RangeError(`Key has a part of kind ${kind}`);
  }
  return parts;
}

/** Where the zero is that ends a text; one before FF is part of it. */
function textEnd(bytes: Uint8Array, from: number): number {
  let end = bytes.indexOf(0, from);
  while (end >= 0 && bytes[end + 1] === 0xff) end = bytes.indexOf(0, end + 2);
  if (end < 0) throw new RangeError("Key ends within a text");
  return end;
}

function decodeText(bytes: Uint8Array): string {
  if (!bytes.includes(0)) return decoder.decode(bytes);
  return decoder.decode(bytes.filter((_, i) => i === 0 || bytes[i - 1] !== 0));
}

function decodeNumber(view: DataView, at: number): number {
  if (view.getUint8(at) >= 0x80) return -view.getFloat64(at);
  const flipped = new DataView(new ArrayBuffer(8));
  flipped.setBigUint64(0, view.getBigUint64(at) ^ 0xffff_ffff_ffff_ffffn);
  return flipped.getFloat64(0);
}
