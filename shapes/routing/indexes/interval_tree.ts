import type { Value } from "../../where/types/type.ts";
import {
  type Bound,
  type Compare,
  compareHighs,
  compareLows,
  type Interval,
  isAboveLow,
  isBelowHigh,
} from "../plan/interval.ts";
import { type Few, forEach, withItem, withoutItem } from "./few.ts";

interface Node {
  readonly interval: Interval;
  ids: Few;
  /** No node below has a higher one. */
  readonly priority: number;
  /** Those that come before it, and after it. */
  left: Node | undefined;
  right: Node | undefined;
  /** The last high bound in it and below. */
  last: Bound | undefined;
}

type Tree = Node | undefined;

/**
 * Numbers by intervals, found by a value that these contain. A search tree in the order of the low
 * bounds in which each node knows where the last interval below it ends, so that what lies wholly
 * before the value is passed over. Random priorities keep it balanced (a treap): adding, removing
 * and finding the first take time that grows with the logarithm of its size.
 */
export class IntervalTree {
  readonly #compare: Compare;
  #root: Tree;
  #random = 0x9e3779b9 | 0;

  constructor(compare: Compare) {
    this.#compare = compare;
  }

  get isEmpty(): boolean {
    return this.#root === undefined;
  }

  /** Calls `found` with the numbers of all intervals that the value lies in. */
  visit(value: Value, found: (id: number) => void): void {
    this.#visit(this.#root, value, found);
  }

  add(interval: Interval, id: number): void {
    const same = this.#find(interval);
    if (same) {
      same.ids = withItem(same.ids, id);
      return;
    }
    const last = interval.high, priority = this.#nextPriority();
    const node = { interval, ids: id, priority, left: undefined, right: undefined, last };
    this.#root = this.#insert(this.#root, node);
  }

  remove(interval: Interval, id: number): void {
    const node = this.#find(interval);
    if (!node) return;
    const left = withoutItem(node.ids, id);
    if (left !== undefined) node.ids = left;
    else this.#root = this.#delete(this.#root, node);
  }

  #visit(tree: Tree, value: Value, found: (id: number) => void): void {
    for (let node = tree; node; node = node.right) {
      if (!isBelowHigh(value, node.last, this.#compare)) return;
      if (node.left) this.#visit(node.left, value, found);
      if (!isAboveLow(value, node.interval.low, this.#compare)) return;
      if (isBelowHigh(value, node.interval.high, this.#compare)) forEach(node.ids, found);
    }
  }

  #order(a: Interval, b: Interval): number {
    return compareLows(a.low, b.low, this.#compare) || compareHighs(a.high, b.high, this.#compare);
  }

  #find(interval: Interval): Tree {
    let node = this.#root;
    while (node) {
      const order = this.#order(interval, node.interval);
      if (order === 0) return node;
      node = order < 0 ? node.left : node.right;
    }
    return undefined;
  }

  #insert(tree: Tree, node: Node): Node {
    if (!tree || tree.priority < node.priority) {
      [node.left, node.right] = this.#split(tree, node.interval);
      return this.#updated(node);
    }
    if (this.#order(node.interval, tree.interval) < 0) tree.left = this.#insert(tree.left, node);
    else tree.right = this.#insert(tree.right, node);
    return this.#updated(tree);
  }

  /** What comes before the interval, and what comes after it. */
  #split(tree: Tree, interval: Interval): [Tree, Tree] {
    if (!tree) return [undefined, undefined];
    if (this.#order(interval, tree.interval) < 0) {
      const [before, after] = this.#split(tree.left, interval);
      tree.left = after;
      return [before, this.#updated(tree)];
    }
    const [before, after] = this.#split(tree.right, interval);
    tree.right = before;
    return [this.#updated(tree), after];
  }

  #delete(tree: Tree, node: Node): Tree {
    if (!tree) return undefined;
    if (tree === node) return this.#merge(tree.left, tree.right);
    if (this.#order(node.interval, tree.interval) < 0) tree.left = this.#delete(tree.left, node);
    else tree.right = this.#delete(tree.right, node);
    return this.#updated(tree);
  }

  /** All of `a` comes before `b`. */
  #merge(a: Tree, b: Tree): Tree {
    if (!a) return b;
    if (!b) return a;
    if (a.priority > b.priority) {
      a.right = this.#merge(a.right, b);
      return this.#updated(a);
    }
    b.left = this.#merge(a, b.left);
    return this.#updated(b);
  }

  #updated(node: Node): Node {
    node.last = node.interval.high;
    for (const below of [node.left, node.right]) {
      if (below && compareHighs(node.last, below.last, this.#compare) < 0) node.last = below.last;
    }
    return node;
  }

  /** Xorshift: what matters is only that it has nothing to do with the intervals. */
  #nextPriority(): number {
    let random = this.#random;
    random ^= random << 13;
    random ^= random >>> 17;
    random ^= random << 5;
    return this.#random = random;
  }
}
