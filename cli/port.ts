/** The port of the HTTP API, which outlives those who answer on it. */

import { SERVER_DEFAULTS, type ServerConfig } from "../server/config.ts";
import type { Handler } from "../server/handler.ts";
import { listen, type Listener, type ListenOptions } from "../server/listen.ts";
import { VERSION } from "./help.ts";
import type { ServeConfig } from "./options.ts";

export class Port {
  readonly listener: Listener;
  #handler: Handler;

  /** Listens from now on. Throws if the port is in use. */
  constructor(
    { listenHost: hostname, port }: ServeConfig,
    handler: Handler,
    shutdown: AbortSignal,
  ) {
    this.#handler = handler;
    const answer: Handler = (request, delivery) => this.#handler(request, delivery);
    this.listener = listenAt("ELECTRIC_PORT", { handler: answer, hostname, port, shutdown });
  }

  /** Requests that come from now on are answered by this. */
  show(handler: Handler): void {
    this.#handler = handler;
  }
}

/** Listens; `name` is the option that says at which port, for who reads the error. */
export function listenAt(name: string, options: ListenOptions): Listener {
  try {
    return listen(options);
  } catch (error) {
    if (!(error instanceof Deno.errors.AddrInUse)) throw error;
    throw new Error(
      `Port ${options.port} is in use: stop what listens there, or set ${name} to another`,
      { cause: error },
    );
  }
}

export function serverConfig(config: ServeConfig): ServerConfig {
  return {
    ...SERVER_DEFAULTS,
    secret: config.secret,
    isDeleteAllowed: config.isDeleteAllowed,
    longPollTimeoutMs: config.longPollTimeoutMs,
    maxAgeSeconds: config.cacheMaxAgeSeconds,
    staleAgeSeconds: config.cacheStaleAgeSeconds,
    maxConcurrent: config.maxConcurrentRequests,
    version: VERSION,
  };
}
