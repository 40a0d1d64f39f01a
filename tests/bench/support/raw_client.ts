/**
 * A client of the shape protocol over raw keep-alive sockets, one request at a time each: so cheap
 * that thousands of them in this process are not what is measured.
 */

import { Buffer } from "node:buffer";

const encoder = new TextEncoder();
const HEAD_END = "\r\n\r\n";
const READ_BYTES = 16 * 1024;

export interface Answer {
  readonly status: number;
  /** As sent, without the empty line. */
  readonly head: string;
  /** Valid for ever. */
  readonly body: readonly Uint8Array[];
  readonly bytes: number;
}

export class RawClient implements Disposable {
  readonly #socket: Deno.TcpConn;
  /** What was read and not yet taken. */
  #pending: Uint8Array = new Uint8Array(0);

  private constructor(socket: Deno.TcpConn) {
    this.#socket = socket;
  }

  static async open(port: number): Promise<RawClient> {
    const socket = await Deno.connect({ hostname: "127.0.0.1", port });
    socket.setNoDelay(true);
    return new RawClient(socket);
  }

  /** Opens several, one after the other: a burst would overflow the server's backlog. */
  static async openMany(port: number, count: number): Promise<RawClient[]> {
    const clients: RawClient[] = [];
    while (clients.length < count) clients.push(await RawClient.open(port));
    return clients;
  }

  async get(path: string): Promise<Answer> {
    const request = encoder.encode(`GET ${path} HTTP/1.1\r\nHost: localhost\r\n\r\n`);
    await this.#socket.write(request); // shorter than any socket's buffer
    const head = await this.#until(HEAD_END);
    const body: Uint8Array[] = [];
    const status = Number(head.slice(9, 12));
    const length = header(head, "content-length");
    if (length !== undefined) await this.#take(Number(length), body);
    else if (header(head, "transfer-encoding") !== undefined) await this.#chunks(body);
    return { status, head, body, bytes: body.reduce((sum, part) => sum + part.length, 0) };
  }

  [Symbol.dispose](): void {
    this.#socket.close();
  }

  async #chunks(body: Uint8Array[]): Promise<void> {
    for (;;) {
      const size = parseInt(await this.#until("\r\n"), 16);
      await this.#take(size, body);
      await this.#until("\r\n");
      if (size === 0) return;
    }
  }

  async #take(count: number, into: Uint8Array[]): Promise<void> {
    for (let left = count; left > 0;) {
      if (this.#pending.length === 0) await this.#read(Math.min(left, 1024 * 1024));
      const part = this.#pending.subarray(0, left);
      this.#pending = this.#pending.subarray(part.length);
      left -= part.length;
      into.push(part);
    }
  }

  /** The text before the mark, which is taken as well. */
  async #until(mark: string): Promise<string> {
    for (;;) {
      const { buffer, byteOffset, byteLength } = this.#pending;
      const seen = Buffer.from(buffer, byteOffset, byteLength);
      const at = seen.indexOf(mark);
      if (at >= 0) {
        this.#pending = this.#pending.subarray(at + mark.length);
        return seen.toString("latin1", 0, at);
      }
      await this.#read(0);
    }
  }

  async #read(wanted: number): Promise<void> {
    const kept = this.#pending.length;
    const buffer = new Uint8Array(kept + Math.max(READ_BYTES, wanted));
    buffer.set(this.#pending);
    const count = await this.#socket.read(buffer.subarray(kept));
    if (count === null) throw new TypeError("The server closed the connection");
    this.#pending = buffer.subarray(0, kept + count);
  }
}

/** A header's value, by its name in small letters. */
export function header(head: string, name: string): string | undefined {
  const lower = head.toLowerCase();
  const at = lower.indexOf(`\r\n${name}:`);
  if (at < 0) return undefined;
  const end = lower.indexOf("\r\n", at + 2);
  return head.slice(at + name.length + 3, end < 0 ? undefined : end).trim();
}
