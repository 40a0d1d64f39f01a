/**
 * Writes log items: the messages that clients get (WIRE.md 4.2 to 4.4), each preceded by a comma so
 * that stored bytes can be joined to a response as they are. Values go from the source's bytes to
 * the item's without becoming text in between.
 */

import type { Row } from "../row.ts";
import { NULL_LENGTH } from "../row.ts";
import type { Table, TableColumn } from "../table.ts";
import type { JsonWriter } from "./json_writer.ts";

const encoder = new TextEncoder();
const bytes = (text: string) => encoder.encode(text);
const jsonInside = (text: string) => JSON.stringify(text).slice(1, -1);

const ITEM = bytes(',{"key":"');
const VALUE = bytes('","value":{');
const OLD_VALUE = bytes('},"old_value":{');
const COMMA = 0x2c, SLASH = 0x2f;
const NULL = bytes("null");
const KEY_NULL = bytes("/_");
const KEY_OPEN = bytes('/\\"');
const KEY_CLOSE = bytes('\\"');
const TRUE = bytes("true"), FALSE = bytes("false");
const KEY_CHANGE_TO = bytes(',"key_change_to":"');
const KEY_CHANGE_FROM = bytes(',"key_change_from":"');
const END = bytes("}}");
const LAST_END = bytes(',"last":true}}');
const QUOTE = bytes('"');

/** What an item says of its transaction: `,"lsn":"…","txids":[…],"op_position":`. */
export type TransactionHeader = Uint8Array;

/** Byte by byte: arrays as small as these then need no memory from outside of JavaScript's heap. */
export function transactionHeader(commitLsn: bigint, xid: number): TransactionHeader {
  const text = `,"lsn":"${commitLsn}","txids":[${xid}],"op_position":`;
  const header = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) header[i] = text.charCodeAt(i);
  return header;
}

/** Of an item that no single transaction made; without `xids` it names none. */
export function reconciledHeader(lsn: bigint, xids: readonly number[]): TransactionHeader {
  const txids = xids.length > 0 ? `,"txids":[${xids}]` : "";
  return bytes(`,"lsn":"${lsn}"${txids},"op_position":`);
}

export interface ItemLayout {
  readonly table: Table;
  /** Selected columns in the order they are written. */
  readonly columns: readonly TableColumn[];
  readonly key: readonly TableColumn[];
  readonly replica: "default" | "full";
}

/**
 * How a key column's text is spelled. Snapshots print booleans and host addresses in another way
 * than the stream; a key must be one and the same in both, so the stream's is brought to the
 * snapshot's.
 */
type KeySpelling = "plain" | "bool" | "inet";

/** Encodes the rows of one layout as they come in one column order. */
export class ItemEncoder {
  readonly #layout: ItemLayout;
  /** Of each selected column: its place in the row, and `"name":` with what goes before. */
  readonly #places: readonly number[];
  readonly #names: readonly Uint8Array[];
  readonly #isKey: readonly boolean[];
  readonly #keyPlaces: readonly number[];
  readonly #keySpellings: readonly KeySpelling[];
  readonly #keyStart: Uint8Array;
  readonly #insertEnd: Uint8Array;
  readonly #updateEnd: Uint8Array;
  readonly #deleteEnd: Uint8Array;

  /** `placeOf` gives a column's place in the rows to come. */
  constructor(layout: ItemLayout, placeOf: (column: string) => number) {
    const { table, columns, key } = layout;
    this.#layout = layout;
    this.#places = columns.map(({ name }) => placeOf(name));
    this.#names = columns.map(({ name }) => bytes(`${JSON.stringify(name)}:`));
    this.#isKey = columns.map((column) => key.includes(column));
    this.#keyPlaces = key.map(({ name }) => placeOf(name));
    this.#keySpellings = key.map(keySpelling);
    this.#keyStart = bytes(jsonInside(formatRelation(table)));
    const end = (operation: string) =>
      bytes(
        `},"headers":{"operation":"${operation}","relation":` +
          JSON.stringify([table.schema, table.name]),
      );
    this.#insertEnd = end("insert");
    this.#updateEnd = end("update");
    this.#deleteEnd = end("delete");
  }

