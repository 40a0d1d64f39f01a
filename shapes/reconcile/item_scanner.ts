/**
 * Reads stored log items without making objects of them: where the key is, where each column's text
 * is, and what the headers say. Knows just the items that `ItemEncoder` writes.
 */

const QUOTE = 0x22, BACKSLASH = 0x5c, COMMA = 0x2c, OPEN = 0x7b, CLOSE = 0x7d;
const OPEN_LIST = 0x5b, CLOSE_LIST = 0x5d, ZERO = 0x30, NINE = 0x39;

const encoder = new TextEncoder();
const KEY = encoder.encode(',{"key":"');
const CONTROL = encoder.encode(',{"headers":{');
const VALUE = encoder.encode(',"value":{');
const OLD_VALUE = encoder.encode(',"old_value":');
const OPERATION = encoder.encode(',"headers":{"operation":"');
const LSN = encoder.encode("lsn"), TXIDS = encoder.encode("txids");
/** The braces of the headers and of the item. */
const END = encoder.encode("}}");
const NULL_TEXT = encoder.encode("null");
const OPERATIONS: readonly { readonly kind: ItemKind; readonly text: Uint8Array }[] = [
  { kind: "insert", text: encoder.encode('insert"') },
  { kind: "update", text: encoder.encode('update"') },
  { kind: "delete", text: encoder.encode('delete"') },
];

export type ItemKind = "insert" | "update" | "delete" | "control";

/** The columns of a scanned item: `ABSENT` where it does not name one, `NULL` where that is null. */
export const ABSENT = -1, NULL = -2;

export class ItemScanner {
  kind: ItemKind = "control";
  /** The key's JSON text, without its quotes. */
  keyStart = 0;
  keyEnd = 0;
  /** By column: where its JSON text begins, without quotes, or `ABSENT` or `NULL`; and where it ends. */
  readonly starts: Int32Array;
  readonly ends: Int32Array;
  /** Whether it names every column. */
  isWhole = false;
  /** Where the digits of `lsn` are; empty for items of a snapshot. */
  lsnStart = 0;
  lsnEnd = 0;
  /** First of its `txids`; undefined if it names none. */
  xid: number | undefined;
  readonly #names: readonly Uint8Array[];

  /** `columns`: names in the order that items have them in. */
  constructor(columns: readonly string[]) {
    this.#names = columns.map((name) => encoder.encode(`${JSON.stringify(name)}:`));
    this.starts = new Int32Array(columns.length);
    this.ends = new Int32Array(columns.length);
  }

  /**
   * Reads the item whose leading comma is at `at`. Answers where it ends, or -1 if the bytes end
   * first: what it says is then of no use. Throws `SyntaxError` on what is no item.
   */
  scan(bytes: Uint8Array, at: number): number {
    if (bytes[at] !== COMMA) throw new SyntaxError(`Expected an item at byte ${at}`);
    this.lsnStart = this.lsnEnd = 0;
    this.xid = undefined;
    if (!matches(bytes, at, KEY)) {
      if (endsWithin(bytes, at, KEY) || endsWithin(bytes, at, CONTROL)) return -1;
      if (!matches(bytes, at, CONTROL)) throw new SyntaxError(`Expected an item at byte ${at}`);
      this.kind = "control";
      return skipValue(bytes, at + 1);
    }
    this.keyStart = at + KEY.length;
    this.keyEnd = stringEnd(bytes, this.keyStart);
    if (this.keyEnd < 0) return -1;
    let next = this.keyEnd + 1;
    if (!matches(bytes, next, VALUE)) return cutOff(bytes, next, VALUE);
    next = this.#columns(bytes, next + VALUE.length);
    if (next < 0) return -1;
    if (matches(bytes, next, OLD_VALUE)) next = skipValue(bytes, next + OLD_VALUE.length);
    if (next < 0) return -1;
    if (!matches(bytes, next, OPERATION)) {
      return endsWithin(bytes, next, OLD_VALUE) ? -1 : cutOff(bytes, next, OPERATION);
    }
    return this.#headers(bytes, next + OPERATION.length);
  }

  /** The members of `value`; answers what follows its closing brace. */
  #columns(bytes: Uint8Array, from: number): number {
    const { starts, ends } = this;
    let at = from, named = 0;
    starts.fill(ABSENT);
    for (let column = 0; column < this.#names.length; column++) {
      if (bytes[at] === CLOSE) break;
      const name = this.#names[column];
      if (!matches(bytes, at, name)) {
        if (endsWithin(bytes, at, name)) return -1;
        continue;
      }
      named++;
      const start = at + name.length;
      if (bytes[start] === QUOTE) {
        const end = stringEnd(bytes, start + 1);
        if (end < 0) return -1;
        starts[column] = start + 1;
        ends[column] = end;
        at = end + 1;
      } else if (matches(bytes, start, NULL_TEXT)) {
        starts[column] = NULL;
        at = start + NULL_TEXT.length;
      } else return cutOff(bytes, start, NULL_TEXT);
      // What follows a comma is a member: one that is not expected here is an error below.
      if (bytes[at] === COMMA) at++;
    }
    if (at >= bytes.length) return -1;
    if (bytes[at] !== CLOSE) throw new SyntaxError(`Unexpected column at byte ${at}`);
    this.isWhole = named === this.#names.length;
    return at + 1;
  }

  /** From the operation's name to behind the item. */
  #headers(bytes: Uint8Array, from: number): number {
    const operation = OPERATIONS.find(({ text }) => matches(bytes, from, text));
    if (!operation) {
      return OPERATIONS.some(({ text }) => endsWithin(bytes, from, text))
        ? -1
        : cutOff(bytes, from, OPERATIONS[0].text);
    }
    this.kind = operation.kind;
    let at = from + operation.text.length;
    while (bytes[at] === COMMA) {
      const nameStart = at + 2, nameEnd = stringEnd(bytes, nameStart);
      if (nameEnd < 0) return -1;
      const start = nameEnd + 2;
      at = skipValue(bytes, start);
      if (at < 0) return -1;
      if (isName(bytes, nameStart, nameEnd, LSN)) {
        this.lsnStart = start + 1;
        this.lsnEnd = at - 1;
      } else if (isName(bytes, nameStart, nameEnd, TXIDS)) this.xid = firstNumber(bytes, start + 1);
    }
    return matches(bytes, at, END) ? at + END.length : cutOff(bytes, at, END);
  }
}

