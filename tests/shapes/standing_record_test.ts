import { deepStrictEqual as deepEqual, strictEqual as equal, throws } from "node:assert/strict";
import type { StoredShape } from "../../shapes/log/store.ts";
import { NO_EARLIER_READERS } from "../../shapes/lost_tail.ts";
import { type Offset, SNAPSHOT_END } from "../../shapes/offset.ts";
import { FOLLOWED, formatStanding, parseStanding, type Standing } from "../../shapes/standing.ts";
import { restoreStanding, StandingRecord } from "../../shapes/standing_record.ts";
import { DrivenStore } from "../support/driven_store.ts";
import { EMPTY_VISIBILITY } from "../support/scripted_source.ts";

const at = (lsn: number, op = 0): Offset => ({ lsn: BigInt(lsn), op });
const LATER = { ...EMPTY_VISIBILITY, walPosition: 500n };

function stored(standing?: Partial<Standing>, head: Offset | undefined = at(30)): StoredShape {
  return {
    handle: "a",
    meta: "",
    snapshot: "",
    standing: standing && formatStanding({ ...FOLLOWED, ...standing }),
    head,
    openChunkBytes: 0,
    chunkEnds: [],
  };
}

/** A record of a shape that the store knows, and what a restart would make of it. */
async function open() {
  const store = new DrivenStore();
  store.createShape("a", "");
  store.completeSnapshot("a", "");
  const record = new StandingRecord("a", store);
  const standing = async () => parseStanding((await store.load()).shapes[0].standing);
  return { store, record, standing: await standing(), now: standing };
}

/** What is stored; followed, frozen and where earlier readers are waited for after a restart. */
const RESTORED: readonly [Partial<Standing> | undefined, boolean, Offset | undefined][] = [
  [undefined, true, at(30)],
  [{ visibility: LATER }, true, at(30)],
  // Its reconcile has left out what the stream won't bring again; it may have been over, too.
  [{ frozenAt: at(20) }, false, at(30)],
  [{ isFollowed: false }, false, undefined],
  [{ isFollowed: false, storedEnd: at(10) }, false, at(10)],
  [{ isFollowed: false, frozenAt: at(20), storedEnd: at(10) }, false, at(10)],
];

Deno.test("restoreStanding() tells what the stream brings, and what readers may have beyond the log", () => {
  for (const [standing, isFollowed, storedEnd] of RESTORED) {
    const found = restoreStanding(stored(standing), EMPTY_VISIBILITY);
    deepEqual([found.isFollowed, found.storedEnd], [isFollowed, storedEnd]);
    deepEqual(found.frozenAt, standing?.frozenAt);
    deepEqual(found.visibility, standing?.visibility ?? EMPTY_VISIBILITY);
    deepEqual(found.end, at(30));
  }
  const empty = { ...stored(), head: undefined };
  deepEqual(restoreStanding(empty, EMPTY_VISIBILITY).end, SNAPSHOT_END);
  throws(() => restoreStanding({ ...stored(), standing: "{" }, EMPTY_VISIBILITY), SyntaxError);
});

Deno.test("StandingRecord of a new shape tells the store nothing by itself", async () => {
  const { record, standing, now } = await open();
  deepEqual(standing, FOLLOWED);
  record.see(EMPTY_VISIBILITY);
  deepEqual(record.visibility, EMPTY_VISIBILITY);
  deepEqual([record.isFreezeStored, record.isVisibilityStored], [false, true]);
  equal(record.earlier, NO_EARLIER_READERS);
  deepEqual(await now(), FOLLOWED, "its snapshot is stored with what it saw");
});

Deno.test("StandingRecord knows what the store has not been told", async () => {
  const { record, now } = await open();
  record.see(EMPTY_VISIBILITY);
  record.seeAnew(LATER);
  equal(record.isVisibilityStored, false);
  deepEqual((await now()).visibility, undefined);
  record.write(true, at(20));
  deepEqual([record.isFreezeStored, record.isVisibilityStored], [true, true]);
  deepEqual(await now(), { ...FOLLOWED, frozenAt: at(20), visibility: LATER });
  record.write(true, undefined);
  equal(record.isFreezeStored, false);
  deepEqual(await now(), { ...FOLLOWED, visibility: LATER });
});

Deno.test("StandingRecord keeps how far readers have a reconciled log, and which were lost by it", async () => {
  const { store, now } = await open();
  const record = new StandingRecord("a", store, restoreStanding(stored(), EMPTY_VISIBILITY));
  record.noteReconciled(at(31), at(31, 4), 31n);
  deepEqual(record.reconciledTo, at(31, 4));
  record.write(true, undefined);
  deepEqual(await now(), {
    ...FOLLOWED,
    visibility: EMPTY_VISIBILITY,
    reconciledTo: at(31, 4),
    lostGaps: [{ after: at(30), before: at(31) }, { after: at(31, 4), before: undefined }],
  });
});

Deno.test("StandingRecord knows how far readers can be that a reconcile has lost", async () => {
  const { store } = await open();
  const seen = { ...EMPTY_VISIBILITY, walPosition: 56n };
  const restEnds = ([
    [seen, 30n, at(56)],
    // Since then the database has had another history.
    [seen, 31n, undefined],
    // A replica may be behind what the stream had sent.
    [{ ...seen, isByPosition: true }, 30n, undefined],
  ] as const).map(([visibility, timelineBeganAt, before]) => {
    const record = new StandingRecord("a", store, restoreStanding(stored(), EMPTY_VISIBILITY));
    record.seeAnew(visibility);
    record.noteReconciled(at(31), at(31, 4), timelineBeganAt);
    return [record.earlier.lostGaps.at(-1), { after: at(31, 4), before }];
  });
  for (const [found, wanted] of restEnds) deepEqual(found, wanted);
});
