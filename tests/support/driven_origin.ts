/** A server on a port whose domain is scripted, and which remembers what it was asked. */

import { SERVER_DEFAULTS, type ServerConfig } from "../../server/config.ts";
import { openContext, type ServerContext } from "../../server/context.ts";
import { handleRequest } from "../../server/handler.ts";
import { listen, type Listener } from "../../server/listen.ts";
import { FakeLogger, type FakeService } from "../server/fake_service.ts";

export class Origin implements AsyncDisposable {
  /** Requests with If-None-Match. */
  revalidations = 0;
  readonly #asked: string[] = [];
  readonly #shutdown = new AbortController();
  readonly #context: ServerContext;
  readonly #listener: Listener;

  constructor(service: FakeService, config: Partial<ServerConfig> = {}) {
    this.#context = openContext({
      service,
      status: () => service.report(),
      config: { ...SERVER_DEFAULTS, ...config },
      logger: new FakeLogger(),
      shutdown: this.#shutdown.signal,
    });
    this.#listener = listen({
      handler: (request) => {
        const { pathname, search } = new URL(request.url);
        if (pathname === "/v1/shape") this.#asked.push(search);
        if (request.headers.has("if-none-match")) this.revalidations++;
        return handleRequest(this.#context, request);
      },
      hostname: "127.0.0.1",
      port: 0,
      shutdown: this.#shutdown.signal,
    });
  }

  get port(): number {
    return this.#listener.addr.port;
  }

  /** The queries of shape requests that hold a text, in the order they came. */
  requests(text: string): readonly string[] {
    return this.#asked.filter((query) => query.includes(text));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#shutdown.abort();
    await this.#listener.finished;
    this.#context.deadlines[Symbol.dispose]();
  }
}
