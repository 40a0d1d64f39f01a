/** Log items as `ItemEncoder` writes them, and what is read out of them in place, for tests. */

import { ItemEncoder } from "../../shapes/log/item_encoder.ts";
import { reconciledHeader, transactionHeader } from "../../shapes/log/item_encoder.ts";
import { JsonWriter } from "../../shapes/log/json_writer.ts";
import {
  ABSENT,
  type ItemKind,
  type ItemScanner,
  NULL,
} from "../../shapes/reconcile/item_scanner.ts";
import { rowOfTexts } from "../../shapes/row.ts";
import type { ShapeDefinition } from "../../shapes/definition.ts";

export type Texts = readonly (string | null)[];

export interface Scanned {
  readonly kind: ItemKind;
  readonly key: string;
  /** By column; undefined where the item does not name it. */
  readonly values: readonly (string | null | undefined)[];
  readonly lsn: string;
  readonly xid: number | undefined;
}

const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/** What the scanner has found in its last item. */
export function scanned(scanner: ItemScanner, bytes: Uint8Array): Scanned {
  const { kind, keyStart, keyEnd, starts, ends, lsnStart, lsnEnd, xid } = scanner;
  const text = (from: number, to: number) => decoder.decode(bytes.subarray(from, to));
  if (kind === "control") return { kind, key: "", values: [], lsn: "", xid: undefined };
  const values = [...starts].map((start, column) => {
    if (start === ABSENT) return undefined;
    return start === NULL ? null : JSON.parse(`"${text(start, ends[column])}"`) as string;
  });
  const key = JSON.parse(`"${text(keyStart, keyEnd)}"`) as string;
  return { kind, key, values, lsn: text(lsnStart, lsnEnd), xid };
}

/** Writes items of one shape from rows in the order of its columns. */
export class ItemBytes {
  readonly writer = new JsonWriter();
  readonly #encoder: ItemEncoder;
  #op = 0;

  constructor(readonly definition: ShapeDefinition, readonly lsn = 100n, readonly xid = 700) {
    const place = (name: string) => definition.columns.findIndex((column) => column.name === name);
    this.#encoder = new ItemEncoder(definition, place);
  }

  snapshotRow(texts: Texts): this {
    this.#encoder.snapshotRow(this.writer, rowOfTexts(texts));
    return this;
  }

  insert(texts: Texts, isLast = false): this {
    this.#encoder.insert(this.writer, rowOfTexts(texts), this.#header, this.#op++, isLast);
    return this;
  }

  update(old: Texts | undefined, texts: Texts, isLast = false): this {
    const before = old && rowOfTexts(old);
    this.#encoder.update(this.writer, before, rowOfTexts(texts), this.#header, this.#op++, isLast);
    return this;
  }

  delete(texts: Texts, isLast = false): this {
    this.#encoder.delete(this.writer, rowOfTexts(texts), this.#header, this.#op++, isLast);
    return this;
  }

  keyChange(old: Texts, texts: Texts, isLast = false): this {
    const [before, after] = [rowOfTexts(old), rowOfTexts(texts)];
    this.#encoder.keyChange(this.writer, before, after, this.#header, this.#op, isLast);
    this.#op += 2;
    return this;
  }

  /** An item of a reconcile. */
  reconciled(texts: Texts, xids: readonly number[]): this {
    const header = reconciledHeader(this.lsn | 1n, xids);
    this.#encoder.insert(this.writer, rowOfTexts(texts), header, this.#op++, true);
    return this;
  }

  control(headers: Readonly<Record<string, unknown>>): this {
    this.writer.text(`,${JSON.stringify({ headers })}`);
    return this;
  }

  take(): Uint8Array {
    return this.writer.take().slice();
  }

  get #header() {
    return transactionHeader(this.lsn, this.xid);
  }
}
