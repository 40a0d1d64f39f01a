/**
 * What has to come before events are taken in: Postgres evaluates the conditions that only it can,
 * for the rows that come next. Nothing is asked about relations without such conditions.
 */

import type { Change, StreamEvent } from "./change.ts";
import type { EvaluationFailure, Logger, Source } from "./ports.ts";
import { noteAnswers, type Question } from "./routing/external_conditions.ts";
import type { RelationRoutes } from "./routing/relation_routes.ts";
import type { Row } from "./row.ts";
import type { Shape } from "./shape.ts";

export interface ExternalOptions {
  readonly evaluate: Source["evaluate"];
  readonly logger: Logger;
  readonly nowMs: () => number;
}

/** Rows are evaluated in portions of about so many, or of so many bytes. */
const PORTION_ROWS = 1_000;
const PORTION_BYTES = 4 * 1024 * 1024;

/** A condition that keeps failing is logged so often. */
const LOG_INTERVAL_MS = 60_000;
const LOGGED_MAX = 1_000;

export class ExternalStage {
  readonly #options: ExternalOptions;
  readonly #routes: ReadonlyMap<number, RelationRoutes>;
  /** Those that have such conditions. */
  readonly #shapes = new Set<Shape>();
  #abort = new AbortController();
  /** The rows of one portion; empty between calls. */
  readonly #touched = new Map<RelationRoutes, Row[]>();
  /** When what was logged last, and how many rows have failed since. */
  readonly #logged = new Map<string, { sinceMs: number; rows: number }>();

  /** `routes` are those that the events are about to take, by relation OID. */
  constructor(options: ExternalOptions, routes: ReadonlyMap<number, RelationRoutes>) {
    this.#options = options;
    this.#routes = routes;
  }

  add(shape: Shape): void {
    if (shape.definition.where?.externals.length) this.#shapes.add(shape);
  }

  remove(shape: Shape): void {
    this.#shapes.delete(shape);
  }

  /**
   * Looks at events from `from` on: the index of the first that is not looked at yet, when all before
   * it may be taken in; or a promise, after which it must be asked again from the same event, for
   * shapes may have come meanwhile. A portion never goes beyond the announcement of a relation.
   * `isTaken`: the first event belongs to a transaction that is taken in; of those to come it is so if
   * they commit beyond `committedLsn`.
   */
  prepare(
    events: readonly StreamEvent[],
    from: number,
    isTaken: boolean,
    committedLsn: bigint,
  ): number | Promise<unknown> {
    if (this.#shapes.size === 0) return events.length;
    const until = this.#gather(events, from, isTaken, committedLsn);
    if (this.#touched.size === 0) return until;
    const questions: Question[] = [];
    try {
      for (const [routes, rows] of this.#touched) questions.push(...routes.questions(rows));
    } finally {
      this.#touched.clear();
    }
    if (questions.length === 0) return until;
    const { signal } = this.#abort;
    return Promise.all(questions.map((question) => this.#ask(question, signal)));
  }

  /** What was asked is no longer wanted. */
  cancel(): void {
    this.#abort.abort(new DOMException("The stream starts again", "AbortError"));
    this.#abort = new AbortController();
  }

  /** Notes the rows of one portion; returns the index after it. */
  #gather(
    events: readonly StreamEvent[],
    from: number,
    isTaken: boolean,
    committedLsn: bigint,
  ): number {
    const touched = this.#touched;
    let rows = 0, bytes = 0;
    for (let i = from; i < events.length; i++) {
      const event = events[i];
      // What follows is looked at when the relation is known.
      if (event.kind === "relation") return i + 1;
      if (event.kind === "begin") isTaken = event.commitLsn > committedLsn;
      if (event.kind !== "change" || !isTaken || event.change.kind === "truncate") continue;
      const routes = this.#routes.get(event.change.relation.oid);
      if (!routes?.hasExternals) continue;
      const list = touched.get(routes) ?? [];
      touched.set(routes, list);
      for (const row of rowsOf(event.change)) {
        list.push(row);
        rows++;
        bytes += row.bytes.length;
      }
      if (rows >= PORTION_ROWS || bytes >= PORTION_BYTES) return i + 1;
    }
    return events.length;
  }

  async #ask(question: Question, signal: AbortSignal): Promise<void> {
    const evaluation = await this.#options.evaluate(question.request, signal);
    noteAnswers(question, evaluation);
    for (const failure of evaluation.failures) this.#log(question, failure);
  }

  /** Says which condition of which shapes, and never a value: the error's own message may hold one. */
  #log({ conditions }: Question, { condition, code, rows }: EvaluationFailure): void {
    const { sql, shapes } = conditions[condition];
    const nowMs = this.#options.nowMs();
    const logged = this.#logged.get(sql);
    if (logged && nowMs - logged.sinceMs < LOG_INTERVAL_MS) {
      logged.rows += rows;
      return;
    }
    if (!logged && this.#logged.size >= LOGGED_MAX) this.#logged.clear();
    this.#logged.set(sql, { sinceMs: nowMs, rows: 0 });
    const [shape] = shapes;
    this.#options.logger.warn("Postgres raised an error for rows that a shape now leaves out", {
      condition: sql,
      code,
      rows: rows + (logged?.rows ?? 0),
      shapes: shapes.size,
      ...(shape ? { handle: shape.handle, table: shape.definition.table.name } : {}),
    });
  }
}

/** The rows that are routed; none of a change without its old row, which ends such shapes. */
function rowsOf(change: Change): readonly Row[] {
  switch (change.kind) {
    case "insert":
      return [change.row];
    case "delete":
      return change.isKeyOnly ? [] : [change.old];
    case "update":
      return change.isKeyOnly || !change.old ? [] : [change.old, change.row];
    case "truncate":
      return [];
  }
}
