/** The groups of a router by number: indexes hold the numbers, and rows find them there. */

import type { Row } from "../row.ts";
import { type FiledFilter, Group } from "./group.ts";

export class Groups<T extends NonNullable<unknown>> {
  readonly #byId: (Group<T> | undefined)[] = [];
  /**
   * Of a group that is certain and has one target, that target: such groups are the rule, and their
   * rows then touch nothing else. With very many of them, most of what a row costs is to fetch from
   * memory what it touches.
   */
  readonly #alone: (T | undefined)[] = [];
  readonly #free: number[] = [];
  /** What is being routed, and to whom; here so that no row needs a closure. */
  #row: Row | undefined;
  #visit: ((target: T) => void) | undefined;
  #rowNumber = 0;

  /** A new group without targets. */
  open(filter: FiledFilter): Group<T> {
    const group = new Group<T>(this.#free.pop() ?? this.#byId.length, filter);
    this.#byId[group.id] = group;
    this.#alone[group.id] = undefined;
    return group;
  }

  close({ id }: Group<T>): void {
    this.#byId[id] = this.#alone[id] = undefined;
    this.#free.push(id);
  }

  addTarget(group: Group<T>, target: T): void {
    group.add(target);
    this.#update(group);
  }

  removeTarget(group: Group<T>, target: T): void {
    group.remove(target);
    this.#update(group);
  }

  #update(group: Group<T>): void {
    this.#alone[group.id] = group.isCertain && group.size === 1 ? group.first : undefined;
  }

  /** From now on it is this row that finds groups, and visits their targets. */
  begin(row: Row, visit: (target: T) => void): void {
    this.#row = row;
    this.#visit = visit;
    this.#rowNumber++;
  }

  /** Visits the targets of a group, once for each row, if the rest of its filter is true. */
  readonly found = (id: number): void => {
    const target = this.#alone[id], visit = this.#visit;
    if (!visit) return;
    if (target !== undefined) visit(target);
    else this.#decide(this.#byId[id], visit);
  };

  #decide(group: Group<T> | undefined, visit: (target: T) => void): void {
    if (!group || !this.#row || group.mark === this.#rowNumber) return;
    group.mark = this.#rowNumber;
    const { predicate } = group.filter, { first, rest } = group;
    if (predicate && predicate(this.#row) !== true) return;
    if (first !== undefined) visit(first);
    if (rest) { for (const target of rest) visit(target); }
  }
}
