import assert from "node:assert/strict";
import type { ReadRange } from "../../../shapes/log/kv_engine.ts";
import {
  compareLogPositions,
  LOG_START,
  logKey,
  logPositionOf,
} from "../../../shapes/log/kv_keys.ts";
import { readLog } from "../../../shapes/log/kv_read.ts";
import type { StoredValue } from "../../../shapes/log/kv_read_wire.ts";
import { encodeLogValue } from "../../../shapes/log/log_value.ts";
import { MemoryBudget } from "../../../shapes/log/recent_values.ts";
import { ShapeMemory } from "../../../shapes/log/shape_memory.ts";
import { SNAPSHOT_END } from "../../../shapes/offset.ts";
import { at, END, textEntry } from "./store_world.ts";

/** A log of one entry a value, whose values become durable, and leave memory, one by one. */
class World {
  readonly written = new MemoryBudget(0);
  readonly shape: ShapeMemory;
  readonly #stored: StoredValue[] = [];
  #appended = 0;

  constructor() {
    const budgets = { written: this.written, read: new MemoryBudget(1e6) };
    const state = { head: LOG_START, meta: undefined, recordParts: 1 };
    this.shape = new ShapeMemory("a", budgets, state);
  }

  readonly read: ReadRange = ({ start }, limit) => {
    const from = logPositionOf(start);
    const isWithin = ({ key }: StoredValue) => compareLogPositions(logPositionOf(key), from) >= 0;
    return Promise.resolve(this.#stored.filter(isWithin).slice(0, limit));
  };

  append(): StoredValue {
    const lsn = BigInt(++this.#appended), entry = textEntry(at(lsn, 0), at(lsn, 0), `,${lsn}`);
    const position = { lsn, op: 0, part: 0 }, value = encodeLogValue([entry], 0);
    this.shape.log.values.append(position, value, this.#appended);
    return { key: logKey("a", position), value };
  }

  store(value: StoredValue): void {
    this.#stored.push(value);
    this.written.setDurable(this.#stored.length);
  }
}

Deno.test("readLog() goes on where nothing was stored yet when it read ahead", async () => {
  const world = new World();
  for (let i = 0; i < 6; i++) world.store(world.append());
  const seventh = world.append();
  let text = "";
  for await (const { last, bytes } of readLog(world.read, world.shape, SNAPSHOT_END, END)) {
    text += new TextDecoder().decode(bytes);
    // By now it has read ahead, and found nothing beyond the sixth.
    if (last.lsn === 4n) world.store(seventh);
  }
  assert.equal(text, ",1,2,3,4,5,6,7");
});
