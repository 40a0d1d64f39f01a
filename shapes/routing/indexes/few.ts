/** One number, or a set of several. Most keys of an index have one entry, which then needs no set. */

export type Few = number | Set<number>;

export function countOf(few: Few | undefined): number {
  if (few === undefined) return 0;
  return typeof few === "number" ? 1 : few.size;
}

/** The same with the item in it, once. */
export function withItem(few: Few | undefined, item: number): Few {
  if (few === undefined || few === item) return item;
  return typeof few === "number" ? new Set([few, item]) : few.add(item);
}

/** The same without the item; undefined if nothing is left. */
export function withoutItem(few: Few | undefined, item: number): Few | undefined {
  if (few === undefined || typeof few === "number") return few === item ? undefined : few;
  few.delete(item);
  if (few.size > 1) return few;
  const [last] = few;
  return last;
}

export function hasItem(few: Few | undefined, item: number): boolean {
  return few === item || (typeof few === "object" && few.has(item));
}

export function forEach(few: Few | undefined, visit: (item: number) => void): void {
  if (few === undefined) return;
  if (typeof few === "number") visit(few);
  else for (const item of few) visit(item);
}
