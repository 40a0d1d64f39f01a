/**
 * The shapes in the storage of a server that does not run. It is locked while it is looked at, and
 * opened as a start of the server would open it: what a crash left unfinished is put in order.
 */

import { join } from "node:path";
import { openKv } from "@deno/kv";
import {
  type AdminShape,
  type AdminShapeDetail,
  type AdminShapes,
  describeDetail,
  describeShape,
} from "../../server/admin.ts";
import type { ShapeAdmin } from "../../shapes/admin.ts";
import { CatalogAdmin } from "../../shapes/catalog_admin.ts";
import { canonicalText, parseRequestedTable, resolveDefinition } from "../../shapes/definition.ts";
import { InvalidRequestError } from "../../shapes/errors.ts";
import { KvStore } from "../../shapes/log/kv_store.ts";
import { PageCache } from "../../shapes/log/page_cache.ts";
import type { ShapeStore, StoredShape, StoredState } from "../../shapes/log/store.ts";
import { TailBudget } from "../../shapes/log/tail.ts";
import type { DefinitionRequest, Page } from "../../shapes/service.ts";
import { Shape } from "../../shapes/shape.ts";
import { parseStoredSnapshot } from "../../shapes/snapshot.ts";
import { parseStoredDefinition, parseStoredRules } from "../../shapes/stored_definition.ts";
import { withPartitions } from "../../shapes/table.ts";
import { loadParser } from "../../shapes/where/parse.ts";
import { claimStorageFormat } from "../storage/storage_format.ts";
import { lockStorage } from "../storage/storage_lock.ts";
import { type LogItem, parseItems, type ShapeReader } from "./shape_reader.ts";
import { STORAGE_FILE } from "./storage_files.ts";

/** The default of `--shape-chunk-bytes-threshold`: what the server ran with is not stored. */
const CHUNK_BYTES = 10 * 1024 * 1024;
const decoder = new TextDecoder();

interface Stored {
  readonly shape: Shape;
  readonly meta: string;
}

export class StoredShapes implements ShapeReader {
  readonly place: string;
  readonly #stack: AsyncDisposableStack;
  readonly #shapes: ReadonlyMap<string, Stored>;
  readonly #admin: ShapeAdmin;

  private constructor(
    place: string,
    stack: AsyncDisposableStack,
    shapes: ReadonlyMap<string, Stored>,
  ) {
    this.place = place;
    this.#stack = stack;
    this.#shapes = shapes;
    this.#admin = new CatalogAdmin({
      shapes: () => Array.from(shapes.values(), ({ shape }) => shape),
      byHandle: (handle) => shapes.get(handle)?.shape,
      mode: () => ({ kind: "live", reason: undefined, detail: "", sinceMs: 0 }),
      isReconciling: () => false,
      isSlow: () => false,
      chunkBytes: CHUNK_BYTES,
      isIdle: true,
    });
  }

  /** Of a directory that `assertStorage` has let pass. Throws if a server uses it. */
  static async open(directory: string): Promise<StoredShapes> {
    await using stack = new AsyncDisposableStack();
    stack.use(await lockStorage(directory));
    await claimStorageFormat(directory);
    await loadParser();
    const store = stack.use(new KvStore(await openKv(join(directory, STORAGE_FILE))));
    const state = await store.load();
    const shapes = new Map(state.shapes.flatMap((stored) => restore(store, state, stored)));
    return new StoredShapes(`the storage in ${directory}`, stack.move(), shapes);
  }

  list(): Promise<AdminShapes> {
    const shapes = this.#admin.list().map((shape) => describeShape(shape, 0));
    return Promise.resolve({ uptime_seconds: 0, shapes });
  }

  find(definition: DefinitionRequest): Promise<AdminShape | undefined> {
    const found = [...this.#shapes.values()].find((stored) => isDefinedBy(stored, definition));
    return this.describe(found?.shape.handle ?? "");
  }

  describe(handle: string): Promise<AdminShapeDetail | undefined> {
    const detail = this.#admin.describe(handle);
    return Promise.resolve(detail && describeDetail(detail, 0));
  }

  async *read({ handle }: AdminShape): AsyncGenerator<readonly LogItem[]> {
    const shape = this.#shapes.get(handle)?.shape;
    let page = shape?.page({ kind: "before" });
    while (page) {
      yield parseItems(`[${(await textOf(page)).slice(1)}]`);
      if (page.isUpToDate) return;
      page = shape?.page({ kind: "at", offset: page.until });
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack.disposeAsync();
  }
}

function restore(
  store: ShapeStore,
  { partitions }: StoredState,
  stored: StoredShape,
): [string, Stored][] {
  const { handle, meta, snapshot } = stored;
  const definition = parseStoredDefinition(
    meta,
    (table) => withPartitions(table, partitions.get(table.oid) ?? []),
  );
  if (!definition || snapshot === undefined) return [];
  const resources = {
    store,
    tails: new TailBudget(),
    pages: new PageCache(),
    chunkBytes: CHUNK_BYTES,
  };
  const before = { shape: stored, ...parseStoredSnapshot(snapshot) };
  return [[handle, { shape: new Shape(handle, definition, resources, 0, before), meta }]];
}

function isDefinedBy({ shape, meta }: Stored, wish: DefinitionRequest): boolean {
  const { table } = shape.definition;
  const { schema, name } = parseRequestedTable(wish.table);
  if (table.schema !== schema || table.name !== name) return false;
  try {
    const wanted = resolveDefinition(wish, table, parseStoredRules(meta));
    return canonicalText(wanted) === canonicalText(shape.definition);
  } catch (error) {
    // Of another version of the table, which has not the columns that are named.
    if (error instanceof InvalidRequestError) return false;
    throw error;
  }
}

async function textOf({ body }: Page): Promise<string> {
  if (body.kind === "bytes") return decoder.decode(body.bytes);
  const parts: Uint8Array[] = [];
  const pieces = body.open();
  for (let next = await pieces.next(); !next.done; next = await pieces.next()) {
    parts.push(next.value.slice());
  }
  return await new Blob(parts as BlobPart[]).text();
}
