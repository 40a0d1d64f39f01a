/**
 * The texts of a shape as one record: whether its snapshot is complete, `meta`, and what
 * `completeSnapshot` was given. Cut in values, because the texts may be longer than one.
 */

import { RECORD_BYTES_MAX, VALUE_BYTES_MAX } from "./kv_keys.ts";

export interface ShapeRecord {
  readonly meta: string;
  /** Undefined while the snapshot is not complete. */
  readonly snapshot: string | undefined;
}

/** Answers the record's values in order. Throws `RangeError` if the texts are too long to store. */
export function encodeShapeRecord(record: ShapeRecord): Uint8Array[] {
  const meta = new TextEncoder().encode(record.meta);
  const snapshot = new TextEncoder().encode(record.snapshot ?? "");
  const bytes = new Uint8Array(5 + meta.length + snapshot.length);
  if (bytes.length > RECORD_BYTES_MAX) {
    throw new RangeError(`Shape texts of ${bytes.length} bytes exceed ${RECORD_BYTES_MAX}`);
  }
  bytes[0] = record.snapshot === undefined ? 0 : 1;
  new DataView(bytes.buffer).setUint32(1, meta.length);
  bytes.set(meta, 5);
  bytes.set(snapshot, 5 + meta.length);
  const values: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; at += VALUE_BYTES_MAX) {
    values.push(bytes.subarray(at, at + VALUE_BYTES_MAX));
  }
  return values;
}

/** Throws `RangeError` on values that are not a record's. */
export function decodeShapeRecord(values: readonly Uint8Array[]): ShapeRecord {
  const bytes = join(values);
  const metaEnd = bytes.length < 5 ? Infinity : 5 + new DataView(bytes.buffer).getUint32(1);
  if (metaEnd > bytes.length) {
    throw new RangeError(`Shape record of ${bytes.length} bytes is truncated`);
  }
  const text = new TextDecoder();
  return {
    meta: text.decode(bytes.subarray(5, metaEnd)),
    snapshot: bytes[0] === 0 ? undefined : text.decode(bytes.subarray(metaEnd)),
  };
}

function join(values: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(values.reduce((sum, value) => sum + value.length, 0));
  let at = 0;
  for (const value of values) {
    bytes.set(value, at);
    at += value.length;
  }
  return bytes;
}
