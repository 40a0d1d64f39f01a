/**
 * What a type of the where language is. One file here per family of types; to add a type, write
 * its entry and name it in `catalog.ts`.
 */

/**
 * A value that is not NULL. Integers and moments are numbers as long as they are exact, else
 * bigints: JavaScript compares the two kinds by value.
 */
export type Value = boolean | number | bigint | string;

export interface PgType<V extends Value = Value> {
  /** `pg_type.typname`; for an enum `enum name`, for an array `name[]`, as messages show it. */
  readonly name: string;
  /** How it is written in SQL. */
  readonly sqlName: string;
  /** `pg_type.typcategory`: says which conversions Postgres prefers. */
  readonly category: string;
  /** `pg_type.typispreferred`. */
  readonly isPreferred: boolean;
  /** True if equal values always have the same output text, so that bytes can be compared. */
  readonly isTextUnique: boolean;
  readonly isCollatable: boolean;
  /** True if only Postgres knows what the values mean: here they are texts that nobody looks into. */
  readonly isForeign: boolean;
  /** Of an array. */
  readonly element?: PgType;
  /** Of a range the type of its bounds, of a multirange the type of its ranges. */
  readonly subtype?: PgType;
  /** The input function: undefined for what Postgres refuses, or what we do not understand. */
  parse(text: string): V | undefined;
  /** The output function under the session's display settings (WIRE.md 7.1). */
  format(value: V): string;
  /** Reads what the output function printed. */
  decode(text: string): V;
  /** `decode` for text that is still bytes, where that is faster. */
  decodeBytes?(bytes: Uint8Array, start: number, length: number): V;
  /** Negative, zero or positive, in the order of the type's default operator class. */
  compare(a: V, b: V): number;
  /** Maps equal values to one key of a `Map`, others to different ones. */
  key(value: V): Value;
}

/** What most types have in common: no collation, not preferred, keys as they are. */
export const PLAIN = {
  isPreferred: false,
  isTextUnique: true,
  isCollatable: false,
  isForeign: false,
  key: (value: Value): Value => value,
} as const;

/** Orders values by JavaScript's own `<`, numbers and bigints mixed. */
export function compareValues<V extends Value>(a: V, b: V): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** Reports output text that no type function prints: the session's settings must be wrong. */
export function unexpectedText(type: string, text: string): RangeError {
  return new RangeError(`Expected the output text of type "${type}", got "${text}"`);
}

const ASCII = new TextDecoder();

export function textOf(bytes: Uint8Array, start: number, length: number): string {
  if (length > 24) return ASCII.decode(bytes.subarray(start, start + length));
  let text = "";
  for (let i = start; i < start + length; i++) {
    if (bytes[i] > 0x7f) return ASCII.decode(bytes.subarray(start, start + length));
    text += String.fromCharCode(bytes[i]);
  }
  return text;
}
