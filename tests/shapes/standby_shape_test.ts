import { deepStrictEqual as deepEqual, ok, strictEqual as equal, throws } from "node:assert/strict";
import { ShapeGoneError, UnavailableError } from "../../shapes/errors.ts";
import { PageCache } from "../../shapes/log/page_cache.ts";
import type { StoredShape } from "../../shapes/log/store.ts";
import { formatOffset, type Offset, SNAPSHOT_END } from "../../shapes/offset.ts";
import { FOLLOWED, formatStanding, type Standing } from "../../shapes/standing.ts";
import { StandbyShape } from "../../shapes/standby_shape.ts";
import { DrivenStore } from "../support/driven_store.ts";
import { definition } from "../support/shape_fixture.ts";

const at = (lsn: number): Offset => ({ lsn: BigInt(lsn), op: 0 });
const read = (lsn: number) => ({ kind: "at", offset: at(lsn) }) as const;

function open(): StandbyShape {
  const resources = { store: new DrivenStore(), pages: new PageCache() };
  return new StandbyShape("1-1", definition(), [10, 20], resources);
}

/** What is stored when the log ends with this transaction. */
function stored(end: number, standing?: Partial<Standing>): StoredShape {
  return {
    handle: "1-1",
    meta: "",
    snapshot: "",
    standing: standing && formatStanding({ ...FOLLOWED, ...standing }),
    head: end === 0 ? undefined : at(end),
    openChunkBytes: 0,
    chunkEnds: [],
  };
}

Deno.test("StandbyShape pages through the snapshot, then the log to where it was stored last", () => {
  const shape = open();
  ok(shape.update(stored(0)));
  equal(formatOffset(shape.head), "0_inf");
  const untils = [{ kind: "before" } as const, { kind: "at", offset: { lsn: 0n, op: 0 } } as const]
    .map((since) => shape.page(since)?.until);
  deepEqual(untils, [{ lsn: 0n, op: 0 }, { lsn: 0n, op: 1 }]);
  const empty = shape.page({ kind: "at", offset: { lsn: 0n, op: 1 } });
  deepEqual([empty?.hasData, empty?.isUpToDate], [false, true]);
  ok(shape.update(stored(5)));
  const page = shape.page({ kind: "at", offset: SNAPSHOT_END });
  deepEqual([page?.until, page?.hasData, page?.isUpToDate], [at(5), true, true]);
});

Deno.test("StandbyShape tells who waits that the log has grown, or the shape has gone", () => {
  const shape = open();
  let calls = 0;
  const unwatch = shape.watch(() => calls++);
  ok(shape.isWatched);
  shape.update(stored(5));
  shape.update(stored(5));
  equal(calls, 1);
  shape.end();
  equal(calls, 2);
  throws(() => shape.page({ kind: "before" }), ShapeGoneError);
  unwatch();
  equal(shape.isWatched, false);
});

Deno.test("StandbyShape shows nothing beyond where the shape was frozen", () => {
  const shape = open();
  equal(shape.update(stored(9, { frozenAt: at(5) })), false);
  deepEqual(shape.head, at(5));
  const same = stored(10, { frozenAt: at(5) });
  equal(shape.update(same), false);
  equal(shape.update(same), false);
  ok(shape.update(stored(11)));
  deepEqual(shape.head, at(11));
});

Deno.test("StandbyShape waits for all differences of a reconcile, and never goes back", () => {
  const shape = open();
  ok(shape.update(stored(5)));
  equal(shape.update(stored(7, { reconciledTo: at(9) })), false);
  deepEqual(shape.head, at(5));
  ok(shape.update(stored(9, { reconciledTo: at(9) })));
  deepEqual(shape.head, at(9));
  equal(shape.update(stored(8)), false);
  deepEqual(shape.head, at(9));
});

Deno.test("StandbyShape leaves a reader of what a crash has lost to the one who holds the storage", () => {
  const shape = open();
  ok(shape.update(stored(9, { lostGaps: [{ after: at(3), before: at(7) }] })));
  throws(() => shape.page(read(5)), UnavailableError);
  ok(shape.page(read(7)));
});
