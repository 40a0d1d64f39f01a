/** Writes to the store in a directory until it is killed; prints each LSN that became durable. */

import { openKv } from "@deno/kv";
import { KvStore } from "../../../shapes/log/kv_store.ts";
import { createShapes, writeTransaction } from "./crash_scenario.ts";

const [path] = Deno.args;
const store = new KvStore(await openKv(path), { journalBytes: 40_000 });
const state = await store.load();
store.onDurable((lsn) => Deno.stdout.writeSync(new TextEncoder().encode(`${lsn}\n`)));
if (state.shapes.length === 0) createShapes(store);
for (let lsn = state.appliedLsn + 1n;; lsn++) {
  writeTransaction(store, lsn);
  if (lsn % 7n === 0n) await new Promise((resolve) => setTimeout(resolve));
  if (store.queuedBytes > 2_000_000) await store.flushed();
}
