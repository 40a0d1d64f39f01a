/**
 * Writes log lines: one JSON object a line for machines, or text for people. Nothing that looks like
 * a password or a secret leaves through here.
 */

import { styleText } from "node:util";
import type { LogFields, Logger } from "../shapes/ports.ts";
import type { LogLevel } from "./options.ts";
import { redact } from "./redact.ts";

export interface LogSink {
  readonly level: LogLevel;
  readonly format: "json" | "pretty";
  readonly isColored: boolean;
  readonly nowMs: () => number;
  /** Gets whole lines, each with its newline. */
  readonly write: (line: string) => void;
}

const RANKS: Readonly<Record<LogLevel, number>> = { error: 0, warn: 1, info: 2, debug: 3 };
const COLORS = { error: "red", warn: "yellow", info: "green", debug: "gray" } as const;

/** A logger whose lines carry certain fields, such as the component, beside their own. */
export class LineLogger implements Logger {
  readonly #sink: LogSink;
  readonly #fields: LogFields;

  constructor(sink: LogSink, fields: LogFields = {}) {
    this.#sink = sink;
    this.#fields = fields;
  }

  with(fields: LogFields): LineLogger {
    return new LineLogger(this.#sink, { ...this.#fields, ...fields });
  }

  debug(message: string, fields?: LogFields): void {
    this.#log("debug", message, fields);
  }

  info(message: string, fields?: LogFields): void {
    this.#log("info", message, fields);
  }

  warn(message: string, fields?: LogFields): void {
    this.#log("warn", message, fields);
  }

  error(message: string, fields?: LogFields): void {
    this.#log("error", message, fields);
  }

  #log(level: LogLevel, message: string, fields: LogFields = {}): void {
    const { nowMs, isColored, format, write } = this.#sink;
    if (RANKS[level] > RANKS[this.#sink.level]) return;
    const entry = { timeMs: nowMs(), level, message, fields: { ...this.#fields, ...fields } };
    write(format === "json" ? formatJson(entry) : formatPretty(entry, isColored));
  }
}

interface Entry {
  readonly timeMs: number;
  readonly level: LogLevel;
  readonly message: string;
  readonly fields: LogFields;
}

/** `{"time":…,"level":…,"msg":…,…}`; bigints become strings. Fields can't displace the first three. */
export function formatJson({ timeMs, level, message, fields }: Entry): string {
  const line: Record<string, unknown> = {
    time: new Date(timeMs).toISOString(),
    level,
    msg: redact(message),
  };
  for (const [name, value] of Object.entries(fields)) {
    line[name in line ? `${name}_` : name] = formatValue(name, value);
  }
  return `${JSON.stringify(line)}\n`;
}

/** `12:00:00.000 warn  message  component=replication table="a b"`. */
export function formatPretty(
  { timeMs, level, message, fields }: Entry,
  isColored: boolean,
): string {
  const paint = (color: Parameters<typeof styleText>[0], text: string) =>
    isColored ? styleText(color, text, { validateStream: false }) : text;
  const time = new Date(timeMs).toISOString().slice(11, 23);
  const tail = Object.entries(fields).map(([name, value]) => {
    const shown = String(formatValue(name, value));
    return ` ${name}=${/^[^\s"]+$/.test(shown) ? shown : JSON.stringify(shown)}`;
  }).join("");
  const head = `${paint("gray", time)} ${paint(COLORS[level], level.padEnd(5))}`;
  return `${head} ${redact(message)}${tail && paint("gray", ` ${tail}`)}\n`;
}

function formatValue(name: string, value: LogFields[string]): string | number | boolean | null {
  if (/secret|password/i.test(name)) return "***";
  if (typeof value === "bigint") return String(value);
  return typeof value === "string" ? redact(value) : value;
}

const REPEAT_KEYS_MAX = 1000;

/**
 * Lets a message through at most once an interval, whatever its fields; the next one that passes says
 * in `repeated` how many were held back. For messages that every request could cause.
 */
export function limitRepeats(
  logger: Logger,
  options: { readonly intervalMs: number; readonly nowMs: () => number },
): Logger {
  const seen = new Map<string, { untilMs: number; heldBack: number }>();
  const limited = (level: LogLevel) => (message: string, fields: LogFields = {}) => {
    const key = `${level} ${message}`, nowMs = options.nowMs(), known = seen.get(key);
    if (known && nowMs < known.untilMs) return void known.heldBack++;
    if (!known && seen.size >= REPEAT_KEYS_MAX) seen.clear();
    seen.set(key, { untilMs: nowMs + options.intervalMs, heldBack: 0 });
    logger[level](message, known?.heldBack ? { ...fields, repeated: known.heldBack } : fields);
  };
  return {
    debug: limited("debug"),
    info: limited("info"),
    warn: limited("warn"),
    error: limited("error"),
  };
}
