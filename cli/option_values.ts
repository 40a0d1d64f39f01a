/**
 * How option values are spelled, whether they come from a flag, the environment or the file. The
 * grammars are the reference server's (WIRE.md section 9); where it takes whole numbers only, units
 * are understood too. Parsers throw `SyntaxError` or `RangeError` without the option's name.
 */

import { parseDatabaseUrl } from "../replication/database_url.ts";

export interface ValueType<T> {
  /** What help and docs call it. */
  readonly name: string;
  parse(text: string): T;
  /** The inverse of `parse`, for showing. */
  format(value: T): string;
}

const DURATION_UNITS_MS: Readonly<Record<string, number>> = {
  "": 1,
  ms: 1,
  msec: 1,
  s: 1000,
  sec: 1000,
  m: 60_000,
  min: 60_000,
};

const SIZE_UNITS_BYTES: Readonly<Record<string, number>> = {
  "": 1,
  KB: 1000,
  KiB: 1024,
  MB: 1000 ** 2,
  MiB: 1024 ** 2,
  GB: 1000 ** 3,
  GiB: 1024 ** 3,
};

const TRUE_WORDS = ["true", "1", "yes", "on"];
const FALSE_WORDS = ["false", "0", "no", "off"];

export const text: ValueType<string> = {
  name: "text",
  parse: (value) => value,
  format: (value) => value,
};

export const boolean: ValueType<boolean> = {
  name: "boolean",
  parse(value) {
    const word = value.trim().toLowerCase();
    if (TRUE_WORDS.includes(word)) return true;
    if (FALSE_WORDS.includes(word)) return false;
    throw new SyntaxError(`Expected "true" or "false", got "${value}"`);
  },
  format: String,
};

export function integer(min: number, max = Number.MAX_SAFE_INTEGER): ValueType<number> {
  return {
    name: "integer",
    parse(value) {
      if (!/^\s*[+-]?\d+\s*$/.test(value)) {
        throw new SyntaxError(`Expected a whole number, got "${value}"`);
      }
      return checkRange(Number(value), min, max, value);
    },
    format: String,
  };
}

function checkRange(number: number, min: number, max: number, text: string): number {
  if (number >= min && number <= max) return number;
  const range = max === Number.MAX_SAFE_INTEGER ? `at least ${min}` : `from ${min} to ${max}`;
  throw new RangeError(`Expected a value ${range}, got "${text}"`);
}

/** Milliseconds; a bare number is milliseconds too. */
export const durationMs: ValueType<number> = {
  name: "duration",
  parse: (value) => parseWithUnit(value, DURATION_UNITS_MS, "duration"),
  format: (ms) => `${ms}ms`,
};

/** Milliseconds; 0 turns it off, and less than `minMs` would do more harm than good. */
export function optionalDurationMs(minMs: number): ValueType<number> {
  return {
    name: "duration",
    parse(value) {
      if (/^\s*0\s*$/.test(value)) return 0;
      const ms = durationMs.parse(value);
      if (ms >= minMs) return ms;
      throw new RangeError(`Expected 0 or at least ${minMs / 1000}s, got "${value}"`);
    },
    format: (ms) => ms === 0 ? "0" : durationMs.format(ms),
  };
}

/** Bytes; a bare number is bytes too. */
export const bytes: ValueType<number> = {
  name: "size",
  parse: (value) => parseWithUnit(value, SIZE_UNITS_BYTES, "size"),
  format: String,
};

function parseWithUnit(text: string, units: Readonly<Record<string, number>>, what: string) {
  const match = /^\s*(\d+(?:\.\d+)?)\s*([a-z]*)\s*$/i.exec(text);
  if (!match) {
    throw new SyntaxError(`Expected a ${what} such as "${exampleOf(units)}", got "${text}"`);
  }
  const [, number, unit] = match;
  if (!Object.hasOwn(units, unit)) {
    const known = Object.keys(units).filter((name) => name !== "");
    throw new SyntaxError(
      `Unknown unit "${unit}" in "${text}": expected one of ${known.join(", ")}`,
    );
  }
  const value = Math.trunc(Number(number) * units[unit]);
  if (value < 1) throw new RangeError(`Expected a ${what} above zero, got "${text}"`);
  return value;
}

function exampleOf(units: Readonly<Record<string, number>>): string {
  const names = Object.keys(units);
  return `20${names[names.length - 2]}`;
}

export function oneOf<T extends string>(
  words: readonly T[],
  aliases: Readonly<Record<string, T>> = {},
): ValueType<T> {
  return {
    name: words.join("|"),
    parse(value) {
      const word = value.trim().toLowerCase();
      const found = words.find((candidate) => candidate === word) ?? aliases[word];
      if (found !== undefined) return found;
      const known = words.map((candidate) => `"${candidate}"`).join(", ");
      throw new SyntaxError(`Expected one of ${known}, got "${value}"`);
    },
    format: (value) => value,
  };
}

/** A connection string. What is wrong with it is said without quoting it: it may hold a password. */
export const databaseUrl: ValueType<string> = {
  name: "URL",
  parse(value) {
    parseDatabaseUrl(value);
    if (/[?&]replication=/.test(value)) {
      throw new SyntaxError(
        'Query option "replication" is not supported: replication and ordinary connections are opened as needed',
      );
    }
    return value;
  },
  format: (value) => value,
};

/** Postgres limits names to 63 bytes; the longest that holds the id is "electric_publication_<id>". */
const STREAM_ID_LENGTH_MAX = 63 - "electric_publication_".length;

/** Part of a slot's name, so of its alphabet; unquoted identifiers are folded to lower case. */
export const streamId: ValueType<string> = {
  name: "identifier",
  parse(value) {
    if (!/^[A-Za-z0-9_]+$/.test(value)) {
      throw new SyntaxError(`Expected only letters, digits and underscores, got "${value}"`);
    }
    if (value.length > STREAM_ID_LENGTH_MAX) {
      throw new RangeError(`Expected at most ${STREAM_ID_LENGTH_MAX} characters, got "${value}"`);
    }
    return value.toLowerCase();
  },
  format: (value) => value,
};

/** Requests served at once: those that start a shape, and those that follow one. */
export interface RequestLimits {
  readonly initial: number;
  readonly existing: number;
}

/** JSON with both keys, as in `{"initial":300,"existing":10000}`. */
export const requestLimits: ValueType<RequestLimits> = {
  name: "JSON",
  parse(value) {
    const { initial, existing } = parseObject(value);
    return { initial: readLimit("initial", initial), existing: readLimit("existing", existing) };
  },
  format: (value) => JSON.stringify(value),
};

function parseObject(text: string): { readonly [key: string]: unknown } {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === "object" && value !== null) return { ...value };
  } catch {
    // Said below.
  }
  throw new SyntaxError(`Expected JSON such as {"initial":300,"existing":10000}, got "${text}"`);
}

function readLimit(key: string, value: unknown): number {
  if (typeof value === "number" && Number.isInteger(value) && value > 0) return value;
  throw new SyntaxError(
    `Expected "${key}" to be a whole number above zero, got ${JSON.stringify(value) ?? "nothing"}`,
  );
}
