import assert from "node:assert/strict";
import { parseProbe, probeSql } from "../../replication/probe.ts";

const ANSWER = {
  serverVersion: 180_004,
  database: "shop",
  isInRecovery: false,
  systemId: "7555000000000000001",
  walFile: "0000001A000000010000002F",
  lsn: "1/2F000100",
  keepMegabytes: 64,
  publication: { isComplete: true },
  slot: {
    active: true,
    active_pid: 77,
    wal_status: "extended",
    restart_lsn: "1/2E000000",
    confirmed_flush_lsn: "1/2F000000",
    safe_wal_size: 1024,
    conflicting: false,
    invalidation_reason: null,
  },
  walsender: { pid: 77, waitEvent: "WalSenderWaitForWal", progress: "0/3E8 5" },
};

function parse(changes: object) {
  return parseProbe(JSON.stringify({ ...ANSWER, ...changes }));
}

Deno.test("parseProbe() reads what the server tells", () => {
  assert.deepEqual(parse({}), {
    serverVersion: 180_004,
    database: "shop",
    isInRecovery: false,
    systemId: "7555000000000000001",
    timeline: 26,
    lsn: 0x1_2f00_0100n,
    keepBytes: 64 * 2 ** 20,
    publication: { isComplete: true },
    slot: {
      isActive: true,
      activePid: 77,
      walStatus: "extended",
      restartLsn: 0x1_2e00_0000n,
      confirmedLsn: 0x1_2f00_0000n,
      safeBytes: 1024,
      isInvalidated: false,
    },
    walsender: { pid: 77, waitEvent: "WalSenderWaitForWal", progress: "0/3E8 5" },
  });
});

Deno.test("parseProbe() knows what is not there", () => {
  const bare = parse({ walFile: null, keepMegabytes: -1, slot: null, walsender: null });
  assert.equal(bare.timeline, undefined);
  assert.equal(bare.keepBytes, undefined);
  assert.equal(bare.slot, undefined);
  assert.equal(parse({ publication: null }).publication, undefined);
  assert.equal(bare.walsender, undefined);
});

Deno.test("parseProbe() knows a slot that was invalidated, in each version's words", () => {
  const words = [
    { wal_status: "lost" },
    { conflicting: true },
    { invalidation_reason: "idle_timeout" },
  ];
  for (const word of words) {
    assert.equal(parse({ slot: { ...ANSWER.slot, ...word } }).slot?.isInvalidated, true);
  }
});

Deno.test("parseProbe() refuses what is no answer", () => {
  for (const text of [undefined, "null", "{}", '{"serverVersion":1}']) {
    assert.throws(() => parseProbe(text), { name: "ConnectionError", code: "protocol" });
  }
});

Deno.test("probeSql() asks for the system's id only when it may", () => {
  const names = { publication: "p", slot: "s" };
  const ask = (hasControlData: boolean) =>
    probeSql({ names, walsenderPid: undefined, hasControlData });
  assert.ok(ask(true).includes("pg_control_system"));
  assert.ok(!ask(false).includes("pg_control_system"));
});
