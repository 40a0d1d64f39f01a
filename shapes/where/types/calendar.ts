/**
 * The proleptic Gregorian calendar and the ISO texts that Postgres prints with `DateStyle=ISO` and
 * `TimeZone=UTC`. Days and microseconds count from 1970-01-01; years before Christ are 0, -1, ….
 */

import { type Integer, integerOf } from "./integer.ts";

export const DAY_MICROS = 86_400_000_000;

/** Moments of so many days around 1970 are exact as numbers of microseconds. */
const EXACT_DAYS = 10_000;

export interface DateFields {
  readonly year: number;
  readonly month: number;
  readonly day: number;
}

/** What a text that names a moment says. `offset` in seconds east of Greenwich, if it has one. */
export interface MomentFields {
  readonly days: number;
  readonly timeMicros: number;
  readonly hasTime: boolean;
  readonly offset: number | undefined;
}

/** Days since 1970-01-01. */
export function daysOf({ year, month, day }: DateFields): number {
  const shifted = month <= 2 ? year - 1 : year;
  const era = Math.floor(shifted / 400), yearOfEra = shifted - era * 400;
  const dayOfYear = Math.floor((153 * (month + (month > 2 ? -3 : 9)) + 2) / 5) + day - 1;
  const leapDays = Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100);
  return era * 146_097 + yearOfEra * 365 + leapDays + dayOfYear - 719_468;
}

export function dateOf(days: number): DateFields {
  const shifted = days + 719_468;
  const era = Math.floor(shifted / 146_097), dayOfEra = shifted - era * 146_097;
  const yearOfEra = Math.floor(
    (dayOfEra - Math.floor(dayOfEra / 1460) + Math.floor(dayOfEra / 36_524) -
      Math.floor(dayOfEra / 146_096)) / 365,
  );
  const dayOfYear = dayOfEra -
    (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100));
  const monthFromMarch = Math.floor((5 * dayOfYear + 2) / 153);
  const month = monthFromMarch + (monthFromMarch < 10 ? 3 : -9);
  return {
    year: yearOfEra + era * 400 + (month <= 2 ? 1 : 0),
    month,
    day: dayOfYear - Math.floor((153 * monthFromMarch + 2) / 5) + 1,
  };
}

/** Days of a date that exists, or undefined. */
export function validDays(fields: DateFields): number | undefined {
  if (fields.month < 1 || fields.month > 12 || fields.day < 1 || fields.day > 31) return undefined;
  const days = daysOf(fields);
  return dateOf(days).day === fields.day ? days : undefined;
}

/** The one representation of a moment: like integers, a number or a bigint. */
export function microsOf(days: number, timeMicros: number): Integer {
  if (Math.abs(days) < EXACT_DAYS) return days * DAY_MICROS + timeMicros;
  return integerOf(BigInt(days) * BigInt(DAY_MICROS) + BigInt(timeMicros));
}

/** The day that a moment lies in, and the microseconds since its beginning. */
export function splitMicros(micros: Integer): { days: number; timeMicros: number } {
  const day = BigInt(DAY_MICROS), whole = BigInt(micros);
  const rest = ((whole % day) + day) % day;
  return { days: Number((whole - rest) / day), timeMicros: Number(rest) };
}

function pad(value: number, width: number): string {
  return String(value).padStart(width, "0");
}

export function formatDate(days: number): { text: string; era: string } {
  const { year, month, day } = dateOf(days);
  const shown = year > 0 ? year : 1 - year;
  return { text: `${pad(shown, 4)}-${pad(month, 2)}-${pad(day, 2)}`, era: year > 0 ? "" : " BC" };
}

export function formatTime(micros: number): string {
  const seconds = Math.floor(micros / 1e6), fraction = micros - seconds * 1e6;
  const [hour, minute] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60];
  const text = `${pad(hour, 2)}:${pad(minute, 2)}:${pad(seconds % 60, 2)}`;
  return fraction ? `${text}.${pad(fraction, 6).replace(/0+$/, "")}` : text;
}

const TIME = String.raw`(\d{1,2}):(\d{2})(?::(\d{2})(?:\.(\d*))?)?`;
const ZONE = String.raw`(z|utc|gmt|[+-]\d{4}|[+-]\d{1,2}(?::\d{2}(?::\d{2})?)?)`;
const TIME_ONLY = new RegExp(`^${TIME}$`);
const MOMENT = new RegExp(
  String.raw`^(\d{4,7})-(\d{1,2})-(\d{1,2})(?:(?:t|\s+)${TIME}\s*${ZONE}?)?(\s+bc|\s+ad)?$`,
);

/** Reads a time of day; 24:00 and the 60th second are let through, as Postgres does. */
export function parseTime(text: string): number | undefined {
  const match = TIME_ONLY.exec(text);
  return match ? timeMicrosOf(match.slice(1, 5)) : undefined;
}

function timeMicrosOf([hour, minute, second = "0", fraction = ""]: string[]): number | undefined {
  if (Number(hour) > 24 || Number(minute) > 59 || Number(second) > 60) return undefined;
  const whole = Number(hour) * 3600 + Number(minute) * 60 + Number(second);
  const micros = whole * 1e6 + roundToEven(Number(`0.${fraction || "0"}`) * 1e6);
  return micros > DAY_MICROS ? undefined : micros;
}

function roundToEven(value: number): number {
  const floor = Math.floor(value), rest = value - floor;
  if (rest !== 0.5) return Math.round(value);
  return floor % 2 === 0 ? floor : floor + 1;
}

/** Reads a date in ISO order with, maybe, a time and a zone. Other notations are not understood. */
export function parseMoment(text: string): MomentFields | undefined {
  const match = MOMENT.exec(text);
  if (!match) return undefined;
  const isBc = match[9]?.trim() === "bc", shown = Number(match[1]);
  if (shown === 0) return undefined;
  const fields = { year: isBc ? 1 - shown : shown, month: Number(match[2]), day: Number(match[3]) };
  const days = validDays(fields), hasTime = match[4] !== undefined;
  const timeMicros = hasTime ? timeMicrosOf(match.slice(4, 8)) : 0;
  const offset = match[8] === undefined ? undefined : offsetOf(match[8]);
  if (days === undefined || timeMicros === undefined || Number.isNaN(offset)) return undefined;
  return { days, timeMicros, hasTime, offset };
}

/** Seconds east of Greenwich; NaN if Postgres would refuse it. */
function offsetOf(zone: string): number {
  if (!/^[+-]/.test(zone)) return 0;
  const [, sign, hours, minutes = "0", seconds = "0"] =
    /^([+-])(\d{1,2})(?::?(\d{2}))?(?::(\d{2}))?$/.exec(zone) ?? [];
  if (Number(hours) > 15 || Number(minutes) > 59 || Number(seconds) > 59) return NaN;
  const total = Number(hours) * 3600 + Number(minutes) * 60 + Number(seconds);
  return sign === "-" ? -total : total;
}
