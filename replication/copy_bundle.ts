/**
 * The driver takes a message apart with three new buffers and a turn of its stream, which for copy
 * data costs more than all that is done with it. So between a socket and the driver all copy-data
 * messages of one read become one: a bundle, whose payload is whole copy-data messages. What the
 * driver hands out as the data of a copy is then a bundle, to be read with `copyMessageEnd()`.
 */

import { Buffer } from "node:buffer";
import type net from "node:net";

/** Kinds of messages (Postgres manual, "Message Formats"). */
const COPY_DATA = 0x64; // d
const COPY_DONE = 0x63; // c
const COPY_OUT_RESPONSE = 0x48; // H
const COPY_BOTH_RESPONSE = 0x57; // W
const ERROR_RESPONSE = 0x45; // E

/** A message: its kind, 4 bytes of its length without the kind, its payload. */
export const MESSAGE_HEADER_BYTES = 5;

/** A message that is longer goes to the driver as it comes, in a bundle of its own. */
const HELD_BYTES_MAX = 64 * 1024;

const NOTHING = Buffer.alloc(0);

/** Where the message ends that begins at `at`; its payload begins `MESSAGE_HEADER_BYTES` beyond it. */
export function copyMessageEnd(bundle: Uint8Array, at: number): number {
  const length = bundle[at + 1] << 24 | bundle[at + 2] << 16 | bundle[at + 3] << 8 | bundle[at + 4];
  return at + 1 + (length >>> 0);
}

/** Lets whoever listens to the socket's data have bundles. */
export function bundleCopyData(socket: net.Socket): net.Socket {
  const emit = socket.emit.bind(socket);
  const bundler = new CopyBundler((bytes) => void emit("data", bytes));
  socket.emit = (event: string | symbol, ...args: unknown[]) => {
    if (event !== "data") return emit(event, ...args);
    bundler.push(args[0] as Buffer);
    return true;
  };
  return socket;
}

/** Follows the messages of one connection from its first byte on. */
export class CopyBundler {
  readonly #pass: (bytes: Buffer) => void;
  #isCopying = false;
  /** Bytes still to come of a message that is passed on as it comes. */
  #left = 0;
  /** The beginning of a message, held until there is more of it. */
  #held: Buffer = NOTHING;

  constructor(pass: (bytes: Buffer) => void) {
    this.#pass = pass;
  }

  push(bytes: Buffer): void {
    let rest = bytes;
    while (rest.length > 0) {
      if (this.#left > 0) rest = this.#passLeft(rest);
      else if (this.#isCopying) rest = this.#bundle(rest);
      else rest = this.#passUntilCopy(rest);
    }
  }

  #passLeft(bytes: Buffer): Buffer {
    const passed = bytes.subarray(0, this.#left);
    this.#left -= passed.length;
    this.#pass(passed);
    return bytes.subarray(passed.length);
  }

  #passUntilCopy(bytes: Buffer): Buffer {
    const chunk = this.#held.length > 0 ? Buffer.concat([this.#held, bytes]) : bytes;
    this.#held = NOTHING;
    let at = 0;
    while (!this.#isCopying && chunk.length - at >= MESSAGE_HEADER_BYTES) {
      const kind = chunk[at];
      this.#isCopying = kind === COPY_OUT_RESPONSE || kind === COPY_BOTH_RESPONSE;
      at = copyMessageEnd(chunk, at);
    }
    if (at > chunk.length) this.#left = at - chunk.length;
    const passed = chunk.subarray(0, at), rest = chunk.subarray(at);
    if (passed.length > 0) this.#pass(passed);
    if (this.#isCopying) return rest;
    this.#held = rest;
    return NOTHING;
  }

  #bundle(bytes: Buffer): Buffer {
    const bundle = this.#withRoomForHeader(bytes);
    const end = copyDataEnd(bundle);
    const rest = bundle.subarray(end);
    if (end > MESSAGE_HEADER_BYTES) {
      writeHeader(bundle, end);
      this.#pass(bundle.subarray(0, end));
    }
    if (rest.length < MESSAGE_HEADER_BYTES) return this.#hold(rest);
    if (rest[0] !== COPY_DATA) return this.#passOther(rest);
    const size = copyMessageEnd(rest, 0);
    if (size <= HELD_BYTES_MAX) return this.#hold(rest);
    const header = Buffer.alloc(MESSAGE_HEADER_BYTES);
    writeHeader(header, MESSAGE_HEADER_BYTES + size);
    this.#pass(header);
    this.#left = size;
    return rest;
  }

  /** What was held and what follows it, in memory of its own. */
  #withRoomForHeader(bytes: Buffer): Buffer {
    const heldEnd = MESSAGE_HEADER_BYTES + this.#held.length;
    const bundle = Buffer.allocUnsafeSlow(heldEnd + bytes.length);
    bundle.set(this.#held, MESSAGE_HEADER_BYTES);
    bundle.set(bytes, heldEnd);
    this.#held = NOTHING;
    return bundle;
  }

  #hold(rest: Buffer): Buffer {
    this.#held = rest;
    return NOTHING;
  }

  /** A notice or a parameter may come in between; anything else ends the copy. */
  #passOther(rest: Buffer): Buffer {
    const kind = rest[0];
    this.#isCopying = kind !== COPY_DONE && kind !== ERROR_RESPONSE;
    if (this.#isCopying) this.#left = copyMessageEnd(rest, 0);
    return rest;
  }
}

/** Where the whole copy-data messages end that follow the room for a header. */
function copyDataEnd(bundle: Uint8Array): number {
  let at = MESSAGE_HEADER_BYTES;
  while (bundle.length - at >= MESSAGE_HEADER_BYTES && bundle[at] === COPY_DATA) {
    const end = copyMessageEnd(bundle, at);
    if (end > bundle.length) break;
    at = end;
  }
  return at;
}

/** Makes a copy-data message that ends at `end`. */
function writeHeader(bundle: Buffer, end: number): void {
  bundle[0] = COPY_DATA;
  bundle.writeUInt32BE(end - 1, 1);
}
