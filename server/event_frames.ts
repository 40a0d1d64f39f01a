import { EVENT } from "./protocol.ts";

const COMMA = 0x2c;
const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const OPEN_ARRAY = 0x5b;
const CLOSE_ARRAY = 0x5d;
const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;

const encoder = new TextEncoder();
const EVENT_START = encoder.encode(EVENT.start);
const EVENT_END = encoder.encode(EVENT.end);

/** One message as an event. */
export function encodeEvent(json: string): Uint8Array {
  return encoder.encode(`${EVENT.start}${json}${EVENT.end}`);
}

/** A whole page's messages as events, and one more event at the end. */
export function frameEvents(items: Uint8Array, lastEvent: Uint8Array): Uint8Array {
  const framer = new EventFramer();
  return concat(framer.frame(items), framer.finish(lastEvent));
}

/**
 * Turns page bytes into events, one a message: finds the commas between messages, which are those
 * outside of every object and string. Keeps its place from one piece to the next.
 */
export class EventFramer {
  #depth = 0;
  #isInString = false;
  #isEscaped = false;
  #isFirst = true;

  frame(piece: Uint8Array): Uint8Array {
    const commas = this.#commas(piece);
    const startLength = EVENT_START.length - 1;
    const extra = commas.length * (startLength + EVENT_END.length) -
      (this.#isFirst && commas.length > 0 ? EVENT_END.length : 0);
    const framed = new Uint8Array(piece.length + extra);
    let from = 0;
    let at = 0;
    for (const comma of commas) {
      framed.set(piece.subarray(from, comma), at);
      at += comma - from;
      if (!this.#isFirst) at = append(framed, EVENT_END, at);
      this.#isFirst = false;
      at = append(framed, EVENT_START, at);
      from = comma + 1;
    }
    framed.set(piece.subarray(from), at);
    return framed;
  }

  /** What ends the last message, if there was one, and one more event. */
  finish(lastEvent: Uint8Array): Uint8Array {
    return this.#isFirst ? lastEvent : concat(EVENT_END, lastEvent);
  }

  #commas(piece: Uint8Array): number[] {
    const found: number[] = [];
    let depth = this.#depth;
    for (let i = 0; i < piece.length; i++) {
      const byte = piece[i];
      if (this.#isInString) i = this.#skipString(piece, i);
      else if (byte === QUOTE) this.#isInString = true;
      else if (byte === OPEN_OBJECT || byte === OPEN_ARRAY) depth++;
      else if (byte === CLOSE_OBJECT || byte === CLOSE_ARRAY) depth--;
      else if (byte === COMMA && depth === 0) found.push(i);
    }
    this.#depth = depth;
    return found;
  }

  /** The index of the quote that ends the string, or of the last byte. */
  #skipString(piece: Uint8Array, start: number): number {
    let isEscaped = this.#isEscaped;
    for (let i = start; i < piece.length; i++) {
      const byte = piece[i];
      if (isEscaped) isEscaped = false;
      else if (byte === BACKSLASH) isEscaped = true;
      else if (byte === QUOTE) {
        this.#isInString = false;
        this.#isEscaped = false;
        return i;
      }
    }
    this.#isEscaped = isEscaped;
    return piece.length - 1;
  }
}

function append(target: Uint8Array, bytes: Uint8Array, at: number): number {
  target.set(bytes, at);
  return at + bytes.length;
}

function concat(a: Uint8Array, b: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(a.length + b.length);
  bytes.set(a);
  bytes.set(b, a.length);
  return bytes;
}
