/** Bytes, times and counts as people read them. */

const BYTE_UNITS = ["B", "KiB", "MiB", "GiB", "TiB"];

/** `16.0 MiB`, `512 B`. */
export function formatBytes(bytes: number): string {
  let value = bytes, unit = 0;
  while (value >= 1024 && unit < BYTE_UNITS.length - 1) [value, unit] = [value / 1024, unit + 1];
  return `${unit === 0 ? value : value.toFixed(1)} ${BYTE_UNITS[unit]}`;
}

const UNITS: readonly (readonly [seconds: number, name: string])[] = [
  [86_400, "d"],
  [3600, "h"],
  [60, "min"],
  [1, "s"],
];

/** The two largest units: `3 h 12 min`, `12 s`, `2.5 s`, `0 s`. */
export function formatDuration(ms: number): string {
  const seconds = Math.max(0, ms) / 1000;
  if (seconds < 10) return `${Math.round(seconds * 10) / 10} s`;
  let rest = Math.round(seconds);
  const parts: string[] = [];
  for (const [length, name] of UNITS) {
    const count = Math.floor(rest / length);
    rest -= count * length;
    if (count > 0 || parts.length > 0) parts.push(`${count} ${name}`);
  }
  return parts.slice(0, 2).filter((part, i) => i === 0 || !part.startsWith("0 ")).join(" ");
}

/** `12,345`. */
export function formatCount(count: number): string {
  return String(count).replace(/\B(?=(\d{3})+$)/g, ",");
}

/** `1 row`, `12,345 rows`. */
export function formatNumberOf(count: number, singular: string): string {
  return `${formatCount(count)} ${singular}${count === 1 ? "" : "s"}`;
}

/** `0`, `0.52`, `41.3`, `12,345`. */
export function formatRate(perSecond: number): string {
  if (perSecond >= 100) return formatCount(Math.round(perSecond));
  return String(Number(perSecond.toFixed(perSecond >= 10 ? 1 : 2)));
}
