import assert from "node:assert/strict";
import {
  createModeState,
  type ModeEvent,
  type ModeEventKind,
  type ModeState,
  nextModeState,
} from "../../replication/mode_machine.ts";
import type { ModeKind } from "../../shapes/mode.ts";

const EVENTS: Readonly<Record<ModeEventKind, ModeEvent>> = {
  settingUp: { kind: "settingUp", step: "lock", detail: "not yet" },
  waitingForLock: { kind: "waitingForLock", detail: "locked" },
  streaming: { kind: "streaming" },
  troubled: { kind: "troubled", reason: "stream_stalled", detail: "no answer" },
  interrupted: { kind: "interrupted", reason: "postgres_unreachable", detail: "closed" },
  reachable: { kind: "reachable" },
  unreachable: { kind: "unreachable", reason: "postgres_unreachable" },
  halted: { kind: "halted", reason: "sleeping", detail: "asleep" },
};

/** Events with the time at which they come, from a start at 0. */
function play(...script: readonly (readonly [atMs: number, ModeEvent])[]): ModeState {
  return script.reduce(
    (state, [atMs, event]) => nextModeState(state, event, atMs),
    createModeState("nothing yet", 0),
  );
}

function interrupted(reason: Extract<ModeEvent, { kind: "interrupted" }>["reason"]): ModeEvent {
  return { kind: "interrupted", reason, detail: `because of ${reason}` };
}

const LIVE = [[0, EVENTS.reachable], [100, EVENTS.streaming]] as const;
const FALLBACK = [...LIVE, [5000, interrupted("slot_in_use")]] as const;

const WAYS: Readonly<Record<ModeKind, Readonly<Record<ModeEventKind, ModeKind>>>> = {
  starting: {
    settingUp: "starting",
    waitingForLock: "starting",
    streaming: "live",
    troubled: "starting",
    interrupted: "starting",
    reachable: "starting",
    unreachable: "starting",
    halted: "starting",
  },
  live: {
    settingUp: "fallback",
    waitingForLock: "fallback",
    streaming: "live",
    troubled: "fallback",
    interrupted: "fallback",
    reachable: "live",
    unreachable: "live",
    halted: "starting",
  },
  fallback: {
    settingUp: "fallback",
    waitingForLock: "fallback",
    streaming: "live",
    troubled: "fallback",
    interrupted: "fallback",
    reachable: "fallback",
    unreachable: "starting",
    halted: "starting",
  },
};

for (const from of ["starting", "live", "fallback"] as const) {
  for (const event of Object.values(EVENTS)) {
    const to = WAYS[from][event.kind];
    Deno.test(`nextModeState() goes from ${from} to ${to} on "${event.kind}"`, () => {
      const before = from === "starting" ? play() : from === "live" ? play(...LIVE) : play(
        ...FALLBACK,
      );
      assert.equal(before.mode.kind, from);
      const nowMs = from === "starting" ? 1000 : 6000;
      const { mode } = nextModeState(before, event, nowMs);
      assert.equal(mode.kind, to);
      assert.equal(mode.sinceMs, from === to ? before.mode.sinceMs : nowMs);
      assert.equal(mode.reason === undefined, to === "live");
      if (to === "live") assert.equal(mode.detail, "");
    });
  }
}

Deno.test("nextModeState() shows no fallback in a start in which nothing is wrong", () => {
  const early = play([10, EVENTS.reachable], [20, EVENTS.settingUp], [1999, EVENTS.reachable]);
  assert.equal(early.mode.kind, "starting");
  assert.equal(early.mode.reason, "starting");
  const slow = nextModeState(early, EVENTS.reachable, 2000);
  assert.equal(slow.mode.kind, "fallback");
  assert.equal(slow.mode.sinceMs, 2000);
  assert.equal(slow.mode.detail, "not yet");
});

Deno.test("nextModeState() serves in fallback as soon as a first set-up has failed", () => {
  const { mode } = play([10, EVENTS.reachable], [50, interrupted("wal_level")]);
  assert.equal(mode.kind, "fallback");
  assert.equal(mode.reason, "wal_level");
  assert.equal(mode.detail, "because of wal_level");
});

