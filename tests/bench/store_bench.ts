/** The store on a file: appending, reading back, and loading what a restart finds. */

import assert from "node:assert/strict";
import { QUEUED_BYTES_HIGH, type ShapeStore } from "../../shapes/log/store.ts";
import { type Offset, SNAPSHOT_END } from "../../shapes/offset.ts";
import { formatStoredSnapshot } from "../../shapes/snapshot.ts";
import { formatStoredDefinition } from "../../shapes/stored_definition.ts";
import { EMPTY_VISIBILITY } from "../support/scripted_source.ts";
import { definition, request } from "../support/shape_fixture.ts";
import {
  type Figures,
  mbPerSecond,
  rate,
  repeated,
  sized,
  timed,
  workload,
} from "./support/bench.ts";
import { KvFile } from "./support/kv_file.ts";
import { TABLE } from "./support/sample.ts";

const SMALL_BYTES = 300;
/** As large as one value of the store may be about to be. */
const LARGE_BYTES = 56 * 1024;
/** Entries between two applied LSNs. */
const PER_TRANSACTION = 100;

const META = formatStoredDefinition(
  definition(TABLE),
  request({ table: TABLE.name, where: "field = 'v7'" }),
  { hasGeneratedColumns: false, isTextOrderBytewise: true },
);
const SNAPSHOT = formatStoredSnapshot({ chunks: [0], visibility: EMPTY_VISIBILITY });

function handleOf(shape: number): string {
  return `${10_000_000 + shape}-1700000000000000`;
}

function addShapes(store: ShapeStore, count: number): void {
  for (let shape = 0; shape < count; shape++) {
    store.createShape(handleOf(shape), META);
    store.completeSnapshot(handleOf(shape), SNAPSHOT);
  }
}

/** Entries to the shapes in turn, each a transaction's own; resolves when they are durable. */
async function appendEntries(
  store: ShapeStore,
  shapes: number,
  count: number,
  bytes: Uint8Array,
): Promise<void> {
  for (let i = 0; i < count; i++) {
    const at: Offset = { lsn: BigInt(i + 1), op: 0 };
    store.appendLog(handleOf(i % shapes), { first: at, last: at, bytes });
    if ((i + 1) % PER_TRANSACTION === 0) store.setAppliedLsn(at.lsn);
    if (store.queuedBytes > QUEUED_BYTES_HIGH) await store.flushed();
  }
  store.setAppliedLsn(BigInt(count));
  await store.flushed();
}

async function append(shapes: number, count: number, size: number): Promise<Figures> {
  await using file = await KvFile.create();
  await using store = (await file.open()).store;
  addShapes(store, shapes);
  await store.flushed();
  const bytes = new Uint8Array(size).fill(0x20);
  const { ms } = await timed(() => appendEntries(store, shapes, count, bytes));
  return { entries_per_s: rate(count, ms), mb_per_s: mbPerSecond(count * size, ms) };
}

/** From a store just opened: nothing but the journal is in memory. */
async function readBack(count: number): Promise<Figures> {
  await using file = await KvFile.create();
  {
    await using store = (await file.open()).store;
    addShapes(store, 1);
    await appendEntries(store, 1, count, new Uint8Array(LARGE_BYTES).fill(0x20));
  }
  await using store = (await file.open()).store;
  const { ms, result: read } = await timed(async () => {
    let read = 0;
    const until = { lsn: BigInt(count), op: 0 };
    for await (const { bytes } of store.readLog(handleOf(0), SNAPSHOT_END, until)) {
      read += bytes.length;
    }
    return read;
  });
  assert.equal(read, count * LARGE_BYTES);
  return { mb_per_s: mbPerSecond(read, ms), mb: read / 1e6 };
}

async function load(shapes: number): Promise<Figures> {
  await using file = await KvFile.create();
  {
    await using store = (await file.open()).store;
    addShapes(store, shapes);
    await appendEntries(store, shapes, shapes, new Uint8Array(SMALL_BYTES).fill(0x20));
  }
  const { ms, result } = await timed(() => file.open());
  await using _store = result.store;
  assert.equal(result.state.shapes.length, shapes);
  assert.equal(result.state.appliedLsn, BigInt(shapes));
  return { load_ms: ms };
}

const manyShapes = sized(1_000, 50);
await workload(
  `append of ${SMALL_BYTES} B to ${manyShapes} shapes`,
  () => repeated(3, () => append(manyShapes, sized(50_000, 500), SMALL_BYTES)),
);
await workload(
  "append of 56 KB to one shape",
  () => repeated(3, () => append(1, sized(1_000, 20), LARGE_BYTES)),
);
await workload("read back of one shape", () => repeated(3, () => readBack(sized(1_000, 20))));
for (const shapes of [manyShapes, manyShapes * 10]) {
  await workload(`load with ${shapes} shapes`, () => repeated(3, () => load(shapes)));
}
