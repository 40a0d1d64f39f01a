/**
 * Decides where a filter is filed. Of an AND, one condition that an index answers is enough; the
 * others remain to be evaluated. Of an OR, all must have an index. Pure.
 */

import { conjunction, type Expr } from "../../where/expr.ts";
import type { Value } from "../../where/types/type.ts";
import { fileCondition } from "./conditions.ts";
import {
  type CostOf,
  type Entry,
  filed,
  type Filing,
  indexName,
  type Keyed,
  NOTHING,
  type Range,
  signed,
} from "./entry.ts";
import { intersect, type Interval } from "./interval.ts";

/**
 * Where to find a filter that must be true or, if `isNot`, false. Undefined if it must be evaluated
 * for every row.
 */
export function planFiling(expr: Expr, costOf: CostOf, isNot = false): Filing | undefined {
  switch (expr.kind) {
    case "and":
    case "or":
      return (expr.kind === "and") !== isNot
        ? planAll(expr.operands, costOf, isNot)
        : planAny(expr, expr.operands, costOf, isNot);
    case "not":
      return planFiling(expr.operand, costOf, !isNot);
    case "isTruth":
      // Whether it is false or unknown is all the same here, but not if that is asked for.
      if (expr.operand.kind === "column" || expr.truth === null || expr.isNot !== isNot) {
        return fileCondition(expr, isNot, costOf);
      }
      return planFiling(expr.operand, costOf, !expr.truth);
    default:
      return fileCondition(expr, isNot, costOf);
  }
}

/** A condition, or several on one column, by which an AND may be found. */
interface Choice {
  readonly filing: Filing;
  readonly covered: ReadonlySet<Expr>;
}

function planAll(operands: readonly Expr[], costOf: CostOf, isNot: boolean): Filing | undefined {
  const choices: Choice[] = [], ranges = new Map<string, { range: Range; covered: Set<Expr> }>();
  for (const operand of operands) {
    const filing = planFiling(operand, costOf, isNot);
    if (!filing) continue;
    if (filing.entries.length === 0) return NOTHING;
    const [entry] = filing.entries, isWhole = filing.entries.length === 1 && !filing.residual;
    if (entry.kind !== "range" || !isWhole) {
      choices.push({ filing, covered: new Set([operand]) });
      continue;
    }
    const known = ranges.get(indexName(entry)), interval = known && meet(known.range, entry);
    if (known && !interval) return NOTHING;
    const covered = (known?.covered ?? new Set()).add(operand);
    ranges.set(indexName(entry), { range: interval ? { ...entry, interval } : entry, covered });
  }
  for (const { range, covered } of ranges.values()) choices.push({ filing: filed(range), covered });
  const best = cheapest(choices, costOf);
  if (!best) return undefined;
  const others = operands.filter((operand) => !best.covered.has(operand));
  return { ...best.filing, residual: residualOf(best.filing, others, isNot) };
}

function meet(a: Range, b: Range): Interval | undefined {
  return intersect(a.interval, b.interval, (x, y) => a.type.compare(x, y));
}

function residualOf({ residual }: Filing, others: readonly Expr[], isNot: boolean) {
  const all = [...(residual ? [residual] : []), ...others.map((other) => signed(other, isNot))];
  return all.length === 0 ? undefined : conjunction("and", all);
}

function cheapest(choices: readonly Choice[], costOf: CostOf): Choice | undefined {
  if (choices.length < 2) return choices[0];
  const costs = choices.map(({ filing }) =>
    filing.entries.reduce((sum, entry) => sum + costOf(entry), 0)
  );
  return choices[costs.indexOf(costs.reduce((least, cost) => Math.min(least, cost)))];
}

function planAny(
  expr: Expr,
  operands: readonly Expr[],
  costOf: CostOf,
  isNot: boolean,
): Filing | undefined {
  const filings: Filing[] = [];
  for (const operand of operands) {
    const filing = planFiling(operand, costOf, isNot);
    if (!filing) return undefined;
    filings.push(filing);
  }
  const entries = mergeKeys(filings.flatMap((filing) => filing.entries));
  const isWhole = filings.every((filing) => filing.residual === undefined);
  return { entries, residual: isWhole ? undefined : signed(expr, isNot) };
}

/** Of the entries that look for keys in the same index, one. */
function mergeKeys(entries: readonly Entry[]): Entry[] {
  const merged: Entry[] = [], keyed = new Map<string, { entry: Keyed; keys: Set<Value> }>();
  for (const entry of entries) {
    if (!("keys" in entry)) {
      merged.push(entry);
      continue;
    }
    const known = keyed.get(indexName(entry));
    if (!known) keyed.set(indexName(entry), { entry, keys: new Set(entry.keys) });
    else if (entry.kind === "other") known.keys = known.keys.intersection(new Set(entry.keys));
    else for (const key of entry.keys) known.keys.add(key);
  }
  for (const { entry, keys } of keyed.values()) merged.push(withKeys(entry, [...keys]));
  return merged;
}

/** To be other than no value at all, it is enough not to be NULL. */
function withKeys(entry: Keyed, keys: readonly Value[]): Entry {
  if (entry.kind === "other" && keys.length === 0) return { kind: "notNull", column: entry.column };
  return { ...entry, keys };
}
