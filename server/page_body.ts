import type { Page, PageBody } from "../shapes/service.ts";
import type { AnswerBody, BodySource } from "./answer.ts";
import { BODY_PIECE_BYTES } from "./limits.ts";

const OPEN = 0x5b;
const CLOSE = 0x5d;
const EMPTY = new Uint8Array(0);

const encoder = new TextEncoder();

/** A control message as page bodies carry messages: JSON text after a comma. */
export function encodeItem(json: string): Uint8Array {
  return encoder.encode(`,${json}`);
}

/**
 * The JSON array of a page's messages and one more at the end, if any. The comma before the first
 * message makes room for the bracket.
 */
export function pageBody(page: Page, lastItem: Uint8Array = EMPTY): AnswerBody {
  const { body } = page;
  if (body.kind === "bytes" && body.bytes.length + lastItem.length < BODY_PIECE_BYTES) {
    return { kind: "bytes", bytes: joinArray(body.bytes, lastItem) };
  }
  return { kind: "stream", source: new ArraySource(body, lastItem), isQueued: true };
}

function joinArray(items: Uint8Array, lastItem: Uint8Array): Uint8Array {
  const length = items.length + lastItem.length;
  const bytes = new Uint8Array(Math.max(length, 1) + 1);
  bytes.set(items);
  bytes.set(lastItem, items.length);
  bytes[0] = OPEN;
  bytes[bytes.length - 1] = CLOSE;
  return bytes;
}

/** Cuts a page's bytes into pieces of at most `BODY_PIECE_BYTES`, reading as they are taken. */
export class PageSource implements BodySource {
  readonly #body: PageBody;
  #iterator: AsyncIterator<Uint8Array> | undefined;
  #bytes: Uint8Array;
  #position = 0;
  #isOver = false;

  constructor(body: PageBody) {
    this.#body = body;
    this.#bytes = body.kind === "bytes" ? body.bytes : EMPTY;
  }

  async pull(): Promise<Uint8Array | undefined> {
    while (!this.#isOver) {
      if (this.#position < this.#bytes.length) return this.#slice();
      await this.#advance();
    }
    return undefined;
  }

  close(): void {
    this.#isOver = true;
    this.#bytes = EMPTY;
    const iterator = this.#iterator;
    this.#iterator = undefined;
    // The log may be unreadable by now; whoever closes no longer wants it.
    iterator?.return?.().catch(() => {});
  }

  #slice(): Uint8Array {
    const start = this.#position;
    this.#position = start + BODY_PIECE_BYTES;
    return this.#bytes.subarray(start, this.#position);
  }

  async #advance(): Promise<void> {
    this.#bytes = EMPTY;
    this.#position = 0;
    if (this.#body.kind === "bytes") {
      this.#isOver = true;
      return;
    }
    this.#iterator ??= this.#body.open();
    const { done, value } = await this.#iterator.next();
    if (this.#isOver) return;
    if (done) {
      this.#isOver = true;
      this.#iterator = undefined;
    } else {
      this.#bytes = value;
    }
  }
}

/** A page as the pieces of a JSON array. */
class ArraySource implements BodySource {
  readonly #pages: PageSource;
  #lastItem: Uint8Array | undefined;
  #isAtStart = true;

  constructor(body: PageBody, lastItem: Uint8Array) {
    this.#pages = new PageSource(body);
    this.#lastItem = lastItem;
  }

  async pull(): Promise<Uint8Array | undefined> {
    if (this.#lastItem === undefined) return undefined;
    const piece = await this.#pages.pull();
    if (piece) return this.#isAtStart ? this.#opened(piece) : piece;
    const lastItem: Uint8Array | undefined = this.#lastItem;
    this.#lastItem = undefined;
    return lastItem && this.#closed(lastItem);
  }

  close(): void {
    this.#lastItem = undefined;
    this.#pages.close();
  }

  /** A copy: pieces are shared with other requests. `slice()` makes none of a Node buffer. */
  #opened(piece: Uint8Array): Uint8Array {
    this.#isAtStart = false;
    const copy = new Uint8Array(piece);
    copy[0] = OPEN;
    return copy;
  }

  #closed(lastItem: Uint8Array): Uint8Array {
    if (this.#isAtStart) return joinArray(EMPTY, lastItem);
    const bytes = new Uint8Array(lastItem.length + 1);
    bytes.set(lastItem);
    bytes[lastItem.length] = CLOSE;
    return bytes;
  }
}
