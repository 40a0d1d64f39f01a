/** Connections to Postgres. The only file that starts the driver. */

import type net from "node:net";
import { Duplex } from "node:stream";
import postgres from "postgres";
import type { DatabaseUrl } from "./database_url.ts";
import { dial } from "./dial.ts";
import { keepImmediatesCleared } from "./immediates.ts";
import { ConnectionError, findFinalError } from "./postgres_error.ts";

// The driver sets and clears them from its first connection on.
keepImmediatesCleared();

/** A pool, or what `begin` and `reserve` hand out has the same call signatures. */
export type Sql = postgres.Sql;

/** A row of the simple protocol: every value is Postgres' text. */
export type TextRow = Readonly<Record<string, string | null>>;

/**
 * Settings that decide how values are printed. They must be the same wherever values are read from,
 * or one value prints two ways (WIRE.md 7.1).
 */
export const DISPLAY_SETTINGS: readonly (readonly [name: string, value: string])[] = [
  ["bytea_output", "hex"],
  ["DateStyle", "ISO, DMY"],
  ["TimeZone", "UTC"],
  ["extra_float_digits", "1"],
  ["IntervalStyle", "iso_8601"],
];

/** SQL that applies the display settings, to the session or to the present transaction. */
export function displaySettingsSql(scope: "session" | "transaction"): string {
  const set = scope === "session" ? "SET" : "SET LOCAL";
  return DISPLAY_SETTINGS.map(([name, value]) => `${set} ${name} = '${value}'`).join("; ");
}

export interface ReplicationOptions {
  readonly url: DatabaseUrl;
  readonly applicationName?: string;
  readonly onNotice?: (notice: postgres.Notice) => void;
}

export interface PoolOptions extends ReplicationOptions {
  /** Connections at most; idle ones are closed after 30 s. */
  readonly max: number;
  /** Named prepared statements; by default, unless the URL says `pgbouncer=true`. */
  readonly isPrepared?: boolean;
  /** Run-time parameters of its sessions, from their beginning. Poolers refuse most of them. */
  readonly parameters?: Readonly<Record<string, string>>;
}

const APPLICATION_NAME = "electric-ts";
const IDLE_TIMEOUT_SECONDS = 30;

/**
 * Opens a pool; the first query dials. Booleans come as `boolean`, int2, int4 and oid as `number`,
 * all else as Postgres' text: int8, numeric, floats, json, dates, bytea, arrays. Parameters are
 * sent as text too: pass arrays and JSON as text and cast them. Display settings are not set. Queries
 * reject with `ConnectionError` or the driver's errors (`classifyPostgresError` tells them apart). End
 * it with `sql.end({ timeout })`, in seconds.
 */
export function openPool(options: PoolOptions): Sql {
  const sockets = new Set<net.Socket>();
  const pool = startDriver(options, {
    max: options.max,
    idle_timeout: IDLE_TIMEOUT_SECONDS,
    socket: () => dial(options.url).then((socket) => register(socket, sockets), failingSocket),
  });
  POOL_SOCKETS.set(pool, sockets);
  return pool;
}

/**
 * Between a socket's error and its closing the driver still sends queries on it, and forgets them
 * when it is told that it closed with an error: they would wait for ever.
 */
function register(socket: net.Socket, sockets: Set<net.Socket>): net.Socket {
  sockets.add(socket);
  const emit = socket.emit.bind(socket);
  socket.emit = (event: string | symbol, ...args: unknown[]) => {
    if (event !== "close") return emit(event, ...args);
    sockets.delete(socket);
    return emit(event, false);
  };
  return socket;
}

const POOL_SOCKETS = new WeakMap<Sql, ReadonlySet<net.Socket>>();

/**
 * Drops the pool's connections: queries that wait for an answer reject, the next one dials. The
 * driver itself waits for ever for a server, or a network, that has fallen silent.
 */
export function dropConnections(pool: Sql): void {
  // Without a reason: older runtimes raise it when nobody listens to the socket any more.
  for (const socket of POOL_SOCKETS.get(pool) ?? []) socket.destroy();
}

/**
 * A socket that fails as soon as the driver listens to it. The driver never uses a connection again
 * whose socket could not even be made: after `max` failures in a row the pool would be dead for good.
 */
function failingSocket(error: Error): Duplex {
  const socket = new Duplex({ read() {}, write: (_chunk, _encoding, done) => done() });
  setTimeout(() => socket.destroy(error), 0);
  return socket;
}

/** Things common to all: nothing is left to the driver's look into the environment. */
function startDriver(options: PoolOptions, special: object): Sql {
  const { url } = options;
  const settings = {
    // For the driver's messages only: the socket comes from us.
    host: url.hosts[0].host,
    port: url.hosts[0].port,
    user: url.user,
    // As a function it is never printed along with the options.
    pass: () => url.password,
    database: url.database,
    ssl: false,
    connect_timeout: url.connectTimeoutMs / 1000,
    max_lifetime: null,
    backoff: retryDelaySeconds,
    keep_alive: 30,
    prepare: options.isPrepared ?? !url.isPooled,
    debug: false,
    fetch_types: false,
    types: TEXT_TYPES,
    onnotice: options.onNotice ?? (() => {}),
    connection: { ...startupParameters(options), ...options.parameters },
    ...special,
  };
  // The driver's types know neither `socket` nor settings of null.
  return postgres(settings as unknown as postgres.Options<Record<string, never>>);
}

function startupParameters({ url, applicationName }: ReplicationOptions): Record<string, string> {
  const name = applicationName ?? url.applicationName ?? APPLICATION_NAME;
  return {
    application_name: name,
    ...(url.startupOptions === undefined ? {} : { options: url.startupOptions }),
  };
}

