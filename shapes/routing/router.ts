/**
 * Finds the targets (shapes) that a row concerns. Filters that ask for a column's value are found by
 * that value; of the others each is evaluated, once for all targets that have it in common.
 */

import type { Row } from "../row.ts";
import { compileWhere, placeOf } from "../where/evaluate.ts";
import type { Predicate, Where } from "../where/where.ts";
import { Bag } from "./bag.ts";
import { equalitiesOf, type Equality } from "./equality.ts";
import { TextIndex } from "./text_index.ts";
import { ValueIndex } from "./value_index.ts";

/** The targets with one and the same filter. */
interface Group<T extends NonNullable<unknown>> {
  readonly sql: string;
  readonly targets: Bag<T>;
  /** What must be true once the group has been found; undefined if nothing. */
  readonly predicate: Predicate | undefined;
  /** Where it is filed; undefined for the list of those that are always evaluated. */
  readonly equality: Equality | undefined;
}

type Index<T extends NonNullable<unknown>> = TextIndex<Group<T>> | ValueIndex<Group<T>>;

export class Router<T extends NonNullable<unknown>> {
  readonly #indexOf: (column: string) => number;
  readonly #external: ((sql: string) => Predicate) | undefined;
  /** Those without a filter. */
  readonly #all = new Set<T>();
  readonly #groups = new Map<string, Group<T>>();
  readonly #groupOf = new Map<T, Group<T>>();
  /** By column and kind of key. */
  readonly #indexes = new Map<string, Index<T>>();
  readonly #evaluated = new Set<Group<T>>();

  /**
   * `indexOf` gives a column's place in the rows; `external` what answers for a condition that only
   * Postgres can evaluate.
   */
  constructor(indexOf: (column: string) => number, external?: (sql: string) => Predicate) {
    this.#indexOf = indexOf;
    this.#external = external;
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
    let group = this.#groups.get(where.sql);
    if (!group) {
      group = this.#file(where);
      this.#groups.set(where.sql, group);
    }
    group.targets.add(target);
    this.#groupOf.set(target, group);
  }

  /** Removes a target, if it is there, at the cost of its own entries only. */
  remove(target: T): void {
    this.#all.delete(target);
    const group = this.#groupOf.get(target);
    if (!group) return;
    this.#groupOf.delete(target);
    group.targets.remove(target);
    if (group.targets.size === 0) this.#unfile(group);
  }

  /**
   * Calls `visit` once for each target whose filter is true for the row, or that has none. Meanwhile
   * no target may be added or removed.
   */
  route(row: Row, visit: (target: T) => void): void {
    if (this.#all.size > 0) { for (const target of this.#all) visit(target); }
    for (const index of this.#indexes.values()) {
      const groups = index.find(row);
      if (groups?.first) visitGroup(groups.first, row, visit);
      if (groups?.rest) { for (const group of groups.rest) visitGroup(group, row, visit); }
    }
    if (this.#evaluated.size > 0) {
      for (const group of this.#evaluated) visitGroup(group, row, visit);
    }
  }

  #file({ sql, expr }: Where): Group<T> {
    const equality = this.#leastCrowded(equalitiesOf(expr));
    const condition = equality ? equality.residual : expr;
    const predicate = condition && compileWhere(condition, this.#indexOf, this.#external);
    const group: Group<T> = { sql, targets: new Bag(), predicate, equality };
    if (equality) {
      const index = this.#indexFor(equality);
      for (const key of equality.keys) index.add(key, group);
    } else {
      this.#evaluated.add(group);
    }
    return group;
  }

  #unfile(group: Group<T>): void {
    this.#groups.delete(group.sql);
    if (!group.equality) {
      this.#evaluated.delete(group);
      return;
    }
    const index = this.#indexFor(group.equality);
    for (const key of group.equality.keys) index.remove(key, group);
    if (index.isEmpty) this.#indexes.delete(indexName(group.equality));
  }

  /** With several ways to find a filter, the one that shares its keys with the fewest others. */
  #leastCrowded(equalities: readonly Equality[]): Equality | undefined {
    if (equalities.length < 2) return equalities[0];
    const crowds = equalities.map((equality) => {
      const index = this.#indexes.get(indexName(equality));
      return equality.keys.reduce<number>((sum, key) => sum + (index?.count(key) ?? 0), 0);
    });
    return equalities[crowds.indexOf(Math.min(...crowds))];
  }

  #indexFor(equality: Equality): Index<T> {
    const name = indexName(equality);
    let index = this.#indexes.get(name);
    if (!index) {
      const column = placeOf(equality.column, this.#indexOf);
      index = equality.isTextual
        ? new TextIndex<Group<T>>(column)
        : new ValueIndex<Group<T>>(column, equality.type);
      this.#indexes.set(name, index);
    }
    return index;
  }
}

function visitGroup<T extends NonNullable<unknown>>(
  { predicate, targets }: Group<T>,
  row: Row,
  visit: (target: T) => void,
): void {
  if (predicate && predicate(row) !== true) return;
  if (targets.first !== undefined) visit(targets.first);
  if (targets.rest) { for (const target of targets.rest) visit(target); }
}

function indexName({ column, type, isTextual }: Equality): string {
  return `${isTextual ? "text" : type.name}:${column}`;
}
