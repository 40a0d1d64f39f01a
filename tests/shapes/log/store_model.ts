/** Random writes to a store, and the plain arrays that it must agree with at every moment. */

import assert from "node:assert/strict";
import { compareOffsets, type Offset, SNAPSHOT_END } from "../../../shapes/offset.ts";
import type { ShapeStore, StoredShape, StoredState } from "../../../shapes/log/store.ts";

interface ModelEntry {
  readonly first: Offset;
  readonly last: Offset;
  readonly text: string;
}

interface ModelShape {
  isComplete: boolean;
  readonly log: ModelEntry[];
  readonly chunkEnds: Offset[];
}

export interface ModelWorld {
  store: ShapeStore;
  restart(): Promise<StoredState>;
}

/** Small, reproducible random numbers (mulberry32). */
export function randomFrom(seed: number): (below: number) => number {
  let state = seed >>> 0;
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) % below;
  };
}

const SIZES = [3, 40, 400, 3_000, 17_000, 70_000, 150_000];

export class Model {
  readonly #random: (below: number) => number;
  readonly #shapes = new Map<string, ModelShape>();
  #lsn = 1n;
  #op = 0;
  #handles = 0;
  appliedLsn = 0n;

  constructor(seed: number) {
    this.#random = randomFrom(seed);
  }

  /** Does one random thing to the store and to the model. */
  step(store: ShapeStore): void {
    const dice = this.#random(100);
    if (dice < 6) this.#create(store);
    else if (dice < 8) this.#drop(store);
    else if (dice < 12) this.#endChunk(store);
    else if (dice < 30) this.commit(store);
    else this.#append(store);
  }

  /** Ends the transaction that is being written. */
  commit(store: ShapeStore): void {
    store.setAppliedLsn(this.#lsn);
    this.appliedLsn = this.#lsn;
    this.#lsn += BigInt(1 + this.#random(300));
    this.#op = 0;
  }

  /** What is left after a crash that left this LSN applied. */
  restart(): void {
    for (const [handle, shape] of this.#shapes) {
      if (!shape.isComplete) this.#shapes.delete(handle);
      keep(shape.log, ({ last }) => last.lsn <= this.appliedLsn);
      keep(shape.chunkEnds, ({ lsn }) => lsn <= this.appliedLsn);
    }
    this.#op = 0;
  }

  async checkRead(store: ShapeStore): Promise<void> {
    const shapes = [...this.#shapes];
    if (shapes.length === 0) return;
    const [handle, { log }] = shapes[this.#random(shapes.length)];
    const since = this.#random(3) === 0 ? SNAPSHOT_END : this.#somewhere(log);
    const until = this.#random(3) === 0 ? { lsn: 2n ** 64n - 1n, op: 0 } : this.#somewhere(log);
    let text = "";
    for await (const { bytes } of store.readLog(handle, since, until)) {
      text += new TextDecoder().decode(bytes);
    }
    const expected = log.filter(({ last }) =>
      compareOffsets(last, since) > 0 && compareOffsets(last, until) <= 0
    );
    assert.equal(text, expected.map((entry) => entry.text).join(""));
  }

  checkState(state: StoredState): void {
    assert.equal(state.appliedLsn, this.appliedLsn);
    const byHandle = (a: StoredShape, b: StoredShape) => a.handle < b.handle ? -1 : 1;
    assert.deepEqual(state.shapes.toSorted(byHandle), this.stored().toSorted(byHandle));
  }

  stored(): StoredShape[] {
    return [...this.#shapes].map(([handle, { log, chunkEnds }]) => {
      const end = chunkEnds.at(-1);
      const open = log.filter(({ last }) => !end || compareOffsets(last, end) > 0);
      return {
        handle,
        meta: handle,
        snapshot: handle,
        standing: undefined,
        head: log.at(-1)?.last,
        openChunkBytes: open.reduce((sum, { text }) => sum + text.length, 0),
        chunkEnds: [...chunkEnds],
      };
    });
  }

  #create(store: ShapeStore): void {
    const handle = `h${this.#handles++}`;
    store.createShape(handle, handle);
    const isComplete = this.#random(5) > 0;
    if (isComplete) store.completeSnapshot(handle, handle);
    this.#shapes.set(handle, { isComplete, log: [], chunkEnds: [] });
  }

  #pick(): [string, ModelShape] | undefined {
    const shapes = [...this.#shapes];
    return shapes[this.#random(Math.max(1, shapes.length))];
  }

  #drop(store: ShapeStore): void {
    const picked = this.#pick();
    if (picked === undefined) return;
    store.dropShape(picked[0]);
    this.#shapes.delete(picked[0]);
  }

  #endChunk(store: ShapeStore): void {
    const [handle, shape] = this.#pick() ?? [];
    const last = shape?.log.at(-1)?.last;
    const end = shape?.chunkEnds.at(-1);
    if (handle === undefined || last === undefined) return;
    if (end !== undefined && compareOffsets(last, end) === 0) return;
    store.endChunk(handle, last);
    shape?.chunkEnds.push(last);
  }

  #append(store: ShapeStore): void {
    const [handle, shape] = this.#pick() ?? [];
    if (handle === undefined || shape === undefined) return;
    const first = { lsn: this.#lsn, op: this.#op };
    const last = { lsn: this.#lsn, op: this.#op + this.#random(3) };
    this.#op = last.op + 1;
    const size = SIZES[Math.min(this.#random(SIZES.length), this.#random(SIZES.length))];
    const text = `,${handle} ${last.lsn}_${last.op} `.padEnd(size, "x");
    store.appendLog(handle, { first, last, bytes: new TextEncoder().encode(text) });
    shape.log.push({ first, last, text });
  }

  #somewhere(log: readonly ModelEntry[]): Offset {
    if (log.length === 0) return { lsn: BigInt(this.#random(100)), op: this.#random(3) };
    const { first, last } = log[this.#random(log.length)];
    const dice = this.#random(4);
    if (dice === 0) return { lsn: last.lsn, op: Infinity };
    return dice === 1 ? first : last;
  }
}

export async function runModel(world: ModelWorld, seed: number, steps: number): Promise<void> {
  const model = new Model(seed);
  const random = randomFrom(seed ^ 0x5bd1e995);
  for (let i = 0; i < steps; i++) {
    model.step(world.store);
    if (random(4) === 0) await model.checkRead(world.store);
    if (random(10) === 0) await world.store.flushed();
    if (random(40) > 0) continue;
    model.restart();
    model.checkState(await world.restart());
  }
  model.restart();
  model.checkState(await world.restart());
  for (let i = 0; i < 20; i++) await model.checkRead(world.store);
}

function keep<T>(items: T[], isKept: (item: T) => boolean): void {
  const kept = items.filter(isKept);
  items.splice(0, items.length, ...kept);
}
