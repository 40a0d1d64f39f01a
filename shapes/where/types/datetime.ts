import {
  DAY_MICROS,
  daysOf,
  formatDate,
  formatTime,
  microsOf,
  parseMoment,
  parseTime,
  splitMicros,
  validDays,
} from "./calendar.ts";
import type { Integer } from "./integer.ts";
import { compareValues, type PgType, PLAIN, textOf, unexpectedText } from "./type.ts";

/** The first and the last day that the types hold: 4714-11-24 BC, and the ends of their ranges. */
const DAY_MIN = -2_440_588, DATE_MAX = 2_145_042_905, TIMESTAMP_END = 106_762_940;

function clean(text: string): string {
  return text.replace(/^[ \t\n\v\f\r]+|[ \t\n\v\f\r]+$/g, "").toLowerCase();
}

function parseInfinity(text: string): number | undefined {
  if (text === "infinity") return Infinity;
  return text === "-infinity" ? -Infinity : undefined;
}

function formatInfinity(value: Integer): string | undefined {
  if (value === Infinity) return "infinity";
  return value === -Infinity ? "-infinity" : undefined;
}

const MOMENT = { ...PLAIN, category: "D" } as const;

function parseDate(input: string): number | undefined {
  const text = clean(input), infinity = parseInfinity(text);
  if (infinity !== undefined) return infinity;
  const compact = /^(\d{4})(\d{2})(\d{2})$/.exec(text);
  if (compact) return parseDate(compact.slice(1).join("-"));
  const fields = parseMoment(text);
  if (!fields || fields.days < DAY_MIN || fields.days > DATE_MAX) return undefined;
  return fields.timeMicros === DAY_MICROS ? undefined : fields.days;
}

function decodeDate(text: string): number {
  const infinity = parseInfinity(text);
  if (infinity !== undefined) return infinity;
  const match = /^(\d{4,})-(\d\d)-(\d\d)( BC)?$/.exec(text);
  const year = Number(match?.[1]);
  const days = match &&
    validDays({ year: match[4] ? 1 - year : year, month: +match[2], day: +match[3] });
  if (days === null || days === undefined) throw unexpectedText("date", text);
  return days;
}

/** Days since 1970-01-01. */
export const DATE: PgType<number> = {
  ...MOMENT,
  name: "date",
  sqlName: "date",
  parse: parseDate,
  format(value) {
    const { text, era } = Number.isFinite(value) ? formatDate(value) : { text: "", era: "" };
    return formatInfinity(value) ?? text + era;
  },
  decode: decodeDate,
  compare: compareValues,
};

/** Microseconds since midnight. */
export const TIME: PgType<number> = {
  ...MOMENT,
  name: "time",
  sqlName: "time",
  parse: (text) => parseTime(clean(text)),
  format: formatTime,
  decode(text) {
    const micros = parseTime(text);
    if (micros === undefined) throw unexpectedText("time", text);
    return micros;
  },
  compare: compareValues,
};

/** A moment in UTC. Without a zone in the text it is taken as UTC, the session's zone. */
function parseMicros(input: string, hasZone: boolean): Integer | undefined {
  const text = clean(input), infinity = parseInfinity(text);
  if (infinity !== undefined) return infinity;
  const fields = parseMoment(text);
  if (!fields) return undefined;
  const shift = hasZone ? (fields.offset ?? 0) * 1e6 : 0;
  const micros = microsOf(fields.days, fields.timeMicros - shift);
  const isInRange = micros >= microsOf(DAY_MIN, 0) && micros < microsOf(TIMESTAMP_END, 0);
  return isInRange && fields.days >= DAY_MIN ? micros : undefined;
}

function formatMicros(value: Integer, zone: string): string {
  const infinity = formatInfinity(value);
  if (infinity) return infinity;
  const { days, timeMicros } = splitMicros(value), { text, era } = formatDate(days);
  return `${text} ${formatTime(timeMicros)}${zone}${era}`;
}

function decodeMicros(type: string, text: string): Integer {
  const infinity = parseInfinity(text);
  if (infinity !== undefined) return infinity;
  const fields = parseMoment(text.toLowerCase());
  if (!fields || (fields.offset ?? 0) !== 0) throw unexpectedText(type, text);
  return microsOf(fields.days, fields.timeMicros);
}

function twoDigits(bytes: Uint8Array, at: number): number {
  return bytes[at] * 10 + bytes[at + 1] - 528;
}

/**
 * Reads `YYYY-MM-DD HH:MM:SS[.ffffff]` and the zone `+00`, if there is to be one. Undefined for other
 * texts, such as years of five digits and years before Christ.
 */
function decodePlainMoment(
  bytes: Uint8Array,
  start: number,
  length: number,
  zoneLength: 0 | 3,
): Integer | undefined {
  const end = start + length - zoneLength, zone = bytes[end];
  if (bytes[start + 4] !== 0x2d || bytes[start + 10] !== 0x20 || end < start + 19) return undefined;
  if (zoneLength > 0 && (zone !== 0x2b || twoDigits(bytes, end + 1) !== 0)) return undefined;
  let micros = 0;
  if (end > start + 19) {
    if (bytes[start + 19] !== 0x2e) return undefined;
    for (let at = start + 20, scale = 100_000; at < end; at++, scale /= 10) {
      micros += (bytes[at] - 0x30) * scale;
    }
  }
  const year = twoDigits(bytes, start) * 100 + twoDigits(bytes, start + 2);
  const month = twoDigits(bytes, start + 5), day = twoDigits(bytes, start + 8);
  const minutes = twoDigits(bytes, start + 11) * 60 + twoDigits(bytes, start + 14);
  const seconds = minutes * 60 + twoDigits(bytes, start + 17);
  return microsOf(daysOf({ year, month, day }), seconds * 1e6 + micros);
}

/** Microseconds since 1970-01-01 00:00:00. */
export const TIMESTAMP: PgType<Integer> = {
  ...MOMENT,
  name: "timestamp",
  sqlName: "timestamp",
  parse: (text) => parseMicros(text, false),
  format: (value) => formatMicros(value, ""),
  decode: (text) => decodeMicros("timestamp", text),
  decodeBytes: (bytes, start, length) =>
    decodePlainMoment(bytes, start, length, 0) ??
      decodeMicros("timestamp", textOf(bytes, start, length)),
  compare: compareValues,
};

export const TIMESTAMPTZ: PgType<Integer> = {
  ...MOMENT,
  name: "timestamptz",
  sqlName: "timestamptz",
  isPreferred: true,
  parse: (text) => parseMicros(text, true),
  format: (value) => formatMicros(value, "+00"),
  decode: (text) => decodeMicros("timestamptz", text),
  decodeBytes: (bytes, start, length) =>
    decodePlainMoment(bytes, start, length, 3) ??
      decodeMicros("timestamptz", textOf(bytes, start, length)),
  compare: compareValues,
};

/** The midnight in UTC that a date begins with, also beyond what a timestamp holds. */
export function midnight(days: number): Integer {
  return Number.isFinite(days) ? microsOf(days, 0) : days;
}