/** Between reconnects of a pool, growing with failures in a row; what fails may be well again soon. */
function retryDelaySeconds(failures: number): number {
  return Math.min(1, 2 ** failures / 20);
}

/** Type OIDs that the driver converts of its own accord. */
const BOOLEAN = 16;
const SMALL_INTEGERS = [21, 23, 26];
const LOSSY = [17, 114, 700, 701, 1082, 1114, 1184, 3802];

/** Takes back conversions: dates and floats would not survive them. */
const TEXT_TYPES = { text: { to: 25, from: LOSSY, serialize: String, parse: identity } };
const ALL_TEXT_TYPES = {
  text: { ...TEXT_TYPES.text, from: [...LOSSY, ...SMALL_INTEGERS, BOOLEAN] },
};

function identity(text: string): string {
  return text;
}

/**
 * One connection in replication mode: takes SQL and replication commands in turn, then one stream.
 * It never reconnects; whoever holds it opens another.
 */
export class ReplicationConnection implements AsyncDisposable {
  readonly #url: DatabaseUrl;
  readonly #sql: Sql;
  readonly #death = Promise.withResolvers<Error>();
  #socket: net.Socket | undefined;
  #tail: Uint8Array = new Uint8Array(0);
  #cancel: (() => void) | undefined;
  #isClosing = false;
  #isDead = false;

  constructor(options: ReplicationOptions) {
    const { url } = options;
    this.#url = url;
    this.#sql = startDriver({ ...options, max: 1 }, {
      max: 1,
      idle_timeout: null,
      prepare: false,
      types: ALL_TEXT_TYPES,
      connection: {
        ...startupParameters(options),
        replication: "database",
      },
      socket: () => this.#dial(),
    });
    // Nobody has to wait for it.
    this.#death.promise.catch(() => {});
  }

  /** Resolves with the reason once the connection is gone, whoever ended it. */
  get closed(): Promise<Error> {
    return this.#death.promise;
  }

  /** Runs SQL or a replication command by the simple protocol. Dials if it is the first. */
  async query(text: string): Promise<readonly TextRow[]> {
    if (this.#isDead || this.#isClosing) throw await this.closed;
    const running = this.#sql.unsafe(text);
    this.#cancel = () => running.cancel();
    try {
      return await Promise.race([running, this.#raiseDeath()]);
    } catch (error) {
      throw await this.#reasonOf(error);
    } finally {
      this.#cancel = undefined;
    }
  }

  /**
   * Starts a copy-both stream. Its "data" events carry bundles of copy-data messages (only while it
   * flows; paused, it fills and then stops the socket); what is written to it goes out the same way.
   * Its errors are only the driver's: `closed` has the reason.
   */
  async stream(command: string): Promise<Duplex> {
    try {
      // Declared as Writable; the driver makes a Duplex for copy-both.
      const stream = await this.#sql.unsafe(command).writable() as Duplex;
      stream.on("error", (error) => this.#die(error));
      return stream;
    } catch (error) {
      throw await this.#reasonOf(error);
    }
  }

  /**
   * Closes: cancels what the server is busy with, so that it lets go of locks and slots at once,
   * says goodbye, and after `timeoutMs` at the latest drops the socket.
   */
  async close(timeoutMs = 1000): Promise<void> {
    if (this.#isClosing) return void await this.closed;
    this.#isClosing = true;
    const timer = setTimeout(() => this.#destroy(), timeoutMs);
    this.#cancel?.();
    await this.#sql.end({ timeout: timeoutMs / 1000 }).catch(() => {});
    clearTimeout(timer);
    this.#destroy();
  }

  /** Drops the socket without a word: for a peer that no longer answers. */
  terminate(error: Error): void {
    this.#die(error);
    this.#destroy();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #dial(): Promise<net.Socket> {
    // The driver opens a second socket to cancel a query.
    if (this.#isClosing) return await dial(this.#url);
    // Only the driver's wish to reconnect leads here.
    if (this.#socket) throw new ConnectionError("closed", "Server closed the connection");
    const socket = await dial(this.#url);
    if (this.#isClosing || this.#isDead) {
      socket.destroy();
      throw new ConnectionError("closed", "Connection was closed while it was being opened");
    }
    this.#socket = socket;
    socket.on("data", (bytes: Uint8Array) => this.#tail = bytes);
    socket.on("error", (error) => this.#die(error));
    socket.on("close", () => this.#die(undefined));
    return socket;
  }

  /** For who waits for an answer while the connection is given up. */
  async #raiseDeath(): Promise<never> {
    throw await this.closed;
  }

  #destroy(): void {
    this.#socket?.destroy();
    this.#die(undefined);
  }

  #die(error: Error | undefined): void {
    if (this.#isDead) return;
    this.#isDead = true;
    // What the server said last explains more than that it hung up.
    const reason = findFinalError(this.#tail) ?? error ??
      new ConnectionError("closed", "Connection to the server was closed");
    this.#tail = new Uint8Array(0);
    this.#death.resolve(reason);
  }

  /** The driver tells that the connection closed but not why: that comes with the closing. */
  async #reasonOf(error: unknown): Promise<unknown> {
    const isClosed = error instanceof Error && "code" in error &&
      error.code === "CONNECTION_CLOSED";
    return isClosed && this.#socket ? await this.closed : error;
  }
}

/** Opens a connection in replication mode; the first query dials. */
export function openReplication(options: ReplicationOptions): ReplicationConnection {
  return new ReplicationConnection(options);
}
