import { deepStrictEqual as deepEqual, strictEqual as equal, throws } from "node:assert/strict";
import { ShapeGoneError } from "../../shapes/errors.ts";
import { PageCache } from "../../shapes/log/page_cache.ts";
import type { StoredShape } from "../../shapes/log/store.ts";
import { TailBudget } from "../../shapes/log/tail.ts";
import { isLost } from "../../shapes/lost_tail.ts";
import type { Offset } from "../../shapes/offset.ts";
import { Shape } from "../../shapes/shape.ts";
import { formatStanding, parseStanding } from "../../shapes/standing.ts";
import { DrivenStore } from "../support/driven_store.ts";
import { EMPTY_VISIBILITY } from "../support/scripted_source.ts";
import { definition } from "../support/shape_fixture.ts";

const at = (lsn: number, op: number): Offset => ({ lsn: BigInt(lsn), op });

Deno.test("isLost() tells the offsets that only a reader of what was lost can have", () => {
  const gaps = [{ after: at(30, 4), before: at(31, 0) }, { after: at(31, 2), before: undefined }];
  const lost = [at(30, 5), at(30, 99), at(31, 3), at(40, 0)];
  const kept = [at(20, 0), at(30, 4), at(31, 0), at(31, 1), at(31, 2)];
  deepEqual(lost.map((offset) => isLost(gaps, offset)), lost.map(() => true));
  deepEqual(kept.map((offset) => isLost(gaps, offset)), kept.map(() => false));
  const closed = [gaps[0], { ...gaps[1], before: at(48, 0) }];
  equal(isLost(closed, at(40, 0)), true);
  deepEqual([at(48, 0), at(48, 1), at(56, 0)].map((o) => isLost(closed, o)), [false, false, false]);
  // Who has all of 48 from an event stream says 48_0, whatever its first item is.
  const later = [gaps[0], { ...gaps[1], before: at(48, 6) }];
  deepEqual([at(48, 0), at(48, 2), at(48, 6)].map((o) => isLost(later, o)), [false, true, false]);
});

Deno.test("a standing keeps what was lost", () => {
  const standing = {
    isFollowed: false,
    frozenAt: at(0, Infinity),
    visibility: { ...EMPTY_VISIBILITY, inProgress: [2n ** 40n] },
    reconciledTo: at(31, 2),
    lostGaps: [{ after: at(30, 4), before: at(31, 0) }, { after: at(31, 2), before: undefined }],
    storedEnd: at(60, 4),
  };
  deepEqual(parseStanding(formatStanding(standing)), standing);
});

/** A shape of an earlier process whose log ended at 30_4. */
async function restored() {
  const store = new DrivenStore({ isPrompt: true });
  store.createShape("1-1", "");
  const lostReaders: Shape[] = [];
  const resources = {
    store,
    tails: new TailBudget(),
    pages: new PageCache(),
    chunkBytes: 1000,
    onLostReader: (shape: Shape) => lostReaders.push(shape),
  };
  store.completeSnapshot("1-1", "");
  store.appendLog("1-1", { first: at(30, 4), last: at(30, 4), bytes: new Uint8Array(2) });
  store.setAppliedLsn(30n);
  const { shapes: [stored] } = await store.load();
  const open = (from: StoredShape) =>
    new Shape("1-1", definition(), resources, 0, {
      shape: from,
      chunks: [2],
      visibility: EMPTY_VISIBILITY,
    });
  return { store, shape: open(stored), open, lostReaders };
}

function append(shape: Shape, lsn: number, op: number): void {
  shape.append({ first: at(lsn, op), last: at(lsn, op), bytes: new Uint8Array(2) }, false);
  shape.publish();
}

function reconcile(shape: Shape, lsn: number, beganAt = OTHER): void {
  shape.freeze();
  append(shape, lsn, 0);
  shape.markReconciled(true, at(lsn, 0), beganAt);
  shape.thaw();
}

/** A timeline that may have begun after all that was lost. */
const OTHER = 1_000n;

const since = (lsn: number, op: number) => ({ kind: "at" as const, offset: at(lsn, op) });

Deno.test("who holds what a crash has lost is sent back to start, nobody else", async () => {
  const { store, shape, open, lostReaders } = await restored();
  reconcile(shape, 31);
  deepEqual(shape.page(since(30, 4))?.until, at(31, 0));
  throws(() => shape.page(since(40, 0)), ShapeGoneError);
  equal(lostReaders.length, 1);
  append(shape, 48, 0);
  deepEqual(shape.page(since(31, 0))?.until, at(48, 0));
  throws(() => shape.page(since(40, 0)), ShapeGoneError);
  await store.flushed();
  store.setAppliedLsn(48n);
  const { shapes: [stored] } = await store.load();
  const again = open(stored);
  throws(() => again.page(since(40, 0)), ShapeGoneError);
  deepEqual(again.page(since(31, 0))?.until, at(48, 0));
});

