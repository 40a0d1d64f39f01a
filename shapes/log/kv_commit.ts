/** Atomic commits to KV, by the shortest way that there is. */

import type { Kv, NapiInterface } from "@deno/kv";
import { AtomicWriteEncoder, checkAtomicWriteOutput, type Mutation } from "./kv_wire.ts";

type Writes = readonly { readonly mutations: readonly Mutation[] }[];

/** Commits all of it or nothing; one commit at a time. */
export type Commit = (writes: Writes) => Promise<void>;

/**
 * A KV on a file is asked through the engine's own interface, with messages of our making; any other
 * one (in memory, remote, the runtime's) through its client.
 */
export function openCommit(kv: Kv): Commit {
  const napi: unknown = Reflect.get(kv, "napi");
  const db: unknown = Reflect.get(kv, "dbId");
  if (!isEngine(napi) || typeof db !== "number") return (writes) => commitTo(kv, writes);
  const encoder = new AtomicWriteEncoder();
  return async (writes) => {
    checkAtomicWriteOutput(await napi.atomicWrite(db, encoder.encode(writes), false));
  };
}

function isEngine(napi: unknown): napi is Pick<NapiInterface, "atomicWrite"> {
  return typeof napi === "object" && napi !== null && "atomicWrite" in napi &&
    typeof napi.atomicWrite === "function";
}

async function commitTo(kv: Kv, writes: Writes): Promise<void> {
  const atomic = kv.atomic();
  for (const { mutations } of writes) {
    for (const { key, value } of mutations) {
      if (value === undefined) atomic.delete(key);
      else atomic.set(key, value);
    }
  }
  await atomic.commit();
}