  /** A row of the snapshot. Bools and addresses must come in the snapshot's spelling. */
  snapshotRow(writer: JsonWriter, row: Row): void {
    this.#head(writer, row);
    this.#allValues(writer, row);
    writer.raw(this.#insertEnd);
    writer.raw(END);
  }

  insert(
    writer: JsonWriter,
    row: Row,
    header: TransactionHeader,
    op: number,
    isLast: boolean,
  ): void {
    this.#head(writer, row);
    this.#allValues(writer, row);
    this.#tail(writer, this.#insertEnd, header, op, isLast);
  }

  delete(
    writer: JsonWriter,
    row: Row,
    header: TransactionHeader,
    op: number,
    isLast: boolean,
  ): void {
    this.#head(writer, row);
    if (this.#layout.replica === "full") this.#allValues(writer, row);
    else this.#keyValues(writer, row);
    this.#tail(writer, this.#deleteEnd, header, op, isLast);
  }

  /** An update that leaves the key as it was. `old` undefined: unknown, all columns are sent. */
  update(
    writer: JsonWriter,
    old: Row | undefined,
    row: Row,
    header: TransactionHeader,
    op: number,
    isLast: boolean,
  ): void {
    this.#head(writer, row);
    if (this.#layout.replica === "full" || old === undefined) this.#allValues(writer, row);
    else this.#changedValues(writer, old, row, row, true);
    if (this.#layout.replica === "full" && old !== undefined) {
      writer.raw(OLD_VALUE);
      this.#changedValues(writer, old, row, old, false);
    }
    this.#tail(writer, this.#updateEnd, header, op, isLast);
  }

  /** An update of the key: a delete at `op` and an insert at `op + 1` that name each other. */
  keyChange(
    writer: JsonWriter,
    old: Row,
    row: Row,
    header: TransactionHeader,
    op: number,
    isLast: boolean,
  ): void {
    this.#head(writer, old);
    if (this.#layout.replica === "full") this.#allValues(writer, old);
    else this.#keyValues(writer, old);
    writer.raw(this.#deleteEnd);
    writer.raw(KEY_CHANGE_TO);
    this.#key(writer, row);
    writer.raw(QUOTE);
    this.#ending(writer, header, op, false);
    this.#head(writer, row);
    this.#allValues(writer, row);
    writer.raw(this.#insertEnd);
    writer.raw(KEY_CHANGE_FROM);
    this.#key(writer, old);
    writer.raw(QUOTE);
    this.#ending(writer, header, op + 1, isLast);
  }

  /** The key's JSON text, without its quotes. */
  key(writer: JsonWriter, row: Row): void {
    this.#key(writer, row);
  }

  hasSameKey(a: Row, b: Row): boolean {
    for (const place of this.#keyPlaces) if (!isSameValue(a, b, place)) return false;
    return true;
  }

  hasSameValues(a: Row, b: Row): boolean {
    for (const place of this.#places) if (!isSameValue(a, b, place)) return false;
    return true;
  }

  #head(writer: JsonWriter, row: Row): void {
    writer.raw(ITEM);
    this.#key(writer, row);
    writer.raw(VALUE);
  }

  #tail(
    writer: JsonWriter,
    end: Uint8Array,
    header: TransactionHeader,
    op: number,
    isLast: boolean,
  ): void {
    writer.raw(end);
    this.#ending(writer, header, op, isLast);
  }

  #ending(writer: JsonWriter, header: TransactionHeader, op: number, isLast: boolean): void {
    writer.raw(header);
    writer.integer(op);
    writer.raw(isLast ? LAST_END : END);
  }

  #key(writer: JsonWriter, row: Row): void {
    writer.raw(this.#keyStart);
    for (let i = 0; i < this.#keyPlaces.length; i++) {
      const place = this.#keyPlaces[i];
      const length = row.lengths[place];
      if (length < 0) {
        writer.raw(KEY_NULL);
        continue;
      }
      writer.raw(KEY_OPEN);
      const start = row.starts[place];
      if (this.#keySpellings[i] === "plain") writeKeyText(writer, row.bytes, start, start + length);
      else if (this.#keySpellings[i] === "bool") writeKeyBool(writer, row.bytes[start]);
      else writeKeyAddress(writer, row.bytes, start, start + length);
      writer.raw(KEY_CLOSE);
    }
  }

  #allValues(writer: JsonWriter, row: Row): void {
    for (let i = 0; i < this.#places.length; i++) {
      if (i > 0) writer.byte(COMMA);
      writer.raw(this.#names[i]);
      writeValue(writer, row, this.#places[i]);
    }
  }

  #keyValues(writer: JsonWriter, row: Row): void {
    let count = 0;
    for (let i = 0; i < this.#places.length; i++) {
      if (!this.#isKey[i]) continue;
      if (count++ > 0) writer.byte(COMMA);
      writer.raw(this.#names[i]);
      writeValue(writer, row, this.#places[i]);
    }
  }

  /** The columns of `from` that differ between the two rows, and the key's if wanted. */
  #changedValues(writer: JsonWriter, old: Row, row: Row, from: Row, isWithKey: boolean): void {
    let count = 0;
    for (let i = 0; i < this.#places.length; i++) {
      const place = this.#places[i];
      if (!(isWithKey && this.#isKey[i]) && isSameValue(old, row, place)) continue;
      if (count++ > 0) writer.byte(COMMA);
      writer.raw(this.#names[i]);
      writeValue(writer, from, place);
    }
  }
}

/** `"schema"."table"`, as keys begin. Quotes are doubled, as SQL has it. */
export function formatRelation({ schema, name }: { schema: string; name: string }): string {
  return `"${schema.replaceAll('"', '""')}"."${name.replaceAll('"', '""')}"`;
}

function keySpelling(column: TableColumn): KeySpelling {
  if (column.dims > 0) return "plain";
  if (column.baseTypeName === "bool") return "bool";
  return column.baseTypeName === "inet" ? "inet" : "plain";
}

function writeValue(writer: JsonWriter, row: Row, place: number): void {
  const length = row.lengths[place];
  if (length < 0) return writer.raw(NULL);
  const start = row.starts[place];
  writer.raw(QUOTE);
  writer.escaped(row.bytes, start, start + length);
  writer.raw(QUOTE);
}

function writeKeyText(writer: JsonWriter, source: Uint8Array, from: number, to: number): void {
  for (let i = from; i < to; i++) {
    const code = source[i];
    writer.escapedByte(code);
    if (code === SLASH) writer.byte(SLASH);
  }
}

const LETTER_T = 0x74, COLON = 0x3a;

function writeKeyBool(writer: JsonWriter, firstLetter: number): void {
  writer.raw(firstLetter === LETTER_T ? TRUE : FALSE);
}

/** A host address has its mask added; the slash before it is doubled as in every key. */
function writeKeyAddress(writer: JsonWriter, source: Uint8Array, from: number, to: number): void {
  writeKeyText(writer, source, from, to);
  const address = source.subarray(from, to);
  if (address.includes(SLASH)) return;
  writer.text(address.includes(COLON) ? "//128" : "//32");
}

function isSameValue(a: Row, b: Row, place: number): boolean {
  const length = a.lengths[place];
  if (length !== b.lengths[place]) return false;
  if (length <= 0) return length === 0 || length === NULL_LENGTH;
  const from = a.starts[place], other = b.starts[place];
  const left = a.bytes, right = b.bytes;
  for (let i = 0; i < length; i++) if (left[from + i] !== right[other + i]) return false;
  return true;
}