/** -1 if the bytes end before the text could have been read. Throws `SyntaxError` if it is not there. */
function cutOff(bytes: Uint8Array, at: number, text: Uint8Array): -1 {
  if (endsWithin(bytes, at, text)) return -1;
  throw new SyntaxError(`Unexpected byte after byte ${at}`);
}

/** Whether the bytes end before the text does, and are its beginning up to there. */
function endsWithin(bytes: Uint8Array, at: number, text: Uint8Array): boolean {
  const length = bytes.length - at;
  if (length >= text.length) return false;
  for (let i = 0; i < length; i++) if (bytes[at + i] !== text[i]) return false;
  return true;
}

function isName(bytes: Uint8Array, start: number, end: number, name: Uint8Array): boolean {
  return end - start === name.length && matches(bytes, start, name);
}

function matches(bytes: Uint8Array, at: number, text: Uint8Array): boolean {
  for (let i = 0; i < text.length; i++) if (bytes[at + i] !== text[i]) return false;
  return true;
}

/** Where the string's closing quote is, or -1. */
function stringEnd(bytes: Uint8Array, from: number): number {
  for (let at = from; at < bytes.length; at++) {
    const code = bytes[at];
    if (code === QUOTE) return at;
    if (code === BACKSLASH) at++;
  }
  return -1;
}

/** Behind the JSON value that begins here, or -1 if the bytes end first. */
function skipValue(bytes: Uint8Array, from: number): number {
  let depth = 0;
  for (let at = from; at < bytes.length; at++) {
    const code = bytes[at];
    if (code === QUOTE) {
      at = stringEnd(bytes, at + 1);
      if (at < 0) return -1;
      if (depth === 0) return at + 1;
    } else if (code === OPEN || code === OPEN_LIST) depth++;
    else if (code === CLOSE || code === CLOSE_LIST) {
      // A brace that closes what is around a number or a word.
      if (depth === 0) return at;
      if (--depth === 0) return at + 1;
    } else if (code === COMMA && depth === 0) return at;
  }
  return -1;
}

function firstNumber(bytes: Uint8Array, from: number): number | undefined {
  let number = 0, at = from;
  for (; bytes[at] >= ZERO && bytes[at] <= NINE; at++) number = number * 10 + bytes[at] - ZERO;
  return at === from ? undefined : number;
}

/** The number in these digits. */
export function parseDigits(bytes: Uint8Array, start: number, end: number): bigint {
  return BigInt(String.fromCharCode(...bytes.subarray(start, end)));
}

/** Hands over item by item from pieces that may end anywhere. */
export class ItemSplitter {
  readonly #scanner: ItemScanner;
  #rest: Uint8Array[] = [];
  #restBytes = 0;
  /** What has been tried in vain is not tried again before it has doubled. */
  #wantedBytes = 0;

  constructor(scanner: ItemScanner) {
    this.#scanner = scanner;
  }

  /** Calls `visit` with the bytes that the scanner's places are in, for each item that is whole. */
  push(piece: Uint8Array, visit: (bytes: Uint8Array, start: number, end: number) => void): void {
    let bytes = piece;
    if (this.#restBytes > 0) {
      this.#rest.push(piece);
      this.#restBytes += piece.length;
      if (this.#restBytes < this.#wantedBytes) return;
      bytes = this.#join();
    }
    this.#split(bytes, visit);
  }

  /** No more pieces come. Throws `SyntaxError` if an item is cut off. */
  finish(visit: (bytes: Uint8Array, start: number, end: number) => void): void {
    if (this.#restBytes === 0) return;
    this.#split(this.#join(), visit);
    if (this.#restBytes > 0) throw new SyntaxError("The last item is cut off");
  }

  #split(bytes: Uint8Array, visit: (bytes: Uint8Array, start: number, end: number) => void): void {
    let at = 0;
    while (at < bytes.length) {
      const end = this.#scanner.scan(bytes, at);
      if (end < 0) break;
      visit(bytes, at, end);
      at = end;
    }
    if (at === bytes.length) return;
    this.#rest = [bytes.subarray(at)];
    this.#restBytes = bytes.length - at;
    this.#wantedBytes = at === 0 ? this.#restBytes * 2 : 0;
  }

  #join(): Uint8Array {
    const bytes = new Uint8Array(this.#restBytes);
    let at = 0;
    for (const part of this.#rest) {
      bytes.set(part, at);
      at += part.length;
    }
    this.#rest = [];
    this.#restBytes = 0;
    return bytes;
  }
}
