/** A server of one shape whose mode and rows a test decides: just enough of the protocol. */

import type { FallbackMode } from "../../client/status.ts";

export interface SeenRequest {
  readonly path: string;
  readonly isLive: boolean;
}

const HANDLE = "17-42";
const SCHEMA = '{"id":{"type":"int4","pk_index":0}}';

export class ShapeFixtureServer implements AsyncDisposable {
  readonly requests: SeenRequest[] = [];
  mode: FallbackMode = "live";
  readonly #rows: number[] = [];
  readonly #held = new Set<() => void>();
  readonly #waiting = new Set<() => void>();
  readonly #server: Deno.HttpServer<Deno.NetAddr>;

  constructor() {
    this.#server = Deno.serve(
      { hostname: "127.0.0.1", port: 0, onListen: () => {} },
      (request) => this.#answer(request),
    );
  }

  get origin(): string {
    return `http://127.0.0.1:${this.#server.addr.port}`;
  }

  get shapeUrl(): string {
    return `${this.origin}/v1/shape`;
  }

  /** Live requests that wait now. */
  get held(): number {
    return this.#held.size;
  }

  /** Adds a row without telling those who wait, as a server does whose stream stands still. */
  insert(id: number): void {
    this.#rows.push(id);
  }

  /** Answers every live request that waits. */
  release(): void {
    for (const answer of [...this.#held]) answer();
  }

  count(path: string): number {
    return this.requests.filter((request) => request.path === path).length;
  }

  /** Resolves as soon as it holds, looking again after each request. */
  async until(condition: () => boolean): Promise<void> {
    while (!condition()) await new Promise<void>((resolve) => this.#waiting.add(resolve));
  }

  /** Makes those who wait look again. */
  readonly changed = (): void => {
    for (const resolve of [...this.#waiting]) resolve();
    this.#waiting.clear();
  };

  async #answer(request: Request): Promise<Response> {
    const { pathname, searchParams } = new URL(request.url);
    const isLive = searchParams.get("live") === "true";
    this.requests.push({ path: pathname, isLive });
    this.changed();
    if (pathname === "/v1/status") return Response.json({ status: this.mode, reason: null });
    if (isLive) await this.#hold(request.signal);
    return this.#page(searchParams.get("offset") ?? "-1", isLive);
  }

  async #hold(signal: AbortSignal): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#held.add(resolve);
    signal.addEventListener("abort", () => resolve(), { once: true });
    this.changed();
    await promise;
    this.#held.delete(resolve);
    this.changed();
  }

  #page(offset: string, isLive: boolean): Response {
    const from = offset === "-1" ? 0 : Number(offset.split("_")[0]);
    const items = this.#rows.slice(from).map((id) => ({
      key: `"public"."items"/"${id}"`,
      value: { id: `${id}` },
      headers: { operation: "insert" },
    }));
    const upToDate = { headers: { control: "up-to-date" } };
    return new Response(JSON.stringify([...items, upToDate]), {
      headers: {
        "content-type": "application/json",
        "electric-handle": HANDLE,
        "electric-offset": `${this.#rows.length}_0`,
        "electric-schema": SCHEMA,
        "electric-up-to-date": "",
        ...isLive ? { "electric-cursor": "1" } : {},
        ...this.mode === "live" ? {} : { "electric-fallback-mode": "true" },
      },
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.release();
    await this.#server.shutdown();
  }
}
