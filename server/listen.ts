import type { Handler } from "./handler.ts";
import { HEADER, IDENTITY } from "./protocol.ts";

export interface ListenOptions {
  readonly handler: Handler;
  readonly hostname: string;
  /** 0 for any free one. */
  readonly port: number;
  /** The handler's own: when it fires the server stops accepting and lets requests finish. */
  readonly shutdown: AbortSignal;
  /** How long requests get to finish; who takes longer is abandoned. */
  readonly graceMs?: number;
}

export interface Listener {
  readonly addr: Deno.NetAddr;
  /** Resolves when the server has stopped: no request is left, or those left took too long. */
  readonly finished: Promise<void>;
  /** Stops accepting and lets requests finish. The same as `finished` from then on. */
  stop(): Promise<void>;
}

const GRACE_MS = 5_000;

/** Opens the port. Throws what `Deno.listen` throws, such as `Deno.errors.AddrInUse`. */
export function listen(options: ListenOptions): Listener {
  const { hostname, port, shutdown, graceMs = GRACE_MS } = options;
  const server = Deno.serve({ hostname, port, onListen() {} }, plainHandler(options.handler));
  const { promise: finished, resolve } = Promise.withResolvers<void>();
  let isStopping = false;
  const stop = () => {
    if (!isStopping) resolve(stopServer(server, graceMs));
    isStopping = true;
    shutdown.removeEventListener("abort", stop);
    return finished;
  };
  if (shutdown.aborted) stop();
  else shutdown.addEventListener("abort", stop);
  return { addr: server.addr, finished, stop };
}

async function stopServer(server: Deno.HttpServer<Deno.NetAddr>, graceMs: number): Promise<void> {
  const { promise: isOver, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, graceMs);
  // Deno cannot cut off a server that is shutting down already: those left end with the process.
  await Promise.race([server.shutdown(), isOver]);
  clearTimeout(timer);
}

/** From this version on `Deno.serve` compresses nothing unless it is asked to. */
const PLAIN_BODIES_SINCE = [2, 9];

/**
 * Older versions compress whatever the client accepts and weaken the etag, which would then never
 * match (WIRE.md 3.4), unless the answer names a content encoding.
 */
function plainHandler(handler: Handler): Handler {
  const [major, minor] = Deno.version.deno.split(".").map(Number);
  const [sinceMajor, sinceMinor] = PLAIN_BODIES_SINCE;
  if (major > sinceMajor || (major === sinceMajor && minor >= sinceMinor)) return handler;
  return async (request, delivery) => {
    const response = await handler(request, delivery);
    response.headers.set(HEADER.contentEncoding, IDENTITY);
    return response;
  };
}
