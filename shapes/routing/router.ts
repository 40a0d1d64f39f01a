/**
 * Finds the targets (shapes) that a row concerns. A filter is filed in indexes by what a row must be
 * like for it to be true (`plan.ts`); of the others each is evaluated, once for all targets that
 * have it in common.
 */

import type { Row } from "../row.ts";
import { compileWhere, placeOf } from "../where/evaluate.ts";
import type { Predicate, Where } from "../where/where.ts";
import type { Entry } from "./plan/entry.ts";
import type { Group } from "./group.ts";
import { Groups } from "./groups.ts";
import { Indexes } from "./indexes/indexes.ts";
import { planFiling } from "./plan/plan.ts";

/** What it costs to be found by an entry, beside the others that are found with it. */
const COSTS: Readonly<Record<Entry["kind"], number>> = {
  equal: 0,
  element: 2,
  prefix: 8,
  range: 8,
  null: 100,
  other: 10_000,
  notNull: 10_000,
};

/** A range that ends on one side only: it has most rows, or will have. */
const HALF_RANGE_COST = 1_000;

export class Router<T extends NonNullable<unknown>> {
  readonly #indexOf: (column: string) => number;
  readonly #external: ((sql: string) => Predicate) | undefined;
  /** Those without a filter. */
  readonly #all = new Set<T>();
  readonly #groups = new Groups<T>();
  readonly #groupBySql = new Map<string, Group<T>>();
  readonly #groupOf = new Map<T, Group<T>>();
  readonly #indexes: Indexes;
  /** Numbers of the groups that no index finds. */
  readonly #evaluated = new Set<number>();

  /**
   * `indexOf` gives a column's place in the rows; `external` what answers for a condition that only
   * Postgres can evaluate.
   */
  constructor(indexOf: (column: string) => number, external?: (sql: string) => Predicate) {
    this.#indexOf = indexOf;
    this.#external = external;
    this.#indexes = new Indexes(indexOf);
  }

  get size(): number {
    return this.#all.size + this.#groupOf.size;
  }

  /**
   * Adds a target, or changes its filter. Throws `RangeError` if the filter has a column that the
   * rows have not, and `TypeError` if only Postgres can evaluate it; the target then is not there.
   */
  add(target: T, where: Where | undefined): void {
    this.remove(target);
    if (!where) {
      this.#all.add(target);
      return;
    }
    const group = this.#groupBySql.get(where.sql) ?? this.#file(where);
    this.#groups.addTarget(group, target);
    this.#groupOf.set(target, group);
  }

  /** Removes a target, if it is there, at the cost of its own entries only. */
  remove(target: T): void {
    this.#all.delete(target);
    const group = this.#groupOf.get(target);
    if (!group) return;
    this.#groupOf.delete(target);
    this.#groups.removeTarget(group, target);
    if (group.size === 0) this.#unfile(group);
  }

  /**
   * Calls `visit` once for each target whose filter is true for the row, or that has none. Meanwhile
   * no target may be added or removed, and no other row routed.
   */
  route(row: Row, visit: (target: T) => void): void {
    const { found } = this.#groups;
    this.#groups.begin(row, visit);
    if (this.#all.size > 0) { for (const target of this.#all) visit(target); }
    this.#indexes.visit(row, found);
    if (this.#evaluated.size > 0) { for (const id of this.#evaluated) found(id); }
  }

  #file({ sql, expr, columns }: Where): Group<T> {
    for (const column of columns) placeOf(column, this.#indexOf);
    const filing = planFiling(expr, this.#costOf);
    const condition = filing ? filing.residual : expr;
    const predicate = condition && compileWhere(condition, this.#indexOf, this.#external);
    const group = this.#groups.open({ sql, entries: filing?.entries, predicate });
    this.#groupBySql.set(sql, group);
    if (filing) { for (const entry of filing.entries) this.#indexes.add(entry, group.id); }
    else this.#evaluated.add(group.id);
    return group;
  }

  #unfile(group: Group<T>): void {
    const { sql, entries } = group.filter;
    this.#groupBySql.delete(sql);
    if (entries) { for (const entry of entries) this.#indexes.remove(entry, group.id); }
    else this.#evaluated.delete(group.id);
    this.#groups.close(group);
  }

  readonly #costOf = (entry: Entry): number => {
    const isHalf = entry.kind === "range" && !(entry.interval.low && entry.interval.high);
    return this.#indexes.crowd(entry) + (isHalf ? HALF_RANGE_COST : COSTS[entry.kind]);
  };
}
