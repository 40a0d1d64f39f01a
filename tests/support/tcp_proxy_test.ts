import assert from "node:assert/strict";
import { encodeStartupPacket, SSL_REQUEST } from "./startup_packet_bytes.ts";
import { TcpProxy } from "./tcp_proxy.ts";

const LOGICAL = encodeStartupPacket({ user: "u", replication: "database" });
const PLAIN = encodeStartupPacket({ user: "u" });

/** A server that sends back what it gets, with a mark of its own before each piece. */
class EchoServer implements AsyncDisposable {
  readonly #listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  readonly #conns: Deno.Conn[] = [];
  readonly #mark: string;
  readonly #running: Promise<void>;

  constructor(mark = "") {
    this.#mark = mark;
    this.#running = this.#run();
  }

  get target() {
    return { hostname: "127.0.0.1", port: this.#listener.addr.port };
  }

  async #run(): Promise<void> {
    const echoing: Promise<void>[] = [];
    for await (const conn of this.#listener) {
      this.#conns.push(conn);
      echoing.push(this.#echo(conn).catch(() => {}));
    }
    await Promise.all(echoing);
  }

  async #echo(conn: Deno.Conn): Promise<void> {
    const buffer = new Uint8Array(4096);
    for (let count; (count = await conn.read(buffer)) !== null;) {
      await conn.write(new TextEncoder().encode(this.#mark));
      await conn.write(buffer.subarray(0, count));
    }
    conn.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#listener.close();
    for (const conn of this.#conns) {
      try {
        conn.close();
      } catch {
        // It is closed.
      }
    }
    await this.#running;
  }
}

class Client implements Disposable {
  readonly #conn: Deno.TcpConn;
  /** A read that nothing came for yet: it must not be lost. */
  #pending: Promise<string> | undefined;

  private constructor(conn: Deno.TcpConn) {
    this.#conn = conn;
  }

  static async open(proxy: TcpProxy, first: Uint8Array): Promise<Client> {
    const client = new Client(await Deno.connect({ hostname: "127.0.0.1", port: proxy.port }));
    await client.send(first);
    return client;
  }

  async send(bytes: Uint8Array | string): Promise<void> {
    await this.#conn.write(typeof bytes === "string" ? new TextEncoder().encode(bytes) : bytes);
  }

  /** What comes next; "end" when the connection was closed. */
  async receive(length: number): Promise<string> {
    const reading = this.#pending ?? this.#read(length);
    this.#pending = undefined;
    return await reading;
  }

  /** Starts to wait for something that may not come. */
  expect(length: number): Promise<string> {
    return this.#pending = this.#read(length);
  }

  async #read(length: number): Promise<string> {
    const bytes = new Uint8Array(length);
    for (let have = 0; have < length;) {
      const count = await this.#conn.read(bytes.subarray(have)).catch(() => null);
      if (count === null) return "end";
      have += count;
    }
    return new TextDecoder().decode(bytes);
  }

  [Symbol.dispose](): void {
    this.#conn.close();
  }
}

function text(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}

Deno.test("TcpProxy forwards both ways and tells connections apart by their first packet", async () => {
  await using server = new EchoServer();
  await using proxy = new TcpProxy(server.target);
  using logical = await Client.open(proxy, LOGICAL);
  using plain = await Client.open(proxy, PLAIN);
  assert.equal(await logical.receive(LOGICAL.length), text(LOGICAL));
  assert.equal(await plain.receive(PLAIN.length), text(PLAIN));
  await plain.send("select");
  assert.equal(await plain.receive(6), "select");
  assert.deepEqual([proxy.count("replication"), proxy.count("query")], [1, 1]);
});

Deno.test("TcpProxy refuses encryption and goes on in the clear", async () => {
  await using server = new EchoServer();
  await using proxy = new TcpProxy(server.target);
  using client = await Client.open(proxy, SSL_REQUEST);
  assert.equal(await client.receive(1), "N");
  await client.send(LOGICAL);
  assert.equal(await client.receive(LOGICAL.length), text(LOGICAL));
  assert.equal(proxy.count("replication"), 1);
});

Deno.test("TcpProxy keeps stalled connections open and loses nothing", async () => {
  await using server = new EchoServer();
  await using proxy = new TcpProxy(server.target);
  using logical = await Client.open(proxy, LOGICAL);
  using plain = await Client.open(proxy, PLAIN);
  await logical.receive(LOGICAL.length);
  await plain.receive(PLAIN.length);
  assert.equal(proxy.stall(["replication"]), 1);
  await logical.send("kept");
  const reply = logical.expect(4);
  // The other kind goes on: by the time that it has answered, this one would have, too.
  for (let round = 0; round < 20; round++) {
    await plain.send("ping");
    assert.equal(await plain.receive(4), "ping");
  }
  assert.equal(await Promise.race([reply, Promise.resolve("nothing yet")]), "nothing yet");
  assert.equal(proxy.resume(["replication"]), 1);
  assert.equal(await logical.receive(4), "kept");
});

Deno.test("TcpProxy stalls or refuses new connections of a kind", async () => {
  await using server = new EchoServer();
  await using proxy = new TcpProxy(server.target);
  proxy.treat("refuse", ["replication"]);
  using refused = await Client.open(proxy, LOGICAL);
  assert.equal(await refused.receive(1), "end");
  proxy.treat("stall", ["replication"]);
  using stalled = await Client.open(proxy, LOGICAL);
  const reply = stalled.expect(LOGICAL.length);
  using plain = await Client.open(proxy, PLAIN);
  assert.equal(await plain.receive(PLAIN.length), text(PLAIN));
  assert.equal(await Promise.race([reply, Promise.resolve("nothing yet")]), "nothing yet");
  proxy.treat("forward");
  proxy.resume();
  assert.equal(await reply, text(LOGICAL));
});

Deno.test("TcpProxy cuts connections and leads new ones to another server", async () => {
  await using first = new EchoServer("1");
  await using second = new EchoServer("2");
  await using proxy = new TcpProxy(first.target);
  using before = await Client.open(proxy, PLAIN);
  assert.equal(await before.receive(1 + PLAIN.length), `1${text(PLAIN)}`);
  proxy.route(second.target);
  assert.equal(proxy.cut(["query"]), 1);
  assert.equal(await before.receive(1), "end");
  using after = await Client.open(proxy, PLAIN);
  assert.equal(await after.receive(1 + PLAIN.length), `2${text(PLAIN)}`);
});

Deno.test("TcpProxy closes a connection whose server can't be reached", async () => {
  const gone = new EchoServer();
  const { target } = gone;
  await gone[Symbol.asyncDispose]();
  await using proxy = new TcpProxy(target);
  using client = await Client.open(proxy, PLAIN);
  assert.equal(await client.receive(1), "end");
});

Deno.test("TcpProxy.url() changes where a database URL leads, and nothing else", async () => {
  await using server = new EchoServer();
  await using proxy = new TcpProxy(server.target);
  assert.equal(
    proxy.url("postgresql://u:p@db.example:6000/app?sslmode=prefer"),
    `postgresql://u:p@127.0.0.1:${proxy.port}/app?sslmode=prefer`,
  );
});
