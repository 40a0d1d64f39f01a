import assert from "node:assert/strict";
import type { Probe, SlotProbe } from "../../replication/probe.ts";
import {
  BUDGET_UNWATCHED,
  budgetBytes,
  type BudgetWatch,
  judgeBudget,
  retainedBytes,
} from "../../replication/wal_budget.ts";

const SLOT: SlotProbe = {
  isActive: false,
  activePid: undefined,
  walStatus: "reserved",
  restartLsn: 0n,
  confirmedLsn: 0n,
  safeBytes: undefined,
  isInvalidated: false,
};

function probe(lsn: bigint, slot: Partial<SlotProbe> = {}, keepBytes?: number): Probe {
  return {
    serverVersion: 180_004,
    database: "shop",
    isInRecovery: false,
    systemId: "1",
    timeline: 1,
    lsn,
    keepBytes,
    publication: { isComplete: true },
    slot: { ...SLOT, ...slot },
    walsender: undefined,
  };
}

/** When the budget of 1000 bytes is exceeded, looked at every 2 s; undefined if never. */
function exceededMs(probeAt: (nowMs: number) => Probe): number | undefined {
  let watch: BudgetWatch = BUDGET_UNWATCHED;
  for (let nowMs = 0; nowMs < 120_000; nowMs += 2000) {
    const verdict = judgeBudget(watch, probeAt(nowMs), 1000, nowMs);
    if (verdict.isExceeded) return nowMs;
    watch = verdict.watch;
  }
  return undefined;
}

Deno.test("judgeBudget() lets go of a slot that keeps too much and does not move", () => {
  assert.equal(exceededMs(() => probe(1001n)), 10_000);
  assert.equal(exceededMs(() => probe(1000n)), undefined);
});

Deno.test("judgeBudget() keeps a slot that is behind and moves", () => {
  const moving = (nowMs: number) => probe(9000n, { confirmedLsn: BigInt(nowMs) / 100n });
  assert.equal(exceededMs(moving), undefined);
});

Deno.test("judgeBudget() keeps a slot that an old transaction of others holds back", () => {
  assert.equal(exceededMs(() => probe(9000n, { confirmedLsn: 8900n })), undefined);
});

Deno.test("judgeBudget() warns once when half is passed, and again after it was less", () => {
  let watch: BudgetWatch = BUDGET_UNWATCHED;
  const warningAt = (lsn: bigint) => {
    const verdict = judgeBudget(watch, probe(lsn, {}, 1000), undefined, 0);
    watch = verdict.watch;
    return verdict.warning;
  };
  assert.equal(warningAt(500n), undefined);
  const warning = warningAt(501n);
  assert.equal(warning?.retainedBytes, 501);
  assert.equal(warning?.budgetBytes, 1000);
  assert.match(warning?.hint ?? "", /max_slot_wal_keep_size/);
  assert.equal(warningAt(900n), undefined);
  assert.equal(warningAt(100n), undefined);
  assert.ok(warningAt(600n));
});

Deno.test("judgeBudget() names the setting that is the least", () => {
  const hintOf = (keepBytes: number | undefined, max: number | undefined) =>
    judgeBudget(BUDGET_UNWATCHED, probe(900n, {}, keepBytes), max, 0).warning?.hint ?? "";
  assert.match(hintOf(1000, 1500), /max_slot_wal_keep_size/);
  assert.match(hintOf(1500, 1000), /ELECTRIC_MAX_RETAINED_WAL/);
  assert.equal(hintOf(undefined, undefined), "");
});

Deno.test("retainedBytes() and budgetBytes() know what there is no limit or no slot for", () => {
  assert.equal(retainedBytes({ ...probe(5n), slot: undefined }), undefined);
  assert.equal(retainedBytes(probe(5n, { restartLsn: 6n })), 0);
  assert.equal(budgetBytes(probe(5n), undefined), undefined);
  assert.equal(budgetBytes(probe(5n, {}, 7), 9), 7);
  assert.equal(budgetBytes(probe(5n), 9), 9);
});
