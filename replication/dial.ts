/**
 * Opens sockets to Postgres, with TLS by sslmode. The driver is given a socket that is ready for the
 * start-up message: it can't then downgrade what the URL demands.
 */

import net from "node:net";
import { Readable } from "node:stream";
import tls from "node:tls";
import { bundleCopyData } from "./copy_bundle.ts";
import type { DatabaseHost, DatabaseUrl } from "./database_url.ts";
import { formatHost } from "./database_url.ts";
import { ConnectionError } from "./postgres_error.ts";

/** Request code 80877103 (https://www.postgresql.org/docs/current/protocol-message-formats.html). */
const SSL_REQUEST = new Uint8Array([0, 0, 0, 8, 4, 210, 22, 47]);
const SSL_ACCEPTED = "S".charCodeAt(0);
const SSL_REFUSED = "N".charCodeAt(0);
const CANCEL_REQUEST_BYTES = 16;
const KEEP_ALIVE_IDLE_MS = 30_000;

/**
 * Opens a socket to the first host that answers; copy data comes in bundles. Throws the
 * `ConnectionError` of the last one.
 */
export async function dial(url: DatabaseUrl): Promise<net.Socket> {
  let failure: unknown;
  for (const host of url.hosts) {
    try {
      return bundleCopyData(pauseSafely(await dialHost(url, host)));
    } catch (error) {
      failure = error;
    }
  }
  throw failure;
}

async function dialHost(url: DatabaseUrl, host: DatabaseHost): Promise<net.Socket> {
  const plain = await openTcp(url, host);
  if (url.sslMode === "disable" || host.host.startsWith("/")) return watchHangUp(plain, host);
  const isOptional = url.sslMode === "prefer" || url.sslMode === "allow";
  try {
    const secured = await startTls(plain, url, host);
    if (secured) return watchHangUp(secured, host);
  } catch (error) {
    plain.destroy();
    if (!isOptional || !(error instanceof ConnectionError) || error.code !== "tlsFailed") {
      throw error;
    }
    return watchHangUp(await openTcp(url, host), host);
  }
  if (isOptional) return watchHangUp(plain, host);
  plain.destroy();
  throw new ConnectionError(
    "sslUnavailable",
    `Server ${formatHost(host)} does not accept TLS, which sslmode "${url.sslMode}" demands`,
  );
}

function openTcp(url: DatabaseUrl, { host, port }: DatabaseHost): Promise<net.Socket> {
  const socket = new net.Socket();
  socket.setKeepAlive(true, KEEP_ALIVE_IDLE_MS);
  socket.setNoDelay(true);
  const opened = settle<net.Socket>(socket, url, { host, port }, (resolve) => {
    socket.once("connect", () => resolve(socket));
  });
  if (host.startsWith("/")) socket.connect(`${host}/.s.PGSQL.${port}`);
  else socket.connect(port, host);
  return opened;
}

/** Asks the server for TLS and starts it; undefined if the server has none. */
function startTls(
  plain: net.Socket,
  url: DatabaseUrl,
  host: DatabaseHost,
): Promise<net.Socket | undefined> {
  const started = settle<net.Socket | undefined>(plain, url, host, (resolve, reject) => {
    plain.once("data", (bytes: Uint8Array) => {
      // More than one byte is somebody speaking before TLS has begun (CVE-2021-23222).
      if (bytes.length === 1 && bytes[0] === SSL_REFUSED) return resolve(undefined);
      // All in this turn: later, older runtimes have a read of the plain socket under way, which
      // would swallow the server's handshake, and newer ones may have finished it unheard.
      if (bytes.length === 1 && bytes[0] === SSL_ACCEPTED) return resolve(secure(plain, url, host));
      const text = `Server ${formatHost(host)} answers a request for TLS with nonsense`;
      reject(new ConnectionError("protocol", text));
    });
  });
  plain.write(SSL_REQUEST);
  return started;
}

function secure(plain: net.Socket, url: DatabaseUrl, host: DatabaseHost): Promise<net.Socket> {
  plain.removeAllListeners();
  const secured = tls.connect(tlsOptions(plain, url, host));
  // Older runtimes raise what breaks inside TLS on the plain socket.
  plain.on("error", (error) => secured.destroy(error));
  return settle<net.Socket>(secured, url, host, (resolve) => {
    secured.once("secureConnect", () => resolve(secured));
  }, "tlsFailed");
}

function tlsOptions(socket: net.Socket, url: DatabaseUrl, { host }: DatabaseHost) {
  return {
    socket,
    host,
    servername: net.isIP(host) ? undefined : host,
    // Postgres' own "require" encrypts without verifying, unless it is given authorities.
    rejectUnauthorized: url.sslMode === "verify-ca" || url.sslMode === "verify-full",
    ca: url.caCertificate,
    ...(url.sslMode === "verify-full" ? {} : { checkServerIdentity: () => undefined }),
  };
}

/**
 * Waits for what `listen` resolves, for an error, for the server to hang up, or for the time limit;
 * on failure the socket is destroyed. No listener stays.
 */
function settle<T>(
  socket: net.Socket,
  url: DatabaseUrl,
  host: DatabaseHost,
  listen: (resolve: (value: T | PromiseLike<T>) => void, reject: (error: Error) => void) => void,
  failureCode?: "tlsFailed",
): Promise<T> {
  const { promise, resolve, reject } = Promise.withResolvers<T>();
  const fail = (error: Error) => reject(ConnectionError.from(error, formatHost(host), failureCode));
  const hungUp = () =>
    reject(
      new ConnectionError(
        failureCode ?? "closed",
        `Server ${formatHost(host)} closed the connection`,
      ),
    );
  const timer = setTimeout(() => {
    reject(new ConnectionError("timeout", `Server ${formatHost(host)} does not answer`));
  }, url.connectTimeoutMs);
  socket.once("error", fail);
  socket.once("close", hungUp);
  listen(resolve, reject);
  return promise.catch((error) => {
    // A late error must find a listener.
    socket.on("error", () => {});
    socket.destroy();
    throw error;
  }).finally(() => {
    clearTimeout(timer);
    socket.off("error", fail);
    socket.off("close", hungUp);
  });
}

/**
 * A server that hangs up before its first byte must be an error: on a plain close the driver
 * would dial again at once, for ever.
 */
function watchHangUp(socket: net.Socket, host: DatabaseHost): net.Socket {
  const writtenBefore = socket.bytesWritten;
  const hungUp = () => {
    // To a request to cancel a query, hanging up is the only answer there is.
    if (socket.bytesWritten - writtenBefore === CANCEL_REQUEST_BYTES) return;
    socket.destroy(
      new ConnectionError("closed", `Server ${formatHost(host)} closed the connection at once`),
    );
  };
  // For what happens before the driver listens and after it has stopped: on close it takes all
  // listeners off, and older runtimes tell only then of a write that failed, which ended the process.
  const ignore = () => {};
  socket.on("error", ignore);
  socket.once("close", () => queueMicrotask(() => socket.on("error", ignore)));
  socket.once("end", hungUp);
  // This sets the stream flowing, which loses nothing: the server speaks only when spoken to.
  socket.once("data", () => socket.off("end", hungUp));
  return socket;
}

/**
 * Deno 2.4 reads a socket into one buffer, and starts a second read beside one under way when the
 * socket is stopped and started again: bytes come out of order or twice. So `pause()` stops only
 * the stream; when that is full the reading stops by itself, at a moment when none is under way.
 */
function pauseSafely(socket: net.Socket): net.Socket {
  socket.pause = Readable.prototype.pause as () => typeof socket;
  return socket;
}
