import assert from "node:assert/strict";
import type { TextRow } from "../../replication/connection.ts";
import { ConnectionError } from "../../replication/postgres_error.ts";
import {
  type GapCause,
  lockKey,
  nextStep,
  quoteLiteral,
  setupNames,
  setupQuery,
  type SetupState,
  type SetupStep,
  startReplicationCommand,
  startSetup,
} from "../../replication/setup_plan.ts";

type Answers = Partial<Record<SetupStep, readonly TextRow[]>>;

const SYSTEM = { systemid: "77", timeline: "3", xlogpos: "0/10", dbname: "shop" };
const SERVER = { version: "180004", wal_level: "logical", pid: "77", timeout: "60000" };
const SLOT = {
  plugin: "pgoutput",
  database: "shop",
  temporary: "f",
  confirmed: "0/20",
  wal_status: "reserved",
  invalidation: null,
  conflicting: "false",
};
const FRESH: Answers = {
  identifySystem: [SYSTEM],
  readServer: [SERVER],
  lock: [{ locked: "t" }],
  findPublication: [],
  findSlot: [],
  createSlot: [{ slot_name: "s", consistent_point: "1/A0" }],
};
const SETTLED: Answers = { ...FRESH, findPublication: [{ is_complete: "t" }], findSlot: [SLOT] };

/** Plays a whole set-up: the steps taken and the last state. */
function play(answers: Answers, options: { isManual?: boolean; stale?: GapCause } = {}) {
  let state = startSetup({ streamId: "x", isManual: false, ...options });
  const steps: SetupStep[] = [];
  while (setupQuery(state) !== undefined) {
    assert.ok(steps.length < 20, steps.join());
    steps.push(state.step);
    state = nextStep(state, answers[state.step] ?? []);
  }
  return { steps, state };
}

const OPENING: SetupStep[] = [
  "identifySystem",
  "readServer",
  "lock",
  "findPublication",
  "findSlot",
];

Deno.test("nextStep() makes publication and slot in a fresh database", () => {
  const { steps, state } = play(FRESH);
  assert.deepEqual(steps, [...OPENING, "createPublication", "createSlot", "setDisplay"]);
  assert.equal(state.systemId, "77");
  assert.equal(state.timeline, 3);
  assert.equal(state.database, "shop");
  assert.equal(state.serverVersion, 180_004);
  assert.equal(state.walSenderTimeoutMs, 60_000);
  assert.equal(state.isSlotNew, true);
  assert.equal(state.confirmedLsn, 0x1_0000_00a0n);
});

Deno.test("nextStep() takes up a slot that is there", () => {
  const { steps, state } = play(SETTLED);
  assert.deepEqual(steps, [...OPENING, "setDisplay"]);
  assert.equal(state.isSlotNew, false);
  assert.equal(state.confirmedLsn, 0x20n);
});

Deno.test("nextStep() drops a slot before it creates the publication that was missing", () => {
  const { steps, state } = play({ ...SETTLED, findPublication: [] });
  assert.deepEqual(steps, [
    ...OPENING,
    "dropSlot",
    "createPublication",
    "createSlot",
    "setDisplay",
  ]);
  assert.equal(state.isSlotNew, true);
});

const UNUSABLE: Record<string, TextRow> = {
  "lost WAL": { ...SLOT, wal_status: "lost" },
  "been invalidated": { ...SLOT, invalidation: "wal_removed" },
  "conflicted": { ...SLOT, conflicting: "true" },
  "never become consistent": { ...SLOT, confirmed: null },
};

for (const [what, slot] of Object.entries(UNUSABLE)) {
  Deno.test(`nextStep() makes a slot anew that has ${what}`, () => {
    const { steps } = play({ ...SETTLED, findSlot: [slot] });
    assert.deepEqual(steps, [...OPENING, "dropSlot", "createSlot", "setDisplay"]);
  });
}

Deno.test("nextStep() makes a slot anew that is declared stale", () => {
  const { steps } = play(SETTLED, { stale: "walBudget" });
  assert.deepEqual(steps, [...OPENING, "dropSlot", "createSlot", "setDisplay"]);
});

const GAPS: readonly (readonly [string, Answers, GapCause | undefined])[] = [
  ["a slot that is there", SETTLED, undefined],
  ["no slot", FRESH, "slotMissing"],
  ["a lost slot", { ...SETTLED, findSlot: [{ ...SLOT, wal_status: "lost" }] }, "slotLost"],
  ["no publication", { ...SETTLED, findPublication: [] }, "publicationMissing"],
];

