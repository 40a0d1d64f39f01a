/**
 * Commits to KV and reads of it, by the shortest way that there is: a KV on a file is asked through
 * its engine's own interface, with messages of our making; any other one (in memory, remote, the
 * runtime's) through its client.
 */

import type { Kv, NapiInterface } from "@deno/kv";
import type { KeyRange } from "./kv_keys.ts";
import { decodeReadOutput, encodeRead, type StoredValue } from "./kv_read_wire.ts";
import { AtomicWriteEncoder, checkAtomicWriteOutput, type Mutation } from "./kv_wire.ts";

type Writes = readonly { readonly mutations: readonly Mutation[] }[];

/** Commits all of it or nothing; one commit at a time. */
export type Commit = (writes: Writes) => Promise<void>;

/** The first values of a range, at most so many (below 128). Values may share memory. */
export type ReadRange = (range: KeyRange, limit: number) => Promise<readonly StoredValue[]>;

export function openCommit(kv: Kv): Commit {
  const engine = engineOf(kv);
  if (!engine) return (writes) => commitTo(kv, writes);
  const encoder = new AtomicWriteEncoder();
  return async (writes) => {
    const message = encoder.encode(writes);
    checkAtomicWriteOutput(await engine.napi.atomicWrite(engine.db, message, false));
  };
}

export function openReadRange(kv: Kv): ReadRange {
  const engine = engineOf(kv);
  if (!engine) return (range, limit) => listFrom(kv, range, limit);
  return async (range, limit) => {
    const message = encodeRead(range, limit);
    return decodeReadOutput(await engine.napi.snapshotRead(engine.db, message, false));
  };
}

type Napi = Pick<NapiInterface, "atomicWrite" | "snapshotRead">;

function engineOf(kv: Kv): { napi: Napi; db: number } | undefined {
  const napi: unknown = Reflect.get(kv, "napi");
  const db: unknown = Reflect.get(kv, "dbId");
  return isEngine(napi) && typeof db === "number" ? { napi, db } : undefined;
}

function isEngine(napi: unknown): napi is Napi {
  return typeof napi === "object" && napi !== null &&
    "atomicWrite" in napi && typeof napi.atomicWrite === "function" &&
    "snapshotRead" in napi && typeof napi.snapshotRead === "function";
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

async function listFrom(kv: Kv, range: KeyRange, limit: number): Promise<StoredValue[]> {
  const found: StoredValue[] = [];
  const options = { limit, batchSize: limit };
  for await (const { key, value } of kv.list<Uint8Array>(range, options)) {
    found.push({ key, value });
  }
  return found;
}
