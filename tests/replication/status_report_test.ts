import assert from "node:assert/strict";
import { createModeState, type ModeEvent, nextModeState } from "../../replication/mode_machine.ts";
import type { Probe } from "../../replication/probe.ts";
import {
  connectionStatus,
  type HealthView,
  replicationStatus,
} from "../../replication/status_report.ts";

const PROBE: Probe = {
  serverVersion: 180_004,
  database: "shop",
  isInRecovery: false,
  systemId: "7",
  timeline: 2,
  lsn: 1000n,
  keepBytes: undefined,
  publication: { isComplete: true },
  slot: {
    isActive: true,
    activePid: 5,
    walStatus: "reserved",
    restartLsn: 400n,
    confirmedLsn: 900n,
    safeBytes: undefined,
    isInvalidated: false,
  },
  walsender: undefined,
};

const REACHABLE: ModeEvent = { kind: "reachable" };
const STREAMING: ModeEvent = { kind: "streaming" };
const WAITING: ModeEvent = { kind: "waitingForLock", detail: "" };
const UNREACHABLE: ModeEvent = { kind: "unreachable", reason: "postgres_unreachable" };
const ASLEEP: ModeEvent = { kind: "halted", reason: "sleeping", detail: "" };
const INTERRUPTED: ModeEvent = { kind: "interrupted", reason: "wal_level", detail: "" };

function view(events: readonly ModeEvent[], changes: Partial<HealthView> = {}): HealthView {
  return {
    state: events.reduce((state, event) => nextModeState(state, event, 0), createModeState("", 0)),
    probe: PROBE,
    stream: undefined,
    names: { publication: "electric_publication_x", slot: "electric_slot_x" },
    maxRetainedBytes: undefined,
    caughtUpMs: undefined,
    confirmedUpMs: undefined,
    nowMs: 5000,
    ...changes,
  };
}

const STATES = [
  [[], "starting"],
  [[REACHABLE], "up"],
  [[REACHABLE, STREAMING], "up"],
  [[REACHABLE, STREAMING, UNREACHABLE], "up"],
  [[REACHABLE, WAITING], "waiting"],
  [[UNREACHABLE], "down"],
  [[INTERRUPTED], "down"],
  [[REACHABLE, INTERRUPTED], "up"],
  [[REACHABLE, STREAMING, ASLEEP], "sleeping"],
] as const;

for (const [events, state] of STATES) {
  const after = events.map(({ kind }) => kind).join(", ") || "nothing";
  Deno.test(`connectionStatus() is ${state} after ${after}`, () => {
    assert.equal(connectionStatus(view(events)).state, state);
  });
}

Deno.test("connectionStatus() knows nothing of a server that was never reached", () => {
  const status = connectionStatus(view([], { probe: undefined }));
  assert.equal(status.serverVersion, undefined);
  assert.equal(status.systemId, undefined);
  assert.equal(status.timeline, undefined);
});

Deno.test("replicationStatus() tells how far the stream is behind", () => {
  const stream = { receivedLsn: 950n, confirmedLsn: 900n, lastReceivedMs: 4500, isPaused: false };
  const status = replicationStatus(
    view([REACHABLE, STREAMING], { stream, caughtUpMs: 3000, confirmedUpMs: 2000 }),
  );
  assert.equal(status.isAvailable, true);
  assert.equal(status.lagBytes, 50);
  assert.equal(status.lagMs, 2000);
  assert.equal(status.confirmedLagBytes, 100);
  assert.equal(status.confirmedLagMs, 3000);
  assert.equal(status.lastProgressMs, 500);
  assert.equal(status.slot?.retainedBytes, 600);
  const caughtUp = replicationStatus(
    view([REACHABLE, STREAMING], { stream: { ...stream, receivedLsn: 1001n } }),
  );
  assert.equal(caughtUp.lagBytes, 0);
  assert.equal(caughtUp.lagMs, 0);
});

Deno.test("replicationStatus() tells of a slot without a stream", () => {
  const status = replicationStatus(view([REACHABLE, INTERRUPTED]));
  assert.equal(status.isAvailable, false);
  assert.equal(status.receivedLsn, undefined);
  assert.equal(status.confirmedLsn, 900n);
  assert.equal(status.lagBytes, undefined);
  assert.equal(status.lagMs, undefined);
});

Deno.test("replicationStatus() names what became of the slot", () => {
  const stateOf = (changes: Partial<Probe>) =>
    replicationStatus(view([], { probe: { ...PROBE, ...changes } })).slot?.state;
  const { slot } = PROBE;
  assert.equal(stateOf({}), "active");
  assert.equal(stateOf({ slot: undefined }), "missing");
  assert.equal(stateOf({ slot: slot && { ...slot, isActive: false } }), "inactive");
  assert.equal(stateOf({ slot: slot && { ...slot, isInvalidated: true } }), "lost");
});

Deno.test("replicationStatus() tells whether the publication is there and whole", () => {
  const stateOf = (publication: Probe["publication"]) =>
    replicationStatus(view([REACHABLE], { probe: { ...PROBE, publication } })).publication;
  const name = "electric_publication_x";
  assert.deepEqual(stateOf({ isComplete: true }), { name, state: "complete" });
  assert.deepEqual(stateOf({ isComplete: false }), { name, state: "incomplete" });
  assert.deepEqual(stateOf(undefined), { name, state: "missing" });
  assert.equal(replicationStatus(view([], { probe: undefined })).publication, undefined);
});
