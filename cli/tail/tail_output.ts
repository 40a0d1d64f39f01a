/** What `tail` has seen and says: lines of data, notices beside them, and progress in between. */

import type { CommandIo } from "../command_io.ts";
import { formatDuration, formatNumberOf } from "../quantities.ts";
import type { Change } from "./tail_event.ts";
import { formatChange, formatChangeJson, formatEventJson } from "./tail_line.ts";
import { escapeControls, type Style } from "../terminal.ts";

const ERASE_LINE = "\r\x1b[K";

export interface TableState {
  readonly table: string;
  keyColumns: readonly string[];
  /** What came since the sync began, up to its end. */
  rows: number;
  isUpToDate: boolean;
  failingSinceMs: number | undefined;
}

export class TailOutput {
  readonly #io: CommandIo;
  readonly #isJson: boolean;
  readonly #isManyTables: boolean;
  readonly #startedMs: number;
  readonly #counts = new Map<string, number>();
  #interruptions = 0;
  #hasProgress = false;

  constructor(io: CommandIo, options: { isJson: boolean; isManyTables: boolean }) {
    this.#io = io;
    this.#isJson = options.isJson;
    this.#isManyTables = options.isManyTables;
    this.#startedMs = io.nowMs();
  }

  /** Throws `BrokenPipe` when nobody reads any more. */
  change(change: Change, { keyColumns }: TableState): void {
    const { operation } = change;
    this.#counts.set(operation, (this.#counts.get(operation) ?? 0) + 1);
    const nowMs = this.#io.nowMs();
    this.#write(
      this.#isJson
        ? formatChangeJson(change, nowMs)
        : formatChange(change, keyColumns, nowMs, this.#io.paintOut),
    );
  }

  upToDate({ table, rows }: TableState): void {
    this.#event({ table, control: "up-to-date" });
    if (!this.#io.isErrTerminal) return;
    const ms = this.#io.nowMs() - this.#startedMs;
    const text = rows === 0
      ? "up to date: changes will follow"
      : `up to date: ${formatNumberOf(rows, "row")}, ${formatDuration(ms)}`;
    this.#notice(table, "gray", text);
  }

  mustRefetch(table: string): void {
    this.#event({ table, control: "must-refetch" });
    this.#notice(table, "magenta", "the shape has ended, all its rows come once more");
  }

  mode(table: string, isFallback: boolean): void {
    this.#event({ table, mode: isFallback ? "fallback" : "live" });
    if (isFallback) {
      const text =
        "the server is in fallback: changes may come late (`electric-ts status` says why)";
      this.#notice(table, "yellow", text);
    } else this.#notice(table, "green", "the server is live again");
  }

  failure(state: TableState, cause: string): void {
    if (state.failingSinceMs !== undefined) return;
    state.failingSinceMs = this.#io.nowMs();
    this.#interruptions++;
    this.#notice(state.table, "red", `interrupted: ${cause}; trying again`);
  }

  recovery(state: TableState): void {
    const ms = this.#io.nowMs() - (state.failingSinceMs ?? this.#io.nowMs());
    state.failingSinceMs = undefined;
    this.#notice(state.table, "green", `connected again after ${formatDuration(ms)}`);
  }

  /** Redraws the line of those that are not up to date yet; only terminals have one. */
  progress(states: readonly TableState[]): void {
    if (!this.#io.isErrTerminal) return;
    const waiting = states.filter(({ isUpToDate }) => !isUpToDate);
    if (waiting.length === 0) return this.eraseProgress();
    const rows = waiting.reduce((sum, state) => sum + state.rows, 0);
    const names = waiting.map(({ table }) => escapeControls(table)).join(", ");
    const time = formatDuration(this.#io.nowMs() - this.#startedMs);
    const line = `Syncing ${names} … ${formatNumberOf(rows, "row")}, ${time}`;
    const cut = line.slice(0, this.#io.columns() - 1);
    this.#io.err(`${ERASE_LINE}${this.#io.paintErr("gray", cut)}`);
    this.#hasProgress = true;
  }

  eraseProgress(): void {
    if (this.#hasProgress) this.#io.err(ERASE_LINE);
    this.#hasProgress = false;
  }

  /** `412 changes (200 insert, 212 update) in 3 min 2 s, 1 interruption`. */
  summary(): void {
    this.eraseProgress();
    const counts = [...this.#counts].map(([operation, count]) => `${count} ${operation}`);
    const total = [...this.#counts.values()].reduce((sum, count) => sum + count, 0);
    const detail = counts.length > 0 ? ` (${counts.join(", ")})` : "";
    const time = formatDuration(this.#io.nowMs() - this.#startedMs);
    const breaks = this.#interruptions === 0
      ? ""
      : `, ${formatNumberOf(this.#interruptions, "interruption")}`;
    // The terminal has written "^C".
    const start = this.#io.isErrTerminal ? ERASE_LINE : "";
    this.#io.err(`${start}${formatNumberOf(total, "change")}${detail} in ${time}${breaks}\n`);
  }

  #event(fields: Readonly<Record<string, string>>): void {
    if (this.#isJson) this.#write(formatEventJson(this.#io.nowMs(), fields));
  }

  #write(text: string): void {
    this.eraseProgress();
    this.#io.out(text);
  }

  #notice(table: string, style: Style, text: string): void {
    this.eraseProgress();
    const name = this.#isManyTables ? `${escapeControls(table)}: ` : "";
    this.#io.err(`${this.#io.paintErr(style, `— ${name}${escapeControls(text)}`)}\n`);
  }
}
