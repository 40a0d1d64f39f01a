/**
 * The conditions of one relation that only Postgres can evaluate, and what it said of which rows.
 * Filters are evaluated twice: first to find out which conditions are asked for which rows (then
 * what isn't known yet is taken for unknown and noted), and with the answers in.
 */

import type { Relation } from "../change.ts";
import {
  type Evaluation,
  type EvaluationColumn,
  type EvaluationRequest,
  IS_ERROR,
  IS_FALSE,
  IS_TRUE,
} from "../ports.ts";
import type { Row } from "../row.ts";
import type { Shape } from "../shape.ts";
import type { Predicate, Truth } from "../where/where.ts";

/** One condition, shared by all filters that have it. */
export interface ExternalCondition {
  readonly sql: string;
  readonly columns: readonly EvaluationColumn[];
  readonly shapes: Set<Shape>;
  /** By row: one of the answers of `Evaluation`. Rows are gone with their batch. */
  readonly truths: WeakMap<Row, number>;
}

/** Conditions that were asked for the same rows. */
export interface Question {
  readonly conditions: readonly ExternalCondition[];
  readonly request: EvaluationRequest;
}

/** As many conditions as one statement has at most. */
const CONDITIONS_MAX = 64;

export class ExternalConditions {
  readonly #relation: Relation;
  readonly #conditions = new Map<string, ExternalCondition>();
  /** What each row lacks; only while that is being found out. */
  #missing: Map<Row, Set<ExternalCondition>> | undefined;

  constructor(relation: Relation) {
    this.#relation = relation;
  }

  get size(): number {
    return this.#conditions.size;
  }

  /** To be called before the shape's filter is compiled. */
  add(shape: Shape): void {
    for (const sql of shape.definition.where?.externals ?? []) {
      let condition = this.#conditions.get(sql);
      if (!condition) {
        const columns = this.#columnsOf(sql, shape);
        condition = { sql, columns, shapes: new Set(), truths: new WeakMap() };
        this.#conditions.set(sql, condition);
      }
      condition.shapes.add(shape);
    }
  }

  remove(shape: Shape): void {
    for (const sql of shape.definition.where?.externals ?? []) {
      const condition = this.#conditions.get(sql);
      condition?.shapes.delete(shape);
      if (condition?.shapes.size === 0) this.#conditions.delete(sql);
    }
  }

  /**
   * Answers for a condition of a shape that was added. An error is unknown: it selects no row unless
   * the rest of the filter does.
   */
  readonly predicate = (sql: string): Predicate => {
    const condition = this.#conditions.get(sql);
    if (!condition) throw new RangeError(`Condition "${sql}" is not among the shape's`);
    const { truths } = condition;
    return (row): Truth => {
      const truth = truths.get(row);
      if (truth === undefined) this.#note(row, condition);
      return truth === IS_TRUE ? true : truth === IS_FALSE ? false : null;
    };
  };

  /** Whatever `visit` evaluates meanwhile may lack answers; returns the questions, if there are. */
  collect(visit: () => void): readonly Question[] {
    const missing = this.#missing = new Map<Row, Set<ExternalCondition>>();
    try {
      visit();
    } finally {
      this.#missing = undefined;
    }
    return missing.size === 0 ? NO_QUESTIONS : questionsOf(missing);
  }

  #note(row: Row, condition: ExternalCondition): void {
    if (!this.#missing) throw new TypeError("A row is routed that was not evaluated");
    const known = this.#missing.get(row);
    if (known) known.add(condition);
    else this.#missing.set(row, new Set([condition]));
  }

  /** Those whose names the condition mentions; one at least. */
  #columnsOf(sql: string, { definition }: Shape): EvaluationColumn[] {
    const { where, table } = definition;
    const mentioned = (where?.columns ?? []).filter((name) =>
      sql.includes(`"${name.replaceAll('"', '""')}"`)
    );
    const names = mentioned.length > 0 ? mentioned : [this.#relation.columns[0].name];
    return names.map((name) => {
      const place = this.#relation.columns.findIndex((column) => column.name === name);
      if (place < 0) throw new RangeError(`Column "${name}" is not in the rows`);
      const { typeOid } = this.#relation.columns[place];
      const collation = table.columns.find((column) => column.name === name)?.collation ?? null;
      return { name, typeOid, collation, place };
    });
  }
}

const NO_QUESTIONS: readonly Question[] = [];

/** Puts rows together that lack the same conditions. */
function questionsOf(missing: ReadonlyMap<Row, Set<ExternalCondition>>): Question[] {
  const groups = new Map<string, { conditions: ExternalCondition[]; rows: Row[] }>();
  for (const [row, lacked] of missing) {
    const all = [...lacked];
    for (let i = 0; i < all.length; i += CONDITIONS_MAX) {
      const conditions = all.slice(i, i + CONDITIONS_MAX);
      const key = conditions.map(({ sql }) => sql).join("\0");
      const group = groups.get(key);
      if (group) group.rows.push(row);
      else groups.set(key, { conditions, rows: [row] });
    }
  }
  return [...groups.values()].map(({ conditions, rows }) => {
    const columns = new Map(conditions.flatMap((c) => c.columns.map((each) => [each.name, each])));
    const request = {
      columns: [...columns.values()],
      rows,
      conditions: conditions.map(({ sql }) => sql),
    };
    return { conditions, request };
  });
}

/** Takes Postgres' answers in. */
export function noteAnswers({ conditions, request }: Question, { truths }: Evaluation): void {
  let at = 0;
  for (const row of request.rows) {
    for (const condition of conditions) condition.truths.set(row, truths[at++] ?? IS_ERROR);
  }
}
