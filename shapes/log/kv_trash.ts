/** Deletes the bytes of dropped shapes in the background, a bounded batch at a time. */

import type { Kv, KvKey } from "@deno/kv";
import type { Mutation } from "./kv_wire.ts";
import { bulkPrefixes, trashKey } from "./kv_keys.ts";

/** Values listed and deleted at once: KV lists keys only with their values, at most 1 MiB here. */
const BATCH = 16;

export interface TrashQueue {
  push(mutations: readonly Mutation[]): number;
  /** Number of the last write queued. */
  readonly queued: number;
  durable(number: number): Promise<void>;
}

export class KvTrash {
  readonly #kv: Kv;
  readonly #queue: TrashQueue;
  readonly #handles: string[] = [];
  #worker: Promise<void> | undefined;
  #isStopped = false;

  constructor(kv: Kv, queue: TrashQueue) {
    this.#kv = kv;
    this.#queue = queue;
  }

  /** Deletes what KV has of a shape, whose trash key has been queued. */
  add(handle: string): void {
    this.#handles.push(handle);
    if (this.#isStopped || this.#worker !== undefined) return;
    this.#worker = this.#work().finally(() => this.#worker = undefined);
  }

  /** Resolves when the batch under way is done; what remains is deleted after the next start. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    await this.#worker;
  }

  /** Resolves when there is nothing left to delete. */
  async emptied(): Promise<void> {
    await this.#worker;
  }

  async #work(): Promise<void> {
    // A failure ends the work: storage reports its own failures, and the trash key remains.
    try {
      for (
        let handle = this.#handles.shift();
        handle !== undefined;
        handle = this.#handles.shift()
      ) {
        await this.#queue.durable(this.#queue.queued);
        for (const prefix of bulkPrefixes(handle)) await this.#deleteAll(prefix);
        if (this.#isStopped) return;
        this.#queue.push([{ key: trashKey(handle) }]);
      }
    } catch {
      this.#isStopped = true;
    }
  }

  async #deleteAll(prefix: KvKey): Promise<void> {
    while (!this.#isStopped) {
      const deletes: Mutation[] = [];
      const list = this.#kv.list({ prefix }, { limit: BATCH, batchSize: BATCH });
      for await (const { key } of list) deletes.push({ key });
      if (deletes.length === 0) return;
      await this.#queue.durable(this.#queue.push(deletes));
      if (deletes.length < BATCH) return;
    }
  }
}
