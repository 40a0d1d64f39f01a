/** A store on a file in a temporary folder, which can be closed and opened again. */

import { join } from "node:path";
import { openKv } from "@deno/kv";
import { KvStore } from "../../../shapes/log/kv_store.ts";
import type { StoredState } from "../../../shapes/log/store.ts";

export class KvFile implements AsyncDisposable {
  readonly #folder: string;

  private constructor(folder: string) {
    this.#folder = folder;
  }

  static async create(): Promise<KvFile> {
    return new KvFile(await Deno.makeTempDir({ prefix: "electric-ts-bench-" }));
  }

  /** Opens and loads it. Dispose of the store before the next. */
  async open(): Promise<{ store: KvStore; state: StoredState }> {
    const store = new KvStore(await openKv(join(this.#folder, "shapes.sqlite")));
    return { store, state: await store.load() };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Deno.remove(this.#folder, { recursive: true });
  }
}
