import assert from "node:assert/strict";
import type { Probe, WalsenderProbe } from "../../replication/probe.ts";
import type { StreamProgress } from "../../replication/stream.ts";
import {
  isBeatDue,
  judgeSlot,
  judgeStream,
  judgeUnseen,
  type Sight,
  type SlotSuspicion,
  suspectSlot,
  UNSUSPECTED,
} from "../../replication/stream_verdict.ts";

const IDLE: WalsenderProbe = { pid: 7, waitEvent: "WalSenderWaitForWal", progress: undefined };
const BUSY: WalsenderProbe = { ...IDLE, waitEvent: undefined };
const READING: WalsenderProbe = { ...IDLE, waitEvent: "WALRead" };
const SENDING: WalsenderProbe = { ...IDLE, waitEvent: "WalSenderWriteData" };

const PROBE: Probe = {
  serverVersion: 180_004,
  database: "shop",
  isInRecovery: false,
  systemId: "1",
  timeline: 1,
  lsn: 1000n,
  keepBytes: undefined,
  publication: { isComplete: true },
  slot: {
    isActive: true,
    activePid: 7,
    walStatus: "reserved",
    restartLsn: 900n,
    confirmedLsn: 900n,
    safeBytes: undefined,
    isInvalidated: false,
  },
  walsender: IDLE,
};

const STREAM: StreamProgress = {
  receivedLsn: 1000n,
  confirmedLsn: 900n,
  lastReceivedMs: 0,
  isPaused: false,
};

/** A look `nowMs` after anything came last. */
function sight(nowMs: number, probe: Partial<Probe>, stream: Partial<StreamProgress> = {}): Sight {
  return {
    nowMs,
    probe: { ...PROBE, ...probe },
    stream: { ...STREAM, ...stream },
    systemId: "1",
    timeline: 1,
    backendPid: 7,
    walSenderTimeoutMs: 60_000,
  };
}

/** The error of the first look that ends the stream, and when; nothing when none does. */
function failureOf(sights: readonly Sight[], beatLsn?: bigint) {
  let suspicion = UNSUSPECTED;
  for (const seen of sights) {
    const verdict = judgeStream(suspicion, seen, beatLsn);
    suspicion = verdict.suspicion;
    if (verdict.failure) {
      const { code, message } = verdict.failure;
      return { code, message, atMs: seen.nowMs };
    }
  }
  return undefined;
}

function everyTwoSeconds(untilMs: number, probe: Partial<Probe>, stream = {}): Sight[] {
  return Array.from({ length: untilMs / 2000 }, (_, i) => sight((i + 1) * 2000, probe, stream));
}

const SILENT: readonly (readonly [string, WalsenderProbe | undefined, string | undefined])[] = [
  ["waits for WAL", IDLE, "waits in WalSenderWaitForWal"],
  ["waits for its socket", SENDING, "waits in WalSenderWriteData"],
  ["is gone", undefined, "is gone"],
  ["decodes a large transaction", BUSY, undefined],
  ["reads WAL", READING, undefined],
];

for (const [what, walsender, words] of SILENT) {
  Deno.test(`judgeStream() ${words ? "ends" : "keeps"} a silent stream whose walsender ${what}`, () => {
    const failure = failureOf(everyTwoSeconds(600_000, { walsender }));
    assert.equal(failure?.code, words && "stalled");
    if (!failure) return;
    assert.equal(failure.message, `Nothing came for 6 s, though the walsender ${words}`);
    assert.equal(failure.atMs, 6000);
  });
}

Deno.test("judgeStream() ends a silent stream whose walsender has done nothing for three minutes", () => {
  const stopped = { walsender: { ...BUSY, progress: "0/3E8 5" } };
  const failure = failureOf(everyTwoSeconds(600_000, stopped));
  assert.equal(failure?.code, "stalled");
  // From the first look at which it was silent for long enough.
  assert.equal(failure?.atMs, 184_000);
  assert.match(failure?.message ?? "", /process 7, has done nothing for 180 s/);
  const patient = everyTwoSeconds(600_000, stopped)
    .map((look) => ({ ...look, walSenderTimeoutMs: 120_000 }));
  assert.equal(failureOf(patient)?.atMs, 244_000);
});

Deno.test("judgeStream() keeps a silent stream whose walsender does something now and then", () => {
  const looks = everyTwoSeconds(600_000, {}).map((look, i) => {
    const progress = `0/${Math.floor(i / 80)}`;
    return { ...look, probe: { ...PROBE, walsender: { ...BUSY, progress } } };
  });
  assert.equal(failureOf(looks), undefined);
  const waits = everyTwoSeconds(600_000, {}).map((look, i) => {
    const walsender = { ...(i % 60 === 0 ? READING : BUSY), progress: "0/3E8" };
    return { ...look, probe: { ...PROBE, walsender } };
  });
  assert.equal(failureOf(waits), undefined);
});

Deno.test("judgeStream() keeps a stream that our own side holds back", () => {
  assert.equal(failureOf(everyTwoSeconds(60_000, {}, { isPaused: true })), undefined);
});

