/** Compares the rows that the database has now with what a shape's log materialises to. */

import { readCopyRows } from "../log/copy_reader.ts";
import type { ItemEncoder } from "../log/item_encoder.ts";
import { JsonWriter } from "../log/json_writer.ts";
import { Row } from "../row.ts";
import type { Shape } from "../shape.ts";
import { type Difference, type DifferenceLog, sizeOf } from "./difference_log.ts";
import type { Fold } from "./fold.ts";
import { rowOfItem } from "./log_row.ts";

/** New rows that wait for their old ones to be read from the log. */
const WAITING_BYTES_MAX = 16 * 1024 * 1024;
const SLAB_BYTES = 64 * 1024;

/** A new row, and the number of the item that has its old one. */
interface Waiting {
  readonly row: Row;
  readonly xids: readonly number[];
}

const sharedWriter = new JsonWriter();

export class Comparison {
  readonly #shape: Shape;
  readonly #fold: Fold;
  readonly #log: DifferenceLog;
  readonly #writer = sharedWriter;
  readonly #encoder: ItemEncoder;
  readonly #columnCount: number;
  readonly #copies: RowCopies;
  /** Updates whose readers are told of the old values, by the number of the item with these. */
  #waiting = new Map<number, Waiting>();
  #waitingBytes = 0;
  rows = 0;

  constructor(shape: Shape, fold: Fold, log: DifferenceLog, encoder: ItemEncoder) {
    this.#shape = shape;
    this.#fold = fold;
    this.#log = log;
    this.#encoder = encoder;
    this.#columnCount = shape.definition.columns.length;
    this.#copies = new RowCopies(this.#columnCount);
  }

  /** Rows of the database in COPY's text format, each with its xmin at the end. */
  add(copyText: Uint8Array): Promise<void> | undefined {
    readCopyRows(copyText, this.#columnCount + 1, this.#compare);
    return this.#log.isFull || this.#waitingBytes > WAITING_BYTES_MAX ? this.#relieve() : undefined;
  }

  /** No more rows come: what the database did not have is deleted, and all is appended. */
  async finish(deletedXids: readonly number[]): Promise<void> {
    await this.#tellWaiting();
    if (this.#fold.table.doomUnseen() > 0) await this.#tellDeletes(deletedXids);
    await this.#log.flush(true);
  }

  /** One function for all rows: it is called for each of them. */
  readonly #compare = (row: Row): void => {
    const writer = this.#writer, { hasher, table } = this.#fold;
    this.rows++;
    this.#encoder.snapshotRow(writer, row);
    const bytes = writer.written();
    hasher.scanner.scan(bytes, 0);
    hasher.key(bytes);
    hasher.row(bytes);
    writer.truncate(0);
    const at = table.enter(hasher.keyLo, hasher.keyHi);
    table.markSeen(at);
    if (table.isLater(at)) return;
    const isKnown = table.isPresent(at);
    if (isKnown && table.isRow(at, hasher.rowLo, hasher.rowHi)) return;
    table.setRow(at, hasher.rowLo, hasher.rowHi);
    if (!isKnown) table.markPending(at);
    this.#note(isKnown ? "update" : "insert", row, table.itemOf(at));
  };

  #note(kind: "insert" | "update", row: Row, item: number): void {
    const kept = this.#copies.copy(row);
    const xmin = row.text(this.#columnCount);
    const xids = xmin === null ? [] : [Number(xmin)];
    if (kind === "update" && this.#shape.definition.replica === "full") {
      this.#waiting.set(item, { row: kept, xids });
      this.#waitingBytes += sizeOf(kept);
    } else this.#log.add(this.#difference(kind, undefined, kept, xids));
  }

  /** Its key is the one hashed last. */
  #difference(
    kind: Difference["kind"],
    old: Row | undefined,
    row: Row | undefined,
    xids: readonly number[],
  ): Difference {
    const { keyLo, keyHi } = this.#fold.hasher;
    return { kind, old, row, xids, keyLo, keyHi };
  }

  async #relieve(): Promise<void> {
    if (this.#waitingBytes > WAITING_BYTES_MAX) await this.#tellWaiting();
    await this.#log.flush(false);
  }

  readonly #pause = (): Promise<void> | undefined =>
    this.#log.isFull ? this.#log.flush(false) : undefined;

  /** Reads the old rows of updates from the log. */
  async #tellWaiting(): Promise<void> {
    if (this.#waiting.size === 0) return;
    const waiting = this.#waiting;
    this.#waiting = new Map();
    this.#waitingBytes = 0;
    const { definition } = this.#shape;
    await this.#fold.eachItem((bytes, start, end, number) => {
      const update = waiting.get(number);
      if (!update) return;
      const old = rowOfItem(definition, bytes, start, end);
      this.#log.add(this.#difference("update", old, update.row, update.xids));
    }, this.#pause);
  }

  /** The first item of each doomed key names it; with `replica=full` the last one has the row. */
  async #tellDeletes(xids: readonly number[]): Promise<void> {
    const { definition } = this.#shape;
    const { table } = this.#fold;
    const isFull = definition.replica === "full";
    await this.#fold.eachItem((bytes, start, end, number, at) => {
      if (!table.isDoomed(at) || (isFull && table.itemOf(at) !== number)) return;
      table.spare(at);
      if (table.isLater(at)) return;
      table.remove(at);
      table.markPending(at);
      const old = rowOfItem(definition, bytes, start, end);
      this.#log.add(this.#difference("delete", old, undefined, xids));
    }, this.#pause);
  }
}

/** Copies rows that are valid only for now into memory of many: one for each is a waste. */
class RowCopies {
  readonly #columns: number;
  #slab = new Uint8Array(0);
  #end = 0;

  constructor(columns: number) {
    this.#columns = columns;
  }

  /** The columns of the row, and none that follow. */
  copy({ bytes, starts, lengths }: Row): Row {
    const columns = this.#columns;
    const from = starts[0];
    const size = starts[columns - 1] + Math.max(0, lengths[columns - 1]) - from;
    if (this.#end + size > this.#slab.length) {
      this.#slab = new Uint8Array(Math.max(SLAB_BYTES, size));
      this.#end = 0;
    }
    const to = this.#end;
    this.#slab.set(bytes.subarray(from, from + size), to);
    this.#end += size;
    const kept = new Array<number>(columns);
    for (let i = 0; i < columns; i++) kept[i] = starts[i] - from + to;
    return new Row(this.#slab, kept, lengths.slice(0, columns));
  }
}
