/** How much WAL our slot may make the server keep. Pure. */

import type { Probe } from "./probe.ts";

/** What is remembered between looks. */
export interface BudgetWatch {
  readonly isWarned: boolean;
  readonly confirmedLsn: bigint | undefined;
  /** Since when the slot has not moved. */
  readonly sinceMs: number;
}

export interface BudgetVerdict {
  readonly watch: BudgetWatch;
  /** Half of what is allowed was passed just now: to be said once. */
  readonly warning: BudgetWarning | undefined;
  /** The slot has to go before the disk is full. */
  readonly isExceeded: boolean;
}

export interface BudgetWarning {
  readonly retainedBytes: number;
  readonly budgetBytes: number;
  readonly hint: string;
}

/** A slot whose stream is behind but read moves more often than this. */
const STANDSTILL_MS = 10_000;

export const BUDGET_UNWATCHED: BudgetWatch = {
  isWarned: false,
  confirmedLsn: undefined,
  sinceMs: 0,
};

/** WAL that the server keeps because of the slot. */
export function retainedBytes({ lsn, slot }: Probe): number | undefined {
  if (slot?.restartLsn === undefined) return undefined;
  return slot.restartLsn >= lsn ? 0 : Number(lsn - slot.restartLsn);
}

/** The least of the server's limit and ours; undefined without either. */
export function budgetBytes(
  { keepBytes }: Probe,
  maxRetainedBytes: number | undefined,
): number | undefined {
  const limits = [keepBytes, maxRetainedBytes].filter((limit) => limit !== undefined);
  return limits.length === 0 ? undefined : Math.min(...limits);
}

export function judgeBudget(
  before: BudgetWatch,
  probe: Probe,
  maxRetainedBytes: number | undefined,
  nowMs: number,
): BudgetVerdict {
  const retained = retainedBytes(probe) ?? 0;
  const budget = budgetBytes(probe, maxRetainedBytes);
  const isOverHalf = budget !== undefined && retained > budget / 2;
  const confirmedLsn = probe.slot?.confirmedLsn;
  const watch: BudgetWatch = {
    isWarned: isOverHalf,
    confirmedLsn,
    sinceMs: confirmedLsn === before.confirmedLsn ? before.sinceMs : nowMs,
  };
  return {
    watch,
    warning: isOverHalf && !before.isWarned ? warn(retained, budget, maxRetainedBytes) : undefined,
    isExceeded: maxRetainedBytes !== undefined && retained > maxRetainedBytes &&
      isStandingStill(watch, probe, maxRetainedBytes, nowMs),
  };
}

/** Where the slot has come far, it is an old transaction that makes the server keep WAL, not we. */
function isStandingStill(
  { confirmedLsn, sinceMs }: BudgetWatch,
  { lsn }: Probe,
  maxRetainedBytes: number,
  nowMs: number,
): boolean {
  if (confirmedLsn === undefined || nowMs - sinceMs < STANDSTILL_MS) return false;
  return Number(lsn - confirmedLsn) > maxRetainedBytes / 2;
}

function warn(
  retained: number,
  budget: number,
  maxRetainedBytes: number | undefined,
): BudgetWarning {
  const hint = budget === maxRetainedBytes
    ? "Beyond the budget the slot is dropped: raise ELECTRIC_MAX_RETAINED_WAL"
    : "Beyond the limit the server gives the slot up: raise max_slot_wal_keep_size";
  return { retainedBytes: retained, budgetBytes: budget, hint };
}
