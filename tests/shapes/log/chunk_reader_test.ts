import {
  deepStrictEqual as deepEqual,
  ok,
  rejects,
  strictEqual as equal,
} from "node:assert/strict";
import { ChunkReader } from "../../../shapes/log/chunk_reader.ts";
import { CACHED_PAGE_BYTES_MAX, PageCache } from "../../../shapes/log/page_cache.ts";
import type { Page } from "../../../shapes/service.ts";
import { DrivenStore } from "../../support/driven_store.ts";

const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
const bytes = (text: string) => new TextEncoder().encode(text);

/** An owner whose moves the test makes. */
class Owner {
  readonly handle = "1-1";
  isGone = false;
  readonly listeners = new Set<() => void>();

  watch(listener: () => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  move(): void {
    for (const listener of [...this.listeners]) listener();
  }
}

function open(chunks?: readonly number[]) {
  const owner = new Owner(), store = new DrivenStore(), pages = new PageCache();
  store.createShape(owner.handle, "");
  return { owner, store, pages, reader: new ChunkReader(owner, { store, pages }, chunks) };
}

async function read(page: Page | undefined): Promise<string> {
  ok(page);
  if (page.body.kind === "bytes") return text(page.body.bytes);
  let read = "";
  const body = page.body.open();
  for (let next = await body.next(); !next.done; next = await body.next()) read += text(next.value);
  return read;
}

function iterate(page: Page | undefined): AsyncIterator<Uint8Array> {
  ok(page?.body.kind === "stream");
  return page.body.open();
}

Deno.test("ChunkReader has a first page before anything came, and no second one", () => {
  const { reader } = open();
  deepEqual(reader.page(0)?.until, { lsn: 0n, op: 0 });
  equal(reader.page(0)?.isUpToDate, false);
  equal(reader.page(0)?.hasData, true);
  equal(reader.page(1), undefined);
});

Deno.test("ChunkReader numbers chunks as they are ended", async () => {
  const { owner, reader, store } = open();
  reader.append(bytes(",a"), false);
  reader.append(bytes(",b"), true);
  equal(reader.page(1), undefined);
  reader.append(bytes(",c"), true);
  reader.complete();
  deepEqual(reader.chunks, [4, 2]);
  equal(await read(reader.page(0)), ",a,b");
  equal(await read(reader.page(1)), ",c");
  equal(reader.page(2), undefined);
  deepEqual(store.calls.slice(1), [
    "appendSnapshot 1-1 0",
    "appendSnapshot 1-1 0",
    "appendSnapshot 1-1 1",
  ]);
  equal(owner.listeners.size, 0);
});

Deno.test("ChunkReader streams a chunk while it is being written", async () => {
  const { owner, reader } = open();
  const body = iterate(reader.page(0));
  const first = body.next();
  reader.append(bytes(",a"), false);
  owner.move();
  equal(text((await first).value), ",a");
  const second = body.next();
  await Promise.resolve();
  owner.move(); // Nothing new: it waits on.
  reader.append(bytes(",b"), true);
  owner.move();
  equal(text((await second).value), ",b");
  equal((await body.next()).done, true);
  equal(owner.listeners.size, 0);
});

Deno.test("ChunkReader ends the last chunk's stream when the snapshot is complete", async () => {
  const { owner, reader } = open();
  reader.append(bytes(",a"), false);
  const body = iterate(reader.page(0));
  equal(text((await body.next()).value), ",a");
  const end = body.next();
  reader.complete();
  owner.move();
  equal((await end).done, true);
});

Deno.test("ChunkReader fails the streams of a shape that went", async () => {
  const { owner, reader } = open();
  reader.append(bytes(",a"), false);
  const body = iterate(reader.page(0));
  equal(text((await body.next()).value), ",a");
  const next = body.next();
  owner.isGone = true;
  owner.move();
  await rejects(async () => await next, { name: "ShapeGoneError" });
  equal(owner.listeners.size, 0);
});

Deno.test("ChunkReader keeps a closed chunk that was read whole, and shares it", async () => {
  const { reader } = open();
  reader.append(bytes(",a"), true);
  equal(reader.page(0)?.body.kind, "stream");
  equal(await read(reader.page(0)), ",a");
  const [one, other] = [reader.page(0)?.body, reader.page(0)?.body];
  ok(one?.kind === "bytes" && other?.kind === "bytes");
  equal(one.bytes, other.bytes);
});

Deno.test("ChunkReader does not keep an open chunk, nor one that was left half-way", async () => {
  const { reader } = open();
  reader.append(bytes(",a"), false);
  const body = iterate(reader.page(0));
  await body.next();
  reader.append(bytes(",b"), true);
  const other = iterate(reader.page(0));
  await other.next();
  await other.return?.();
  equal(reader.page(0)?.body.kind, "stream");
  equal(await read(reader.page(0)), ",a,b");
});

Deno.test("ChunkReader streams chunks that are too large to keep", async () => {
  const { reader } = open();
  const half = new Uint8Array(CACHED_PAGE_BYTES_MAX / 2 + 1).fill(0x61);
  reader.append(half, false);
  reader.append(half, true);
  equal((await read(reader.page(0))).length, 2 * half.length);
  equal(reader.page(0)?.body.kind, "stream");
});

Deno.test("ChunkReader knows the chunks of an earlier run", async () => {
  const { store, owner, pages } = open();
  store.appendSnapshot(owner.handle, 0, bytes(",a"));
  store.appendSnapshot(owner.handle, 1, bytes(",b"));
  const reader = new ChunkReader(owner, { store, pages }, [2, 2]);
  equal(reader.isComplete, true);
  equal(await read(reader.page(0)), ",a");
  equal(await read(reader.page(1)), ",b");
  equal(reader.page(2), undefined);
});

Deno.test("ChunkReader fails, and does not spin, when the store has lost bytes", async () => {
  const { store, owner, pages } = open();
  store.appendSnapshot(owner.handle, 0, bytes(",a"));
  const reader = new ChunkReader(owner, { store, pages }, [200]);
  await rejects(read(reader.page(0)), { name: "RangeError" });
});
