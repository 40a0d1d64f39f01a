/** A connection of the process to itself: what goes round it has been through the network's queue. */

const HOST = "127.0.0.1";

export class Loopback implements Disposable {
  readonly #near: Deno.TcpConn;
  readonly #far: Deno.TcpConn;
  readonly #byte = new Uint8Array(1);
  #isOpen = true;

  private constructor(near: Deno.TcpConn, far: Deno.TcpConn) {
    this.#near = near;
    this.#far = far;
  }

  /** Rejects where there is no loopback interface, or where something else connects to it. */
  static async open(): Promise<Loopback> {
    using listener = Deno.listen({ hostname: HOST, port: 0 });
    const accepting = listener.accept();
    const near = await Deno.connect({ hostname: HOST, port: listener.addr.port });
    const far = await accepting;
    const loopback = new Loopback(near, far);
    if (far.remoteAddr.port !== near.localAddr.port) {
      loopback[Symbol.dispose]();
      throw new Deno.errors.ConnectionRefused("Another process has connected");
    }
    near.setNoDelay(true);
    return loopback;
  }

  /** Sends a byte round. One at a time. Rejects when it is disposed of meanwhile. */
  async roundTrip(): Promise<void> {
    const reading = this.#far.read(this.#byte);
    await Promise.all([reading, this.#near.write(this.#byte)]);
  }

  [Symbol.dispose](): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#near.close();
    this.#far.close();
  }
}
