/** One object, or a set of several. Most keys of an index have one entry, which then needs no set. */

export type Few<V extends object> = V | Set<V>;

export function isSet<V extends object>(few: Few<V>): few is Set<V> {
  return few instanceof Set;
}

export function countOf<V extends object>(few: Few<V> | undefined): number {
  if (few === undefined) return 0;
  return isSet(few) ? few.size : 1;
}

/** The same with the item in it, once. */
export function withItem<V extends object>(few: Few<V> | undefined, item: V): Few<V> {
  if (few === undefined || few === item) return item;
  return isSet(few) ? few.add(item) : new Set([few, item]);
}

/** The same without the item; undefined if nothing is left. */
export function withoutItem<V extends object>(few: Few<V>, item: V): Few<V> | undefined {
  if (!isSet(few)) return few === item ? undefined : few;
  few.delete(item);
  if (few.size > 1) return few;
  const [last] = few;
  return last;
}

export function hasItem<V extends object>(few: Few<V> | undefined, item: V): boolean {
  if (few === undefined) return false;
  return isSet(few) ? few.has(item) : few === item;
}

export function forEach<V extends object>(few: Few<V> | undefined, visit: (item: V) => void): void {
  if (few === undefined) return;
  if (isSet(few)) { for (const item of few) visit(item); }
  else visit(few);
}
