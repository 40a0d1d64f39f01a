import { compareNumeric, NUMERIC } from "./numeric.ts";
import { type PgType, PLAIN } from "./type.ts";

const DECIMAL = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?$/;
const INFINITY = /^([+-]?)inf(?:inity)?$/;

/** NaN equals itself and is above infinity; zero has no sign. */
export function compareFloats(a: number, b: number): number {
  if (a < b) return -1;
  if (a > b) return 1;
  if (a === b) return 0;
  return Number.isNaN(a) ? (Number.isNaN(b) ? 0 : 1) : -1;
}

/** Reads as `float8in`, which refuses what is too large or too small, but for hexadecimals. */
function parseWith(input: string, round: (text: string) => number): number | undefined {
  const text = input.replace(/^[ \t\n\v\f\r]+|[ \t\n\v\f\r]+$/g, "").toLowerCase();
  if (/^[+-]?nan$/.test(text)) return NaN;
  const infinity = INFINITY.exec(text);
  if (infinity) return infinity[1] === "-" ? -Infinity : Infinity;
  if (!DECIMAL.test(text)) return undefined;
  const value = round(text);
  const isLost = !Number.isFinite(value) || (value === 0 && /^[^e]*[1-9]/.test(text));
  return isLost ? undefined : value;
}

/** The nearest float4. Rounding twice goes wrong only at the middle between two of them. */
export function roundToFloat4(text: string): number {
  const double = Number(text), single = Math.fround(double);
  if (single === double || !Number.isFinite(single)) return single;
  const other = neighbour(single, double);
  if (Math.abs(double - single) !== Math.abs(other - double)) return single;
  const exact = NUMERIC.parse(text);
  const side = exact === undefined ? 0 : compareNumeric(exact, decimalOf(double));
  if (side === 0) return single;
  return side < 0 ? Math.min(single, other) : Math.max(single, other);
}

/** The next float4 from `single` in the direction of `double`. */
function neighbour(single: number, double: number): number {
  const view = new DataView(new ArrayBuffer(4));
  if (single === 0) return double < 0 ? -(2 ** -149) : 2 ** -149;
  view.setFloat32(0, single);
  const isAway = Math.abs(double) > Math.abs(single);
  view.setInt32(0, view.getInt32(0) + (isAway ? 1 : -1));
  return view.getFloat32(0);
}

/** All digits of a finite double. */
function decimalOf(value: number): string {
  let scale = 0, scaled = Math.abs(value);
  while (!Number.isInteger(scaled)) {
    scaled *= 2;
    scale++;
  }
  const digits = (BigInt(scaled) * 5n ** BigInt(scale)).toString().padStart(scale + 1, "0");
  const split = digits.length - scale;
  return (value < 0 ? "-" : "") + digits.slice(0, split) + (scale ? `.${digits.slice(split)}` : "");
}

const FLOAT = {
  ...PLAIN,
  category: "N",
  isTextUnique: false,
  format: (value: number) => Object.is(value, -0) ? "-0" : String(value),
  compare: compareFloats,
} as const;

export const FLOAT8: PgType<number> = {
  ...FLOAT,
  name: "float8",
  sqlName: "float8",
  isPreferred: true,
  parse: (text) => parseWith(text, Number),
  decode: Number,
};

export const FLOAT4: PgType<number> = {
  ...FLOAT,
  name: "float4",
  sqlName: "float4",
  parse: (text) => parseWith(text, roundToFloat4),
  decode: roundToFloat4,
};