Deno.test("nextModeState() gives another instance ten seconds to let go of the lock", () => {
  const waiting = play([0, EVENTS.reachable], [1000, EVENTS.waitingForLock]);
  assert.equal(waiting.mode.reason, "lock_held");
  const still = nextModeState(waiting, EVENTS.waitingForLock, 10_999);
  assert.equal(still.mode.kind, "starting");
  const served = nextModeState(still, EVENTS.reachable, 11_000);
  assert.equal(served.mode.kind, "fallback");
  assert.equal(served.mode.reason, "lock_held");
  assert.equal(served.mode.detail, "locked");
});

Deno.test("nextModeState() is starting while nothing answers, and says why", () => {
  const down = play(...LIVE, [5000, EVENTS.interrupted], [5010, {
    kind: "unreachable",
    reason: "authentication_failed",
  }]);
  assert.equal(down.mode.kind, "starting");
  assert.equal(down.mode.reason, "authentication_failed");
  const back = nextModeState(down, EVENTS.reachable, 6000);
  assert.equal(back.mode.kind, "fallback");
});

Deno.test("nextModeState() does not call a server unreachable that answers queries", () => {
  const { mode } = play(...LIVE, [5000, EVENTS.interrupted]);
  assert.equal(mode.reason, "stream_interrupted");
});

Deno.test("nextModeState() names the cause until the stream runs, and a slow slot meanwhile", () => {
  const step: ModeEvent = { kind: "settingUp", step: "createSlot", detail: "transactions" };
  const creating = play(...FALLBACK, [6000, step]);
  assert.equal(creating.mode.reason, "slot_in_use");
  const slow = nextModeState(creating, EVENTS.reachable, 8000);
  assert.equal(slow.mode.reason, "slot_creation_waits");
  assert.equal(slow.mode.detail, "transactions");
  assert.equal(slow.mode.sinceMs, 5000);
});

Deno.test("nextModeState() names what set-up finds out about the end of the stream", () => {
  const { mode } = play(...LIVE, [5000, EVENTS.interrupted], [6000, {
    kind: "settingUp",
    step: "createSlot",
    detail: "",
    cause: "slot_lost",
  }]);
  assert.equal(mode.reason, "slot_lost");
});

Deno.test("nextModeState() names the WAL budget until a new slot streams", () => {
  const over = play(...LIVE, [5000, interrupted("wal_budget")], [6000, interrupted("rejected")]);
  assert.equal(over.mode.reason, "wal_budget");
  assert.equal(over.mode.detail, "because of rejected");
  const again = [EVENTS.streaming, interrupted("rejected")].reduce(
    (state, event) => nextModeState(state, event, 9000),
    over,
  );
  assert.equal(again.mode.reason, "rejected");
});

Deno.test("nextModeState() wakes up as it starts", () => {
  const asleep = play(...FALLBACK, [10_000, EVENTS.halted]);
  assert.equal(asleep.mode.reason, "sleeping");
  assert.equal(nextModeState(asleep, EVENTS.reachable, 90_000).mode.reason, "starting");
  const waking = nextModeState(asleep, EVENTS.settingUp, 100_000);
  assert.equal(waking.mode.kind, "starting");
  const served = [EVENTS.reachable, EVENTS.reachable].reduce(
    (state, event, i) => nextModeState(state, event, 100_500 + i * 1500),
    waking,
  );
  assert.equal(served.mode.kind, "fallback");
});

Deno.test("a stream that gives no answer is in fallback, and live as soon as it does", () => {
  const silent = play(...LIVE, [3000, EVENTS.troubled]);
  assert.deepEqual([silent.mode.kind, silent.mode.reason], ["fallback", "stream_stalled"]);
  assert.equal(nextModeState(silent, EVENTS.streaming, 4000).mode.kind, "live");
  const unseen = play([100, EVENTS.streaming], [3000, EVENTS.troubled]);
  assert.deepEqual([unseen.mode.kind, unseen.mode.reason], ["starting", "stream_stalled"]);
});

Deno.test("a replica that answers for its primary makes a fallback of its own reason", () => {
  const byReplica: ModeEvent = { kind: "reachable", isByReplica: true };
  const down = play(...LIVE, [5000, EVENTS.unreachable], [5001, EVENTS.interrupted]);
  assert.equal(down.mode.kind, "starting");
  const { mode } = nextModeState(down, byReplica, 5002);
  assert.deepEqual([mode.kind, mode.reason], ["fallback", "primary_unreachable"]);
  const back = nextModeState(nextModeState(down, byReplica, 5002), EVENTS.reachable, 6000);
  assert.equal(back.mode.reason, "stream_interrupted");
});
