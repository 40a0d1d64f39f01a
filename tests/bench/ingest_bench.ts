/** The stream's events into the shapes' logs: changes a second, without Postgres and decoding. */

import assert from "node:assert/strict";
import { setImmediate } from "node:timers";
import type { StreamEvent } from "../../shapes/change.ts";
import { Ingest } from "../../shapes/ingest.ts";
import { MemoryStore } from "../../shapes/log/memory_store.ts";
import { PageCache } from "../../shapes/log/page_cache.ts";
import type { ShapeStore } from "../../shapes/log/store.ts";
import { TailBudget } from "../../shapes/log/tail.ts";
import { SNAPSHOT_END } from "../../shapes/offset.ts";
import { rowOfTexts } from "../../shapes/row.ts";
import { Shape } from "../../shapes/shape.ts";
import { loadParser } from "../../shapes/where/parse.ts";
import { parseItems } from "../support/log_replayer.ts";
import { EMPTY_VISIBILITY, SilentLogger } from "../support/scripted_source.ts";
import { definition } from "../support/shape_fixture.ts";
import { type Figures, rate, repeated, sized, timed, workload } from "./support/bench.ts";
import { KvFile } from "./support/kv_file.ts";
import { fieldIs, RELATION, rowTexts, TABLE } from "./support/sample.ts";

const CHANGES = sized(50_000, 1_000);
const CHUNK_BYTES = 10 * 1024 * 1024;
/** About what one read of the socket brings. */
const EVENTS_PER_READ = 256;

/** Coprime to the numbers of shapes: consecutive rows go to shapes that are not neighbours. */
const STRIDE = 7_919;

/** The inserts, spread evenly over the shapes, in reads as the socket gives them. */
function streamReads(shapes: number, perTransaction: number): StreamEvent[][] {
  const events: StreamEvent[] = [{ kind: "relation", relation: RELATION }];
  for (let i = 0; i < CHANGES; i++) {
    const lsn = BigInt(1_000 * (1 + Math.floor(i / perTransaction)));
    if (i % perTransaction === 0) events.push({ kind: "begin", commitLsn: lsn, xid: 7 });
    const row = rowOfTexts(rowTexts(i, `v${i * STRIDE % shapes}`));
    events.push({ kind: "change", change: { kind: "insert", relation: RELATION, row } });
    if ((i + 1) % perTransaction === 0) events.push({ kind: "commit", endLsn: lsn + 48n });
  }
  const reads: StreamEvent[][] = [];
  for (let i = 0; i < events.length; i += EVENTS_PER_READ) {
    reads.push(events.slice(i, i + EVENTS_PER_READ));
  }
  return reads;
}

function openIngest(store: ShapeStore, count: number): { ingest: Ingest; shapes: Shape[] } {
  const unexpected = (what: unknown) => assert.fail(`${what}`);
  const ingest = new Ingest({
    store,
    appliedLsn: 0n,
    confirm: () => {},
    ancestors: () => Promise.resolve([]),
    shift: 0n,
    rotate: (_, reason) => unexpected(reason),
    lose: (_, reason) => unexpected(reason),
    unprepared: unexpected,
    external: {
      evaluate: () => Promise.reject(new TypeError("Nothing is asked")),
      logger: new SilentLogger(),
      nowMs: Date.now,
    },
  });
  const resources = {
    store,
    tails: new TailBudget(),
    pages: new PageCache(),
    chunkBytes: CHUNK_BYTES,
  };
  const shapes = Array.from({ length: count }, (_, i) => {
    const where = definition(TABLE, { where: fieldIs(i) });
    const shape = new Shape(`${i}-1700000000000000`, where, resources, 0);
    store.createShape(shape.handle, "");
    store.completeSnapshot(shape.handle, "");
    shape.markVisible(EMPTY_VISIBILITY);
    shape.completeSnapshot();
    ingest.add(shape, undefined);
    return shape;
  });
  return { ingest, shapes };
}

async function ingestAll(
  store: ShapeStore,
  shapeCount: number,
  reads: readonly StreamEvent[][],
): Promise<Figures> {
  const { ingest, shapes } = openIngest(store, shapeCount);
  await store.flushed();
  const visible = await timed(async () => {
    for (const read of reads) {
      await ingest.accept(read);
      // The event loop runs between two reads of a socket too.
      await new Promise<void>((resolve) => setImmediate(resolve));
    }
  });
  const durable = await timed(() => store.flushed());
  let items = 0;
  for (const { handle, head } of shapes) {
    for await (const { bytes } of store.readLog(handle, SNAPSHOT_END, head)) {
      items += parseItems(bytes).length;
    }
  }
  assert.equal(items, CHANGES);
  return {
    changes_per_s: rate(CHANGES, visible.ms),
    durable_per_s: rate(CHANGES, visible.ms + durable.ms),
  };
}

await loadParser();
for (const shapes of [1, sized(1_000, 50), sized(10_000, 100)]) {
  for (const perTransaction of [1, 100, CHANGES]) {
    const name = `shapes ${shapes}, transactions of ${perTransaction}`;
    const reads = streamReads(shapes, perTransaction);
    await workload(`memory: ${name}`, () =>
      repeated(3, async () => {
        await using store = new MemoryStore();
        await store.load();
        return await ingestAll(store, shapes, reads);
      }));
    await workload(`file: ${name}`, () =>
      repeated(3, async () => {
        await using file = await KvFile.create();
        await using store = (await file.open()).store;
        return await ingestAll(store, shapes, reads);
      }));
  }
}
