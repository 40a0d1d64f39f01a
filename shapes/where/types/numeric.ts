import { type PgType, PLAIN } from "./type.ts";

/** Digits that `numeric` allows before and after the point. */
const WHOLE_MAX = 131_072, FRACTION_MAX = 16_383;

const NUMBER = /^([+-]?)(?:(\d+)(?:\.(\d*))?|\.(\d+))(?:e([+-]?\d{1,6}))?$/;
const INFINITY = /^([+-]?)inf(?:inity)?$/;

/** Writes a decimal number as `numeric` prints it: its scale is kept, its exponent is not. */
function parse(input: string): string | undefined {
  const text = input.replace(/^[ \t\n\v\f\r]+|[ \t\n\v\f\r]+$/g, "").toLowerCase();
  if (text === "nan") return "NaN";
  const infinity = INFINITY.exec(text);
  if (infinity) return infinity[1] === "-" ? "-Infinity" : "Infinity";
  const match = NUMBER.exec(text);
  if (!match) return undefined;
  const [, sign, whole = "", fraction = match[4] ?? "", , exponent = "0"] = match;
  const shift = Number(exponent), point = whole.length + shift;
  const scale = Math.max(0, fraction.length - shift);
  if (scale > FRACTION_MAX || point > 2 * WHOLE_MAX) return undefined;
  const digits = (whole + fraction).padStart(
    whole.length + fraction.length - Math.min(point, 0),
    "0",
  )
    .padEnd(point, "0");
  const split = digits.length - scale;
  const head = digits.slice(0, split).replace(/^0+(?=\d)/, "") || "0", tail = digits.slice(split);
  if (head.length > WHOLE_MAX) return undefined;
  const isZero = /^0*$/.test(head + tail);
  return (sign === "-" && !isZero ? "-" : "") + head + (tail ? `.${tail}` : "");
}

function rank(text: string): number {
  if (text === "NaN") return 3;
  if (text === "Infinity") return 2;
  return text === "-Infinity" ? 0 : 1;
}

/** Compares exactly, however many digits; NaN equals itself and is above infinity. */
export function compareNumeric(a: string, b: string): number {
  const rankA = rank(a), rankB = rank(b);
  if (rankA !== rankB) return rankA - rankB;
  if (rankA !== 1) return 0;
  const isNegative = a.startsWith("-");
  if (isNegative !== b.startsWith("-")) return isNegative ? -1 : 1;
  return isNegative ? compareDigits(b.slice(1), a.slice(1)) : compareDigits(a, b);
}

function compareDigits(a: string, b: string): number {
  const pointA = a.indexOf("."), pointB = b.indexOf(".");
  const wholeA = pointA < 0 ? a.length : pointA, wholeB = pointB < 0 ? b.length : pointB;
  if (wholeA !== wholeB) return wholeA - wholeB;
  const length = Math.max(a.length, b.length);
  for (let i = 0; i < length; i++) {
    const digitA = i < a.length ? a.charCodeAt(i) : 0x30;
    const digitB = i < b.length ? b.charCodeAt(i) : 0x30;
    // A point can only face a point or the end, where the other number is whole.
    if (digitA !== digitB && i !== wholeA) return digitA - digitB;
  }
  return 0;
}

export const NUMERIC: PgType<string> = {
  ...PLAIN,
  name: "numeric",
  sqlName: "numeric",
  category: "N",
  isTextUnique: false,
  parse,
  format: (value) => value,
  decode: (text) => text,
  compare: compareNumeric,
  key: (value) => value.includes(".") ? value.replace(/\.?0+$/, "") : value,
};