Deno.test("who holds what only a second crash has lost waits for the stream", async () => {
  const { store, shape, open } = await restored();
  shape.revise({ ...EMPTY_VISIBILITY, walPosition: 56n });
  reconcile(shape, 31, 30n);
  await store.flushed();
  store.setAppliedLsn(31n);
  const { shapes: [stored] } = await store.load();
  // Shown, and then lost.
  append(shape, 64, 0);
  const again = open(stored);
  for (const offset of [since(40, 0), since(48, 3)]) {
    throws(() => again.page(offset), ShapeGoneError);
  }
  again.page(since(64, 0));
  equal(again.earlierReaders.isAwaited, true);
});

Deno.test("what the stream brings before the end of what was lost is nobody's loss", async () => {
  const { shape } = await restored();
  shape.revise({ ...EMPTY_VISIBILITY, walPosition: 56n });
  reconcile(shape, 31, 30n);
  append(shape, 40, 0);
  append(shape, 48, 0);
  throws(() => shape.page(since(38, 0)), ShapeGoneError);
  for (const offset of [since(40, 0), since(40, 7), since(48, 0)]) shape.page(offset);
  deepEqual(shape.page(since(40, 0))?.until, at(48, 0));
});

Deno.test("nothing is lost once the stream has sent it again", async () => {
  const { shape } = await restored();
  append(shape, 40, 0);
  equal(shape.isResuming, true, "the stream may send more of it");
  shape.earlierReaders.settle();
  equal(shape.isResuming, false);
  reconcile(shape, 41);
  deepEqual(shape.page(since(40, 0))?.until, at(41, 0));
  deepEqual(shape.page(since(40, 1))?.until, at(41, 0));
});

Deno.test("who holds what was lost is known though the log goes on by reconciling alone", async () => {
  const { shape } = await restored();
  reconcile(shape, 31);
  reconcile(shape, 57);
  throws(() => shape.page(since(40, 0)), ShapeGoneError);
  throws(() => shape.page(since(64, 0)), ShapeGoneError);
  deepEqual(shape.page(since(31, 0))?.until, at(57, 0));
});

Deno.test("who holds what was lost is known though changes are lost, and the server restarts, before", async () => {
  const { store, shape, open } = await restored();
  shape.lose();
  await store.flushed();
  const { shapes: [stored] } = await store.load();
  const again = open(stored);
  equal(again.earlierReaders.isOpen, true);
  reconcile(again, 31);
  throws(() => again.page(since(40, 0)), ShapeGoneError);
  deepEqual(again.page(since(30, 4))?.until, at(31, 0));
});

Deno.test("who holds what was lost is known though the store had not learnt that a freeze was over", async () => {
  const { store, shape, open } = await restored();
  shape.freeze();
  append(shape, 31, 0);
  shape.markReconciled(true, at(31, 0), OTHER);
  // While that becomes durable the stream goes on.
  append(shape, 40, 0);
  store.setAppliedLsn(40n);
  const { shapes: [stored] } = await store.load();
  shape.thaw();
  append(shape, 48, 0);
  deepEqual(shape.page(since(31, 0))?.until, at(48, 0), "which a crash then loses");
  const again = open(stored);
  deepEqual([again.isFrozen, again.isFollowed], [true, false]);
  again.page(since(40, 0));
  equal(again.earlierReaders.isAwaited, false, "the stream need not send again what is stored");
  again.page(since(48, 0));
  equal(again.earlierReaders.isAwaited, true);
  reconcile(again, 57);
  throws(() => again.page(since(48, 0)), ShapeGoneError);
  deepEqual(again.page(since(40, 0))?.until, at(57, 0));
});

Deno.test("readers of two crashes are told apart from all others", async () => {
  const { store, shape, open } = await restored();
  reconcile(shape, 31);
  append(shape, 48, 0);
  store.setAppliedLsn(48n);
  await store.flushed();
  const { shapes: [stored] } = await store.load();
  const again = open(stored);
  reconcile(again, 65);
  for (const offset of [since(40, 0), since(56, 0), since(72, 0)]) {
    throws(() => again.page(offset), ShapeGoneError);
  }
  for (const offset of [since(30, 4), since(31, 0), since(48, 0)]) {
    equal(again.page(offset)?.hasData, true);
  }
});

Deno.test("who holds what the stream has sent again is not sent back to start", async () => {
  const { shape } = await restored();
  append(shape, 40, 0);
  shape.lose();
  reconcile(shape, 57);
  deepEqual(shape.page(since(40, 0))?.until, at(57, 0));
  for (const offset of [since(40, 1), since(48, 0)]) {
    throws(() => shape.page(offset), ShapeGoneError);
  }
});
