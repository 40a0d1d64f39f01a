import {
  DAY_MICROS,
  formatDate,
  formatTime,
  microsOf,
  parseMoment,
  parseTime,
  splitMicros,
  validDays,
} from "./calendar.ts";
import type { Integer } from "./integer.ts";
import { compareValues, type PgType, PLAIN, unexpectedText } from "./type.ts";

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

/** Microseconds since 1970-01-01 00:00:00. */
export const TIMESTAMP: PgType<Integer> = {
  ...MOMENT,
  name: "timestamp",
  sqlName: "timestamp",
  parse: (text) => parseMicros(text, false),
  format: (value) => formatMicros(value, ""),
  decode: (text) => decodeMicros("timestamp", text),
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
  compare: compareValues,
};

/** The midnight in UTC that a date begins with, also beyond what a timestamp holds. */
export function midnight(days: number): Integer {
  return Number.isFinite(days) ? microsOf(days, 0) : days;
}
