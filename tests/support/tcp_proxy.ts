/**
 * A TCP proxy between a program and Postgres, for tests of what networks do: connections that stop
 * and stay open, that are refused, cut, or lead to another server. Connections are told apart by
 * their first packet; so encryption is refused in the server's place.
 */

import { asksForReplication, decodeStartupPacket } from "./startup_packet.ts";

/** `other`: not the protocol of Postgres. */
export type ConnectionKind = "replication" | "query" | "cancel" | "other";

/** What happens to a new connection; `stall`: it opens, and then nothing comes back. */
export type Treatment = "forward" | "stall" | "refuse";

/** An address, or the path of a Unix socket. */
export type ProxyTarget =
  | { readonly hostname: string; readonly port: number }
  | { readonly path: string };

type Conn = Deno.Conn;

const ALL_KINDS: readonly ConnectionKind[] = ["replication", "query", "cancel", "other"];
const READ_BYTES = 65_536;
const ENCRYPTION_REFUSED = "N".charCodeAt(0);

export class TcpProxy implements AsyncDisposable {
  readonly #listener: Deno.TcpListener;
  readonly #links = new Set<Link>();
  readonly #targets = new Map<ConnectionKind, ProxyTarget>();
  readonly #treatments = new Map<ConnectionKind, Treatment>();
  readonly #accepting: Promise<void>;

  /** Listens on a free port of 127.0.0.1. */
  constructor(target: ProxyTarget) {
    this.route(target);
    for (const kind of ALL_KINDS) this.#treatments.set(kind, "forward");
    this.#listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    this.#accepting = this.#accept();
  }

  get port(): number {
    return this.#listener.addr.port;
  }

  /** The same database URL, by way of the proxy. */
  url(databaseUrl: string): string {
    const url = new URL(databaseUrl);
    url.hostname = "127.0.0.1";
    url.port = `${this.port}`;
    return url.href;
  }

  /** Sends new connections elsewhere. */
  route(target: ProxyTarget, kinds: readonly ConnectionKind[] = ALL_KINDS): void {
    for (const kind of kinds) this.#targets.set(kind, target);
  }

  /** Decides what becomes of new connections. */
  treat(treatment: Treatment, kinds: readonly ConnectionKind[] = ALL_KINDS): void {
    for (const kind of kinds) this.#treatments.set(kind, treatment);
  }

  /** Stops forwarding on open connections, both ways, and keeps them open. Returns how many. */
  stall(kinds: readonly ConnectionKind[] = ALL_KINDS): number {
    return this.#each(kinds, (link) => link.gate.close());
  }

  /** Goes on forwarding on stalled connections: nothing of what was sent meanwhile is lost. */
  resume(kinds: readonly ConnectionKind[] = ALL_KINDS): number {
    return this.#each(kinds, (link) => link.gate.open());
  }

  /** Closes open connections. Returns how many. */
  cut(kinds: readonly ConnectionKind[] = ALL_KINDS): number {
    return this.#each(kinds, (link) => link.close());
  }

  /** How many connections of the kind are open now. */
  count(kind: ConnectionKind): number {
    return [...this.#links].filter((link) => link.kind === kind).length;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#listener.close();
    await this.#accepting;
    const links = [...this.#links];
    for (const link of links) link.close();
    await Promise.all(links.map((link) => link.ended));
  }

  #each(kinds: readonly ConnectionKind[], act: (link: Link) => void): number {
    const chosen = [...this.#links].filter(({ kind }) =>
      kind !== undefined && kinds.includes(kind)
    );
    for (const link of chosen) act(link);
    return chosen.length;
  }

  async #accept(): Promise<void> {
    for await (const client of this.#listener) {
      const link = new Link(client, (kind) => this.#connect(kind));
      this.#links.add(link);
      link.ended.then(() => this.#links.delete(link));
    }
  }

  #connect(kind: ConnectionKind): { target: Promise<Conn> | undefined; isStalled: boolean } {
    const treatment = this.#treatments.get(kind), target = this.#targets.get(kind);
    const isRefused = treatment === "refuse" || target === undefined;
    return { target: isRefused ? undefined : open(target), isStalled: treatment === "stall" };
  }
}

function open(target: ProxyTarget): Promise<Conn> {
  return "path" in target
    ? Deno.connect({ transport: "unix", path: target.path })
    : Deno.connect({ hostname: target.hostname, port: target.port });
}

/** Lets all pass, or makes all wait. */
class Gate {
  #closed: { promise: Promise<void>; resolve: () => void } | undefined;

