/**
 * Reading a range, in the words of KV Connect (see `kv_wire.ts`). KV's client spends 40 µs on each
 * value that it lists.
 *
 *     SnapshotRead { repeated ReadRange ranges = 1 }
 *     ReadRange { bytes start = 1; bytes end = 2; int32 limit = 3 }
 *     SnapshotReadOutput { repeated ReadRangeOutput ranges = 1; bool read_disabled = 2; … }
 *     ReadRangeOutput { repeated KvEntry values = 1 }
 *     KvEntry { bytes key = 1; bytes value = 2; ValueEncoding encoding = 3; … }
 */

import type { KvKey } from "@deno/kv";
import { decodeKey, KeyEncoder } from "./kv_key_codec.ts";
import type { KeyRange } from "./kv_keys.ts";

/** A value of bytes. */
export interface StoredValue {
  readonly key: KvKey;
  readonly value: Uint8Array;
}

const RANGES = 1, START = 1, END = 2, LIMIT = 3;
const VALUES = 1, KEY = 1, VALUE = 2;
const READ_DISABLED = 2;
const VARINT = 0, FIXED_64 = 1, LENGTH = 2, FIXED_32 = 5;

const keys = new KeyEncoder();

/** A request for the first values of a range: at most `limit`, which is below 128. */
export function encodeRead({ start, end }: KeyRange, limit: number): Uint8Array {
  const range = [
    ...lengthField(START, keys.encode(start)),
    ...lengthField(END, keys.encode(end)),
    LIMIT << 3 | VARINT,
    limit,
  ];
  return Uint8Array.from(lengthField(RANGES, range));
}

function lengthField(number: number, bytes: Iterable<number> & { length: number }): number[] {
  const field = [number << 3 | LENGTH];
  let length = bytes.length;
  for (; length > 0x7f; length >>>= 7) field.push(length & 0x7f | 0x80);
  field.push(length, ...bytes);
  return field;
}

/** The values of an answer; they are views of it. Throws `RangeError` if it is not one. */
export function decodeReadOutput(output: Uint8Array): StoredValue[] {
  const found: StoredValue[] = [];
  forEachField(output, (number, bytes, value) => {
    if (number === READ_DISABLED && value !== 0) throw new Error("KV can't be read now");
    if (number !== RANGES || bytes === undefined) return;
    forEachField(bytes, (number, entry) => {
      if (number === VALUES && entry !== undefined) found.push(decodeEntry(entry));
    });
  });
  return found;
}

function decodeEntry(bytes: Uint8Array): StoredValue {
  let key: KvKey = [];
  // A field with an empty value is left out.
  let value = new Uint8Array(0) as Uint8Array;
  forEachField(bytes, (number, content) => {
    if (content === undefined) return;
    if (number === KEY) key = decodeKey(content);
    else if (number === VALUE) value = content;
  });
  return { key, value };
}

/** Visits a message's fields: with their bytes, or else with the number they have if it is small. */
function forEachField(
  message: Uint8Array,
  visit: (number: number, bytes: Uint8Array | undefined, value: number) => void,
): void {
  let at = 0;
  const varint = (): number => {
    let value = 0;
    for (let scale = 1;; scale *= 128) {
      if (at >= message.length) throw new RangeError("Answer of KV ends within a number");
      const byte = message[at++];
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
    }
  };
  while (at < message.length) {
    const tag = varint();
    const number = Math.floor(tag / 8), wire = tag % 8;
    if (wire === VARINT) visit(number, undefined, varint());
    else if (wire === FIXED_64) at += 8;
    else if (wire === FIXED_32) at += 4;
    else if (wire === LENGTH) {
      const length = varint();
      if (at + length > message.length) throw new RangeError("Answer of KV is truncated");
      visit(number, message.subarray(at, at + length), 0);
      at += length;
    } else throw new RangeError(`Answer of KV has a field of kind ${wire}`);
  }
}
