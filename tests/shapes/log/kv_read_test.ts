import assert from "node:assert/strict";
import type { KvKey } from "@deno/kv";
import type { ReadRange } from "../../../shapes/log/kv_engine.ts";
import { LOG_START, logKey, snapshotKey } from "../../../shapes/log/kv_keys.ts";
import { readLog, readSnapshot } from "../../../shapes/log/kv_read.ts";
import type { StoredValue } from "../../../shapes/log/kv_read_wire.ts";
import { encodeLogValue } from "../../../shapes/log/log_value.ts";
import { MemoryBudget } from "../../../shapes/log/recent_values.ts";
import { ShapeMemory } from "../../../shapes/log/shape_memory.ts";
import { SNAPSHOT_END } from "../../../shapes/offset.ts";
import { at, END, textEntry } from "./store_world.ts";

/** A shape whose values become durable, and leave memory at once, one by one. */
class World {
  readonly shape: ShapeMemory;
  readonly #written = new MemoryBudget(0);
  readonly #stored: StoredValue[] = [];
  #appended = 0;

  constructor() {
    const budgets = { written: this.#written, read: this.#written };
    this.shape = new ShapeMemory("a", budgets, { head: LOG_START, meta: "", recordParts: 1 });
  }

  readonly read: ReadRange = ({ start }, limit) =>
    Promise.resolve(this.#stored.filter(({ key }) => !isBefore(key, start)).slice(0, limit));

  /** One entry of the log. */
  appendLog(): StoredValue {
    const number = ++this.#appended, lsn = BigInt(number);
    const value = encodeLogValue([textEntry(at(lsn, 0), at(lsn, 0), `,${lsn}`)], 0);
    const position = { lsn, op: 0, part: 0 };
    this.shape.log.values.append(position, value, number);
    return { key: logKey("a", position), value };
  }

  /** Two bytes of the snapshot. */
  appendSnapshot(): StoredValue {
    const number = ++this.#appended, value = new TextEncoder().encode(`,${number}`);
    this.shape.chunkBeingWritten(0).append(2 * number, value, number);
    return { key: snapshotKey("a", 0, 2 * number), value };
  }

  store(value: StoredValue): void {
    this.#stored.push(value);
    this.#written.setDurable(this.#stored.length);
  }
}

/** Of keys whose parts are alike. */
function isBefore(a: KvKey, b: KvKey): boolean {
  const i = a.findIndex((part, place) => part !== b[place]);
  return i >= 0 && a[i] < b[i];
}

for (const what of ["Log", "Snapshot"] as const) {
  Deno.test(`read${what}() goes on where nothing was stored yet when it read ahead`, async () => {
    const world = new World(), append = () => world[`append${what}`]();
    for (let i = 0; i < 6; i++) world.store(append());
    const seventh = append();
    const pieces = what === "Log"
      ? readLog(world.read, world.shape, SNAPSHOT_END, END)
      : readSnapshot(world.read, world.shape, 0, 0);
    let text = "";
    for await (const piece of pieces) {
      text += new TextDecoder().decode("bytes" in piece ? piece.bytes : piece);
      // By now it has read ahead, and found nothing beyond the sixth.
      if (text.endsWith(",4")) world.store(seventh);
    }
    assert.equal(text, ",1,2,3,4,5,6,7");
  });
}
