/**
 * A first sync of made-up rows in memory, so that the first real one finds its code compiled: the
 * filter parser's WebAssembly alone needs 15 to 30 ms the first time. A process that has just
 * started makes its first shape in a third of the time (measured: 54 to 15 ms), and spends a
 * third less on the 10,000 rows of its first sync. Costs a fifth of a second, in small portions.
 */

import { openKv } from "@deno/kv";
import { nextTurn } from "../replication/next_turn.ts";
import { resolveDefinition, type ShapeDefinition } from "../shapes/definition.ts";
import { KvStore } from "../shapes/log/kv_store.ts";
import { PageCache } from "../shapes/log/page_cache.ts";
import type { ShapeStore } from "../shapes/log/store.ts";
import { TailBudget } from "../shapes/log/tail.ts";
import type { SnapshotSink, Visibility } from "../shapes/ports.ts";
import type { PageBody } from "../shapes/service.ts";
import { Shape } from "../shapes/shape.ts";
import { fillShape } from "../shapes/snapshot.ts";
import type { Table, TableColumn } from "../shapes/table.ts";

const HANDLE = "1-1";
const CHUNK_BYTES = 768 * 1024;
/** Rows come in pieces, each in a turn of its own. */
const PIECES = 60;
const PIECE_BYTES = 64 * 1024;
const ROW = "1234567\tof some length\t4711\t2024-01-01 00:00:00.123456+00\tt\t" +
  `${"a text of the length that texts have, ".repeat(3)}\n`;
const VISIBILITY: Visibility = { xmin: 1n, xmax: 1n, inProgress: [], walPosition: 1n };

/** Needs the loaded parser. Stops early when the signal fires. */
export async function warmUp(signal: AbortSignal): Promise<void> {
  await using store = new KvStore(await openKv(":memory:", { implementation: "sqlite" }));
  await store.load();
  const shape = await fill(store, signal);
  const page = shape.page({ kind: "before" });
  if (page) await readThrough(page.body);
}

/** As many rows as make two chunks. */
async function fill(store: ShapeStore, signal: AbortSignal): Promise<Shape> {
  const chunkBytes = CHUNK_BYTES;
  const resources = { store, tails: new TailBudget(), pages: new PageCache(), chunkBytes };
  const shape = new Shape(HANDLE, madeUpDefinition(), resources, 0);
  store.createShape(HANDLE, "");
  await fillShape(shape, {
    source: { snapshot: (_, sink) => sendRows(sink, signal) },
    store,
    chunkBytes,
    signal,
    place: (visibility) => visibility,
    onReserved() {},
    onVisible() {},
  });
  shape.completeSnapshot();
  return shape;
}

async function sendRows(sink: SnapshotSink, signal: AbortSignal): Promise<void> {
  const row = new TextEncoder().encode(ROW);
  const piece = new Uint8Array(PIECE_BYTES - PIECE_BYTES % row.length);
  for (let at = 0; at < piece.length; at += row.length) piece.set(row, at);
  await sink.visible(VISIBILITY, undefined);
  for (let i = 0; i < PIECES && !signal.aborted; i++) {
    await sink.rows(piece);
    await nextTurn();
  }
}

function madeUpDefinition(): ShapeDefinition {
  const table: Table = {
    schema: "public",
    name: "items",
    oid: 1,
    kind: "ordinary",
    columns: [
      column("id", 1, "int8", 20),
      column("name", 2, "text", 25),
      column("count", 3, "int4", 23),
      column("made_at", 4, "timestamptz", 1184),
      column("is_new", 5, "bool", 16),
      column("body", 6, "text", 25),
    ],
    partitions: [],
    attached: [],
  };
  const request = {
    table: "items",
    where: "name = $1 AND count > 1",
    params: new Map([["1", "a"]]),
    columns: undefined,
    queryableColumns: undefined,
    replica: "default",
    log: "full",
  } as const;
  return resolveDefinition(request, table, {
    hasGeneratedColumns: false,
    isTextOrderBytewise: true,
  });
}

function column(name: string, number: number, typeName: string, typeOid: number): TableColumn {
  return {
    name,
    number,
    typeName,
    typeOid,
    typeSchema: "pg_catalog",
    typeKind: "b",
    baseTypeName: typeName,
    typeMod: -1,
    dims: 0,
    isNotNull: true,
    keyIndex: number === 1 ? 0 : null,
    generated: null,
    collation: null,
  };
}

async function readThrough(body: PageBody): Promise<void> {
  if (body.kind === "bytes") return;
  const pieces = body.open();
  while (!(await pieces.next()).done);
}