for (const [what, answers, gap] of GAPS) {
  Deno.test(`nextStep() knows the gap before ${what}`, () => {
    const { steps, state } = play(answers);
    assert.equal(state.gap, gap);
    assert.equal(state.isSlotNew, gap !== undefined);
    assert.equal(steps.includes("createSlot"), gap !== undefined);
  });
}

Deno.test("nextStep() keeps the cause for which the slot is made anew", () => {
  assert.equal(play(SETTLED, { stale: "walBudget" }).state.gap, "walBudget");
});

Deno.test("nextStep() stays at the lock until it has it", () => {
  let state: SetupState = startSetup({ streamId: "x", isManual: false });
  state = nextStep(nextStep(state, [SYSTEM]), [SERVER]);
  assert.equal(state.step, "lock");
  assert.equal(nextStep(state, [{ locked: "f" }]), state);
  assert.equal(nextStep(state, [{ locked: "t" }]).step, "findPublication");
});

const REFUSALS: readonly (readonly [string, Answers, boolean, string, RegExp])[] = [
  ["a missing publication in manual mode", FRESH, true, "publicationMissing", /Create it: CREATE/],
  [
    "a publication that leaves operations out",
    { ...SETTLED, findPublication: [{ is_complete: "f" }] },
    false,
    "publicationIncomplete",
    /insert, update, delete and truncate/,
  ],
  [
    "a wal_level below logical",
    { ...FRESH, readServer: [{ ...SERVER, wal_level: "replica" }] },
    false,
    "walLevel",
    /"replica"/,
  ],
  [
    "an old server",
    { ...FRESH, readServer: [{ ...SERVER, version: "130012" }] },
    false,
    "serverTooOld",
    /130012/,
  ],
  [
    "a slot of another plugin",
    { ...SETTLED, findSlot: [{ ...SLOT, plugin: "wal2json" }] },
    false,
    "slotMismatch",
    /"wal2json"/,
  ],
  [
    "a slot of another database",
    { ...SETTLED, findSlot: [{ ...SLOT, database: "other" }] },
    false,
    "slotMismatch",
    /"other"/,
  ],
  [
    "an answer without its columns",
    { ...FRESH, identifySystem: [] },
    false,
    "protocol",
    /systemid/,
  ],
];

for (const [what, answers, isManual, code, message] of REFUSALS) {
  Deno.test(`nextStep() refuses ${what}`, () => {
    assert.throws(() => play(answers, { isManual }), (error) => {
      assert.ok(error instanceof ConnectionError);
      assert.equal(error.code, code);
      assert.match(error.message, message);
      return true;
    });
  });
}

Deno.test("setupQuery() asks for stored generated columns where the server knows them", () => {
  const base = startSetup({ streamId: "x", isManual: false });
  const sqlAt = (serverVersion: number) =>
    setupQuery({ ...base, step: "createPublication", serverVersion });
  assert.equal(
    sqlAt(170_005),
    `CREATE PUBLICATION "electric_publication_x" WITH (publish = 'insert, update, delete, truncate')`,
  );
  assert.match(sqlAt(180_000) ?? "", /, publish_generated_columns = stored\)$/);
});

Deno.test("startReplicationCommand() quotes the names", () => {
  assert.equal(
    startReplicationCommand(setupNames("a_1")),
    `START_REPLICATION SLOT "electric_slot_a_1" LOGICAL 0/0 ` +
      `(proto_version '1', publication_names '"electric_publication_a_1"')`,
  );
});

Deno.test("setupNames() refuses ids that can't name a slot", () => {
  assert.equal(setupNames("default").slot, "electric_slot_default");
  for (const id of ["", "A", "a-b", "a'b", 'a"b', "ä", "a b", "x".repeat(41)]) {
    assert.throws(() => setupNames(id), RangeError, id);
  }
});

Deno.test("lockKey() is a signed 64-bit number that differs by slot and database", () => {
  const keys = [lockKey("a", "x"), lockKey("b", "x"), lockKey("a", "y"), lockKey("ax", "")];
  assert.equal(new Set(keys).size, 4);
  assert.equal(lockKey("a", "x"), keys[0]);
  for (const key of keys) assert.equal(BigInt.asIntN(64, key), key);
});

Deno.test("quoteLiteral() doubles quotes and refuses backslashes", () => {
  assert.equal(quoteLiteral("it's"), "'it''s'");
  assert.throws(() => quoteLiteral("a\\"), RangeError);
});
