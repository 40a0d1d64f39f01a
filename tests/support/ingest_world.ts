/** Shapes, a stream and a store that the test drives: everything of the ingest but Postgres. */

import type { Change, Relation, StreamEvent } from "../../shapes/change.ts";
import { resolveDefinition } from "../../shapes/definition.ts";
import { Ingest } from "../../shapes/ingest.ts";
import { PageCache } from "../../shapes/log/page_cache.ts";
import type { StoredShape } from "../../shapes/log/store.ts";
import { TailBudget } from "../../shapes/log/tail.ts";
import { type Offset, SNAPSHOT_END } from "../../shapes/offset.ts";
import type { Source, Visibility } from "../../shapes/ports.ts";
import { type Row, rowOfTexts } from "../../shapes/row.ts";
import type { DefinitionRequest } from "../../shapes/service.ts";
import { Shape, type ShapeResources } from "../../shapes/shape.ts";
import type { Table } from "../../shapes/table.ts";
import type { Where } from "../../shapes/where/where.ts";
import { DrivenStore } from "./driven_store.ts";
import { type Item, parseItems } from "./log_replayer.ts";
import { recordingLogger } from "./recording_sink.ts";
import { EMPTY_VISIBILITY } from "./scripted_source.ts";
import { relation, request, table } from "./shape_fixture.ts";

type Texts = readonly (string | null)[];

export const RULES = { hasGeneratedColumns: false, isTextOrderBytewise: true };

export interface IngestWorldOptions {
  readonly shift?: bigint;
  readonly store?: DrivenStore;
  readonly appliedLsn?: bigint;
  readonly ancestors?: (relationOid: number) => Promise<readonly number[]>;
  readonly evaluate?: Source["evaluate"];
}

export class IngestWorld {
  readonly store: DrivenStore;
  readonly ingest: Ingest;
  readonly confirmed: bigint[] = [];
  /** Why shapes ended, by handle. */
  readonly ended = new Map<string, string>();
  /** Why the stream left changes out, by handle. */
  readonly lost = new Map<string, string>();
  readonly unprepared: string[] = [];
  readonly logger = recordingLogger();
  /** For what depends on it. */
  nowMs = 0;
  #made = 0;

  constructor(options: IngestWorldOptions = {}) {
    this.store = options.store ?? new DrivenStore({ isPrompt: true });
    this.ingest = new Ingest({
      store: this.store,
      appliedLsn: options.appliedLsn ?? 0n,
      confirm: (position) => this.confirmed.push(position),
      ancestors: options.ancestors ?? (() => Promise.resolve([])),
      shift: options.shift ?? 0n,
      rotate: (shape, reason) => this.#end(shape, reason),
      lose: (shape, reason) => {
        this.lost.set(shape.handle, reason);
        shape.lose();
      },
      unprepared: ({ name }) => this.unprepared.push(name),
      external: {
        evaluate: options.evaluate ?? (() => Promise.reject(new TypeError("Nothing is asked"))),
        logger: this.logger,
        nowMs: () => this.nowMs,
      },
    });
  }

  /** A shape whose snapshot is empty and complete; not yet added. */
  make(
    of: Table,
    changed: Partial<DefinitionRequest> = {},
    visibility?: Visibility,
    where?: Where,
  ): Shape {
    const resolved = resolveDefinition(request(changed), of, RULES);
    const definition = where ? { ...resolved, where } : resolved;
    const handle = `${++this.#made}-1`;
    this.store.createShape(handle, "");
    const shape = new Shape(handle, definition, this.#resources(), 0);
    if (visibility) shape.markVisible(visibility);
    shape.completeSnapshot();
    return shape;
  }

  /** A shape of an earlier run, without filter, that the stream concerns from now on. */
  restore(stored: StoredShape, of: Table): Shape {
    const definition = resolveDefinition(request(), of, RULES);
    const visibility = EMPTY_VISIBILITY;
    const resources = this.#resources();
    const shape = new Shape(stored.handle, definition, resources, 0, {
      shape: stored,
      chunks: [],
      visibility,
    });
    this.ingest.add(shape, undefined);
    return shape;
  }

  /** A shape that the stream concerns from now on. */
  shape(
    of: Table,
    changed: Partial<DefinitionRequest> = {},
    visibility = EMPTY_VISIBILITY,
    where?: Where,
  ): Shape {
    const shape = this.make(of, changed, visibility, where);
    this.ingest.add(shape, undefined);
    return shape;
  }

  accept(...events: readonly StreamEvent[]): Promise<void> | undefined {
    return this.ingest.accept(events);
  }

  #resources(): ShapeResources {
    const { store } = this;
    return { store, tails: new TailBudget(), pages: new PageCache(), chunkBytes: 1e6 };
  }

