/** A store under test, what is written to it and how it is read. */

import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import type { LogEntry, ShapeStore, StoredBytes, StoredState } from "../../../shapes/log/store.ts";
import { type Offset, SNAPSHOT_END } from "../../../shapes/offset.ts";

/** Storage on which one store after the other is opened. */
export interface TestStorage extends AsyncDisposable {
  open(): Promise<ShapeStore>;
}

export const END: Offset = { lsn: 2n ** 64n - 1n, op: Infinity };

export function at(lsn: bigint, op: number): Offset {
  return { lsn, op };
}

export function textEntry(first: Offset, last: Offset, text: string): LogEntry {
  return { first, last, bytes: new TextEncoder().encode(text) };
}

export async function readText(
  store: ShapeStore,
  handle: string,
  since: Offset = SNAPSHOT_END,
  until: Offset = END,
): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  for await (const { bytes } of store.readLog(handle, since, until)) {
    text += decoder.decode(bytes, { stream: true });
  }
  return text + decoder.decode();
}

export async function readChunk(
  store: StoredBytes,
  handle: string,
  chunk: number,
  fromByte = 0,
): Promise<Uint8Array> {
  const pieces: Uint8Array[] = [];
  for await (const piece of store.readSnapshot(handle, chunk, fromByte)) pieces.push(piece);
  return new Uint8Array(await new Blob(pieces.map((piece) => piece.slice())).arrayBuffer());
}

/** Like `deepEqual`, which takes seconds for megabytes on older Denos. */
export function assertSameBytes(actual: Uint8Array, expected: Uint8Array): void {
  const message = `${actual.length} bytes differ from the ${expected.length} expected`;
  assert.equal(Buffer.compare(actual, expected), 0, message);
}

/** A shape with a complete, empty snapshot. */
export function addShape(store: ShapeStore, handle: string): void {
  store.createShape(handle, `meta of ${handle}`);
  store.completeSnapshot(handle, `snapshot of ${handle}`);
}

/** Bytes that differ everywhere, the same for the same seed. */
export function patternBytes(length: number, seed: number): Uint8Array {
  const bytes = new Uint8Array(length);
  for (let i = 0; i < length; i++) bytes[i] = (i * 31 + (i >> 8) + seed) & 255;
  return bytes;
}

/** The store that is open, and the one after a restart. */
export class World {
  readonly #storage: TestStorage;
  store: ShapeStore;
  state: StoredState;

  private constructor(storage: TestStorage, store: ShapeStore, state: StoredState) {
    this.#storage = storage;
    this.store = store;
    this.state = state;
  }

  static async start(storage: TestStorage): Promise<World> {
    const store = await storage.open();
    return new World(storage, store, await store.load());
  }

  async restart(): Promise<StoredState> {
    await this.store[Symbol.asyncDispose]();
    this.store = await this.#storage.open();
    this.state = await this.store.load();
    return this.state;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.store[Symbol.asyncDispose]();
  }
}
