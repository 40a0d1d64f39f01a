import assert from "node:assert/strict";
import {
  holderSql,
  type HolderWatch,
  judgeHolder,
  type LockHolder,
  parseHolder,
  watchHolder,
} from "../../replication/lock_breaker.ts";

const STREAMING: LockHolder = {
  pid: 7,
  state: "active",
  waitEvent: "WalSenderWaitForWal",
  stateMs: 900_000,
  replyMs: 1000,
};
const SETTING_UP: LockHolder = { ...STREAMING, replyMs: undefined, waitEvent: "transactionid" };
const IDLE: LockHolder = { ...SETTING_UP, state: "idle", waitEvent: "ClientRead" };

/** When the holder is found dead, looked at every 2 s for ten minutes; undefined if never. */
function deathMs(holderAt: (nowMs: number) => LockHolder): number | undefined {
  let watch: HolderWatch | undefined;
  for (let nowMs = 0; nowMs < 600_000; nowMs += 2000) {
    const holder = holderAt(nowMs);
    watch = watchHolder(watch, holder, nowMs);
    if (judgeHolder(watch, holder, nowMs) !== undefined) return nowMs;
  }
  return undefined;
}

const HOLDERS: readonly (readonly [string, (nowMs: number) => LockHolder, number | undefined])[] = [
  ["streams and sends statuses", (nowMs) => ({ ...STREAMING, replyMs: nowMs }), undefined],
  [
    "sends one every 10 s",
    (nowMs) => ({ ...STREAMING, replyMs: nowMs - nowMs % 10_000 }),
    undefined,
  ],
  ["streams and has fallen silent", () => STREAMING, 16_000],
  ["can't be sent to", () => ({ ...STREAMING, waitEvent: "WalSenderWriteData" }), 16_000],
  ["is sent a large transaction", () => ({ ...STREAMING, waitEvent: undefined }), undefined],
  [
    "was busy for long just now",
    (nowMs) => ({
      ...STREAMING,
      waitEvent: nowMs % 10_000 === 0 ? "WalSenderWriteData" : undefined,
    }),
    undefined,
  ],
  ["makes a slot", () => SETTING_UP, undefined],
  ["has asked something a moment ago", () => ({ ...IDLE, stateMs: 59_999 }), undefined],
  ["has asked nothing for a minute", () => ({ ...IDLE, stateMs: 60_000 }), 0],
];

for (const [what, holderAt, expectedMs] of HOLDERS) {
  Deno.test(`judgeHolder() lets a holder ${expectedMs === undefined ? "be" : "go"} that ${what}`, () => {
    assert.equal(deathMs(holderAt), expectedMs);
  });
}

Deno.test("watchHolder() starts anew with another holder", () => {
  const first = watchHolder(undefined, STREAMING, 0);
  assert.equal(watchHolder(first, STREAMING, 9000), first);
  assert.equal(watchHolder(first, { ...STREAMING, pid: 8 }, 9000).sinceMs, 9000);
});

Deno.test("holderSql() spells the key's halves as pg_locks does", () => {
  const sql = holderSql(-2n);
  assert.ok(sql.includes("l.classid = 4294967295 AND l.objid = 4294967294"));
});

Deno.test("parseHolder() reads what the server tells, and that there is none", () => {
  assert.equal(parseHolder(undefined), undefined);
  const text = JSON.stringify({
    pid: 7,
    state: "idle",
    waitEvent: null,
    stateMs: 5.5,
    replyMs: null,
  });
  assert.deepEqual(parseHolder(text), {
    pid: 7,
    state: "idle",
    waitEvent: undefined,
    stateMs: 5.5,
    replyMs: undefined,
  });
});