  #end(shape: Shape, reason: string): void {
    this.ended.set(shape.handle, reason);
    this.ingest.remove(shape);
    this.store.dropShape(shape.handle);
    shape.end();
  }
}

export function begin(lsn: number, xid = 700): StreamEvent {
  return { kind: "begin", commitLsn: BigInt(lsn), xid };
}

export function commit(endLsn: number): StreamEvent {
  return { kind: "commit", endLsn: BigInt(endLsn) };
}

export function announce(of: Relation): StreamEvent {
  return { kind: "relation", relation: of };
}

/** A transaction at `lsn` that ends ten bytes further on. */
export function transaction(lsn: number, ...changes: readonly StreamEvent[]): StreamEvent[] {
  return [begin(lsn), ...changes, commit(lsn + 10)];
}

/** Makes changes of one relation out of texts, in the relation's column order. */
export class Changes {
  readonly relation: Relation;

  constructor(of: Relation | Table = table()) {
    this.relation = "identity" in of ? of : relation(of);
  }

  get announced(): StreamEvent {
    return announce(this.relation);
  }

  insert(...texts: Texts): StreamEvent {
    return change({ kind: "insert", relation: this.relation, row: rowOfTexts(texts) });
  }

  update(old: Texts, texts: Texts): StreamEvent {
    return this.updateBlind(rowOfTexts(old), rowOfTexts(texts), false);
  }

  /** `old` absent or only the identity's columns: there is no REPLICA IDENTITY FULL. */
  updateBlind(old: Row | undefined, row: Row, isKeyOnly = true): StreamEvent {
    return change({ kind: "update", relation: this.relation, row, old, isKeyOnly });
  }

  delete(...texts: Texts): StreamEvent {
    return change({
      kind: "delete",
      relation: this.relation,
      old: rowOfTexts(texts),
      isKeyOnly: false,
    });
  }

  deleteBlind(...texts: Texts): StreamEvent {
    return change({
      kind: "delete",
      relation: this.relation,
      old: rowOfTexts(texts),
      isKeyOnly: true,
    });
  }

  truncate(): StreamEvent {
    return change({ kind: "truncate", relations: [this.relation] });
  }
}

function change(change: Change): StreamEvent {
  return { kind: "change", change };
}

/** All items of the log that are to be seen, from the tail. */
export function logItems(shape: Shape): Item[] {
  const items: Item[] = [];
  for (let offset: Offset = SNAPSHOT_END;;) {
    const page = shape.page({ kind: "at", offset });
    if (page?.body.kind !== "bytes") throw new TypeError("Not in the tail");
    if (!page.hasData) return items;
    items.push(...parseItems(page.body.bytes));
    offset = page.until;
  }
}

/** All items of the log that the store holds. */
export async function storedItems(store: DrivenStore, handle: string): Promise<Item[]> {
  const items: Item[] = [];
  const end = { lsn: 2n ** 64n, op: 0 };
  for await (const { bytes } of store.readLog(handle, SNAPSHOT_END, end)) {
    items.push(...parseItems(bytes));
  }
  return items;
}

/** Items as `<operation> <key's last part> @<lsn>_<op>`. */
export function summary(shape: Shape): string[] {
  return logItems(shape).map(({ key, headers }) =>
    `${headers.operation} ${
      key.slice(key.lastIndexOf("/") + 1)
    } @${headers.lsn}_${headers.op_position}`
  );
}