  close(): void {
    this.#closed ??= Promise.withResolvers<void>();
  }

  open(): void {
    this.#closed?.resolve();
    this.#closed = undefined;
  }

  async pass(): Promise<void> {
    while (this.#closed) await this.#closed.promise;
  }
}

type Connect = (
  kind: ConnectionKind,
) => { readonly target: Promise<Conn> | undefined; readonly isStalled: boolean };

/** One connection of a client with its connection to the server. */
class Link {
  readonly gate = new Gate();
  readonly ended: Promise<void>;
  /** Undefined until the first packet is there. */
  kind: ConnectionKind | undefined;
  readonly #client: Conn;
  readonly #connect: Connect;
  #server: Conn | undefined;
  #isClosed = false;

  constructor(client: Conn, connect: Connect) {
    this.#client = client;
    this.#connect = connect;
    this.ended = this.#run();
  }

  close(): void {
    this.#isClosed = true;
    this.gate.open();
    closeQuietly(this.#client);
    if (this.#server) closeQuietly(this.#server);
  }

  async #run(): Promise<void> {
    try {
      const first = await this.#readFirst();
      if (!first) return;
      this.kind = first.kind;
      const { target, isStalled } = this.#connect(first.kind);
      if (isStalled) this.gate.close();
      this.#server = await target;
      if (!this.#server || this.#isClosed) return;
      await this.gate.pass();
      await writeAll(this.#server, first.bytes);
      await Promise.all([
        this.#pump(this.#client, this.#server),
        this.#pump(this.#server, this.#client),
      ]);
    } catch {
      // Either side went away.
    } finally {
      this.close();
    }
  }

  /** Refuses encryption in the server's place, and reads on until it is known what comes. */
  async #readFirst(): Promise<{ kind: ConnectionKind; bytes: Uint8Array } | undefined> {
    let bytes = new Uint8Array();
    for (;;) {
      const packet = decodeStartupPacket(bytes);
      switch (packet.kind) {
        case "incomplete": {
          const more = await read(this.#client);
          if (!more) return undefined;
          bytes = concat(bytes, more);
          continue;
        }
        case "encryption":
          await writeAll(this.#client, Uint8Array.of(ENCRYPTION_REFUSED));
          bytes = bytes.slice(packet.length);
          continue;
        case "startup":
          return { kind: asksForReplication(packet.parameters) ? "replication" : "query", bytes };
        case "cancel":
          return { kind: "cancel", bytes };
        case "unknown":
          return { kind: "other", bytes };
      }
    }
  }

  async #pump(from: Conn, to: Conn): Promise<void> {
    for (;;) {
      await this.gate.pass();
      const bytes = await read(from);
      // What was read just before the gate closed waits, too.
      await this.gate.pass();
      if (!bytes) return await to.closeWrite();
      await writeAll(to, bytes);
    }
  }
}

async function read(conn: Conn): Promise<Uint8Array | undefined> {
  const buffer = new Uint8Array(READ_BYTES);
  const count = await conn.read(buffer);
  return count === null ? undefined : buffer.subarray(0, count);
}

async function writeAll(conn: Conn, bytes: Uint8Array): Promise<void> {
  for (let rest = bytes; rest.length > 0;) rest = rest.subarray(await conn.write(rest));
}

function concat(a: Uint8Array, b: Uint8Array): Uint8Array<ArrayBuffer> {
  const both = new Uint8Array(a.length + b.length);
  both.set(a);
  both.set(b, a.length);
  return both;
}

function closeQuietly(conn: Conn): void {
  try {
    conn.close();
  } catch {
    // It was closed before.
  }
}
