import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
import { StreamPositions } from "../../shapes/stream_positions.ts";
import { DrivenStore } from "../support/driven_store.ts";

function open(options: { appliedLsn?: bigint; shift?: bigint } = {}) {
  const store = new DrivenStore(), confirmed: bigint[] = [], resumed: bigint[] = [];
  const positions: StreamPositions = new StreamPositions({
    store,
    appliedLsn: options.appliedLsn ?? 0n,
    shift: options.shift ?? 0n,
    confirm: (position) => confirmed.push(position),
    onResumed: () => resumed.push(positions.committedLsn),
  });
  store.createShape("a", "");
  store.commit();
  let xid = 700;
  /** A transaction ends that leaves behind what `act` does. */
  const take = (lsn: number, act: () => void = () => {}) => {
    act();
    positions.committed({ xid: xid++, commitLsn: BigInt(lsn) }, BigInt(lsn + 8));
  };
  return { store, positions, confirmed, resumed, take };
}

const freeze = (store: DrivenStore) => () => store.setStanding("a", "frozen");
const visibility = (xmax: number, walPosition: bigint) => ({
  xmin: BigInt(xmax),
  xmax: BigInt(xmax),
  inProgress: [],
  walPosition,
});

Deno.test("I1: StreamPositions waits for all that the store was told before a transaction ended", () => {
  for (
    const tell of [
      (store: DrivenStore) => store.setStanding("a", "behind"),
      (store: DrivenStore) => store.dropShape("a"),
      (store: DrivenStore) => store.setPartitions(5000, [1]),
    ]
  ) {
    const { store, confirmed, take } = open();
    take(100, () => tell(store));
    take(200);
    deepEqual(confirmed, []);
    store.commit(1);
    deepEqual(confirmed, [], "it must be durable as well that the transaction was taken in");
    store.commit(1);
    deepEqual(confirmed, [208n]);
  }
});

Deno.test("StreamPositions waits for nothing where nothing was left", () => {
  const { store, positions, confirmed, take } = open();
  take(100);
  positions.reached(150n);
  deepEqual(confirmed, [108n, 150n]);
  equal(store.pending, 0);
  store.createShape("b", "");
  store.appendSnapshot("b", 0, new Uint8Array(9));
  take(200);
  deepEqual(confirmed, [108n, 150n, 208n], "a shape that is still being read would be forgotten");
});

Deno.test("StreamPositions holds the store's word for one transaction only", () => {
  const { store, confirmed, take } = open();
  take(100, freeze(store));
  store.commit();
  deepEqual(confirmed, [108n]);
  take(200);
  deepEqual(confirmed, [108n, 208n]);
  equal(store.calls.filter((call) => call.startsWith("setAppliedLsn")).length, 1);
});

Deno.test("StreamPositions waits for what was told between two transactions, and before the first", () => {
  const { store, positions, confirmed, take } = open();
  freeze(store)();
  positions.reached(50n);
  deepEqual(confirmed, [50n], "there was no transaction that it could concern");
  take(100);
  deepEqual(confirmed, [50n]);
  store.commit();
  deepEqual(confirmed, [50n, 108n]);
});

Deno.test("StreamPositions.restart() goes by what is confirmed, and tells when all has been sent again", () => {
  const { positions, resumed, take } = open({ appliedLsn: 300n });
  deepEqual([positions.lastSeenLsn, positions.committedLsn], [300n, 300n]);
  positions.restart(400n, 640n);
  deepEqual([positions.lastSeenLsn, positions.committedLsn], [400n, 300n]);
  take(408);
  positions.restart(100n, 900n);
  equal(positions.lastSeenLsn, 408n, "it never goes back");
  deepEqual(resumed, []);
  take(632);
  deepEqual(resumed, [632n], "where the server was when the first stream began");
  positions.reached(1000n);
  equal(resumed.length, 1);
});

Deno.test("StreamPositions.begin() counts nothing of an earlier history, and confirms in the new one's positions", async () => {
  const { store, positions, confirmed, take } = open();
  take(100, freeze(store));
  const beginning = positions.begin({ shift: 8000n, beganAt: 8048n });
  store.commit();
  await beginning;
  deepEqual(confirmed.splice(0), [108n], "still in the earlier one's");
  deepEqual([positions.lastSeenLsn, positions.committedLsn], [8048n, 8047n]);
  equal(positions.isAhead(visibility(1, 8048n)), false, "what it had brought is no part of it");
  take(8048, freeze(store));
  store.commit();
  deepEqual(confirmed, [56n]);
});

Deno.test("StreamPositions.isAhead() tells of transactions that a snapshot, as placed, has not seen", () => {
  const { positions, take } = open({ shift: 1000n });
  take(1100);
  take(1200);
  const placed = positions.place(visibility(702, 300n));
  equal(placed.walPosition, 1300n);
  equal(positions.isAhead(placed), false);
  equal(positions.isAhead(positions.place(visibility(701, 300n))), true, "by its id");
  equal(positions.isAhead(positions.place(visibility(702, 200n))), true, "by its position");
});

Deno.test("I7: StreamPositions.markApplied() keeps what lies right after the last transaction", async () => {
  const { store, positions, confirmed, take } = open();
  take(104, () => store.appendLog("a", entry(104n)));
  store.completeSnapshot("a", "");
  store.appendLog("a", entry(105n));
  store.commit();
  equal((await store.crash().load()).shapes[0].head?.lsn, 104n);
  positions.markApplied();
  store.commit();
  equal((await store.crash().load()).shapes[0].head?.lsn, 105n);
  take(112);
  store.commit();
  deepEqual(confirmed, [112n, 120n]);
});

function entry(lsn: bigint) {
  const at = { lsn, op: 0 };
  return { first: at, last: at, bytes: new Uint8Array(2) };
}