Deno.test("judgeStream() needs two looks, so that a process that slept reads first", () => {
  assert.equal(failureOf([sight(60_000, {})]), undefined);
  assert.equal(
    failureOf([sight(60_000, {}), sight(62_000, {}, { lastReceivedMs: 60_001 })]),
    undefined,
  );
});

Deno.test("judgeStream() forgets a suspicion when the walsender works", () => {
  const working = sight(5000, { walsender: BUSY });
  assert.equal(failureOf([sight(3000, {}), working, sight(7000, {})]), undefined);
});

Deno.test("judgeStream() ends a stream that answers but does not move", () => {
  const looks = Array.from(
    { length: 6 },
    (_, i) => sight(i * 2000, { lsn: 2000n }, { lastReceivedMs: i * 2000 }),
  );
  const failure = failureOf(looks, 1500n);
  assert.equal(failure?.code, "stalled");
  assert.equal(failure?.atMs, 6000);
  assert.match(failure?.message ?? "", /stays at 0\/3E8 and has not reached 0\/5DC/);
});

Deno.test("judgeStream() asks no walsender to reach the middle of a record", () => {
  const looks = Array.from(
    { length: 9 },
    (_, i) => sight(i * 2000, { lsn: 2000n }, { lastReceivedMs: i * 2000 }),
  );
  assert.equal(failureOf(looks, undefined), undefined);
  assert.equal(failureOf(looks, 1000n), undefined);
});

Deno.test("judgeStream() lets a walsender that works be behind", () => {
  const looks = Array.from(
    { length: 9 },
    (_, i) => sight(i * 2000, { walsender: BUSY }, { lastReceivedMs: i * 2000 }),
  );
  assert.equal(failureOf(looks, 1500n), undefined);
});

Deno.test("judgeStream() names what became of slot, publication and history", () => {
  const { slot } = PROBE;
  const codeOf = (probe: Partial<Probe>) => failureOf([sight(0, probe)])?.code;
  assert.equal(codeOf({}), undefined);
  assert.equal(codeOf({ slot: undefined }), "slotLost");
  assert.equal(codeOf({ slot: slot && { ...slot, isInvalidated: true } }), "slotLost");
  assert.equal(codeOf({ slot: slot && { ...slot, activePid: 8 } }), "slotInUse");
  assert.equal(codeOf({ publication: undefined }), "publicationMissing");
  assert.equal(codeOf({ publication: { isComplete: false } }), "publicationIncomplete");
  assert.equal(codeOf({ timeline: 2 }), "historyChanged");
  assert.equal(codeOf({ systemId: "2" }), "historyChanged");
});

Deno.test("judgeStream() concludes nothing from what the role may not see or a replica has not", () => {
  assert.equal(failureOf([sight(0, { systemId: undefined, timeline: undefined })]), undefined);
  const replica = { isInRecovery: true, slot: undefined, walsender: undefined };
  assert.equal(failureOf(everyTwoSeconds(60_000, replica)), undefined);
});

Deno.test("judgeUnseen() ends a stream when queries are not answered for as long", () => {
  const stream = { ...STREAM, lastReceivedMs: 1000 };
  const codeAt = (nowMs: number, failures: number, lastAnswerMs = 0, isPaused = false) =>
    judgeUnseen({ ...stream, isPaused }, { failures, lastAnswerMs }, nowMs)?.code;
  assert.equal(codeAt(6999, 2), undefined);
  assert.equal(codeAt(7000, 2), "stalled");
  assert.equal(codeAt(7000, 1), undefined);
  assert.equal(codeAt(7000, 2, 1500), undefined);
  assert.equal(codeAt(7000, 2, 0, true), undefined);
});

Deno.test("judgeSlot() lets a slot be made for as long as the server makes it", () => {
  let suspicion: SlotSuspicion | undefined;
  const look = (walsender: WalsenderProbe | undefined, nowMs: number) => {
    suspicion = suspectSlot(suspicion, { ...PROBE, walsender }, 7, nowMs);
    return judgeSlot(suspicion, nowMs)?.code;
  };
  const waiting = { ...IDLE, waitEvent: "transactionid" };
  const answered = { ...IDLE, waitEvent: "ClientRead" };
  for (let nowMs = 0; nowMs < 600_000; nowMs += 500) assert.equal(look(waiting, nowMs), undefined);
  assert.equal(look(answered, 600_000), undefined);
  assert.equal(look(answered, 602_999), undefined);
  assert.equal(look(answered, 603_000), "stalled");
  assert.equal(look(BUSY, 603_500), undefined);
  assert.equal(look(undefined, 604_000), undefined);
  assert.equal(look(undefined, 607_000), "stalled");
});

Deno.test("isBeatDue() is when the server is idle or the stream does not move", () => {
  const before = sight(0, {});
  assert.equal(isBeatDue(undefined, before), false);
  assert.equal(isBeatDue(before, sight(2000, {})), true);
  assert.equal(isBeatDue(before, sight(2000, { lsn: 1100n }, { receivedLsn: 1050n })), false);
  assert.equal(isBeatDue(before, sight(2000, { lsn: 1100n })), true);
  assert.equal(isBeatDue(before, sight(2000, { isInRecovery: true })), false);
});
