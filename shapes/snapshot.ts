/** Fills a new shape: rows from the source become items of its snapshot, as they come. */

import { readCopyRows } from "./log/copy_reader.ts";
import { ItemEncoder } from "./log/item_encoder.ts";
import { JsonWriter } from "./log/json_writer.ts";
import { QUEUED_BYTES_HIGH, type ShapeStore } from "./log/store.ts";
import type { SnapshotRequest, SnapshotSink, Source, Visibility } from "./ports.ts";
import type { Row } from "./row.ts";
import type { Shape } from "./shape.ts";
import { formatVisibility, parseVisibilityText, type VisibilityText } from "./visibility_text.ts";

/** Items are handed on in pieces of about this size: what one value of the store holds. */
const PIECE_BYTES = 56 * 1024;

/** What is kept of a snapshot besides its bytes. */
export interface StoredSnapshot {
  readonly chunks: readonly number[];
  readonly visibility: Visibility;
}

export interface SnapshotOptions {
  readonly source: Pick<Source, "snapshot">;
  readonly store: ShapeStore;
  readonly chunkBytes: number;
  readonly signal: AbortSignal;
  /** Brings the position of what the source tells to that of the logs. */
  place(visibility: Visibility): Visibility;
  /** The snapshot is about to be taken: from now on the stream's changes concern the shape. */
  onReserved(): void;
  /** It has been taken, or never will be. */
  onVisible(visibility: Visibility): void;
}

/** Reads the shape's rows and stores them; resolves to their number when all of it is durable. */
export async function fillShape(shape: Shape, options: SnapshotOptions): Promise<number> {
  const { source, store, signal, onReserved } = options;
  const filler = new Filler(shape, options);
  await source.snapshot(snapshotRequest(shape), filler, { onReserved, signal });
  filler.finish();
  const { visibility } = shape;
  if (!visibility) throw new TypeError("The source ended without a snapshot");
  store.completeSnapshot(
    shape.handle,
    formatStoredSnapshot({ chunks: shape.snapshotChunks, visibility }),
  );
  await store.flushed();
  return filler.count;
}

function snapshotRequest({ definition }: Shape): SnapshotRequest {
  return {
    table: definition.table,
    columns: definition.columns.map(({ name }) => name),
    where: definition.where?.sql,
    hasRows: definition.log === "full",
    purpose: "snapshot",
  };
}

/** One for all: it is empty whenever a call of `rows()` has ended, and a slab for each is a waste. */
const sharedWriter = new JsonWriter();

class Filler implements SnapshotSink {
  readonly #shape: Shape;
  readonly #options: SnapshotOptions;
  readonly #writer = sharedWriter;
  readonly #encoder: ItemEncoder;
  readonly #columnCount: number;
  #chunkBytes = 0;
  /** Rows so far. */
  count = 0;

  constructor(shape: Shape, options: SnapshotOptions) {
    this.#shape = shape;
    this.#options = options;
    const { columns } = shape.definition;
    this.#columnCount = columns.length;
    const placeOf = (name: string) => columns.findIndex((column) => column.name === name);
    this.#encoder = new ItemEncoder(shape.definition, placeOf);
  }

  visible(visibility: Visibility): void {
    const placed = this.#options.place(visibility);
    this.#shape.markVisible(placed);
    this.#options.onVisible(placed);
  }

  rows(copyText: Uint8Array): Promise<void> | undefined {
    readCopyRows(copyText, this.#columnCount, this.#visit);
    // The first reader must not wait for a piece to fill up.
    if (this.#writer.length > 0) this.#emit(false);
    return this.#isBehind() ? this.#options.store.flushed() : undefined;
  }

  /** The end of the snapshot, alone in a chunk if the last row closed the one before. */
  finish(): void {
    const { visibility } = this.#shape;
    if (!visibility) return;
    const { xmin, xmax, inProgress } = visibility;
    const headers = {
      control: "snapshot-end",
      xmin: `${xmin}`,
      xmax: `${xmax}`,
      xip_list: inProgress.map((xid) => `${xid}`),
    };
    this.#writer.text(`,${JSON.stringify({ headers })}`);
    this.#emit(true);
  }

  /** One function for all rows: it is called for each of them. */
  readonly #visit = (row: Row): void => {
    const before = this.#writer.length;
    this.#encoder.snapshotRow(this.#writer, row);
    this.count++;
    this.#chunkBytes += this.#writer.length - before;
    if (this.#chunkBytes >= this.#options.chunkBytes) {
      this.#emit(true);
      this.#chunkBytes = 0;
    } else if (this.#writer.length >= PIECE_BYTES) {
      this.#emit(false);
    }
  };

  #emit(isChunkEnd: boolean): void {
    this.#shape.appendSnapshot(this.#writer.take(), isChunkEnd);
  }

  #isBehind(): boolean {
    return this.#options.store.queuedBytes > QUEUED_BYTES_HIGH;
  }
}

export function formatStoredSnapshot({ chunks, visibility }: StoredSnapshot): string {
  return JSON.stringify({ chunks, ...formatVisibility(visibility) });
}

export function parseStoredSnapshot(text: string): StoredSnapshot {
  const stored = JSON.parse(text) as VisibilityText & { chunks: number[] };
  return { chunks: stored.chunks, visibility: parseVisibilityText(stored) };
}
