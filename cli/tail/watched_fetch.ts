/**
 * A `fetch` for the official client that tells what passes through it: interruptions, their end, the
 * mode of the server, the columns of the key. Values are kept as the text that the server sends.
 */

import { describeFetchError } from "../unreachable.ts";

const SCHEMA_HEADER = "electric-schema";
const MODE_HEADER = "electric-fallback-mode";

export interface WatchedFetchEvents {
  /** No answer, or none that helps. The client tries again. */
  readonly onFailure: (cause: string) => void;
  /** Answered again after failures. */
  readonly onRecovery: () => void;
  readonly onMode: (isFallback: boolean) => void;
  readonly onKeyColumns: (names: readonly string[]) => void;
}

export class WatchedFetch {
  readonly fetchClient: typeof fetch;
  readonly #events: WatchedFetchEvents;
  #isFailing = false;
  #isFallback = false;
  #wasReached = false;
  /** Answers so far that said that the server is not live. */
  #sightings = 0;

  constructor(events: WatchedFetchEvents) {
    this.#events = events;
    this.fetchClient = (input, init) => this.#fetch(input, init);
  }

  /** Whether there was ever an answer. */
  get wasReached(): boolean {
    return this.#wasReached;
  }

  async #fetch(...[input, init]: Parameters<typeof fetch>): Promise<Response> {
    const before = this.#sightings;
    let response: Response;
    try {
      response = await fetch(input, init);
    } catch (error) {
      if (!init?.signal?.aborted) this.#fail(describeFetchError(error));
      throw error;
    }
    this.#wasReached = true;
    this.#noteMode(response, isLiveRequest(input), before);
    if (response.status >= 500 || response.status === 429) {
      this.#fail(await describeRefusal(response.clone()));
    } else this.#recover();
    return this.#withoutTypes(response);
  }

  #fail(cause: string): void {
    this.#isFailing = true;
    this.#events.onFailure(cause);
  }

  #recover(): void {
    if (!this.#isFailing) return;
    this.#isFailing = false;
    this.#events.onRecovery();
  }

  /**
   * Caches may hold answers of better times, but hardly to a live request; and an answer that was asked
   * for before another one said otherwise tells nothing new.
   */
  #noteMode(response: Response, isLive: boolean, before: number): void {
    const isFallback = response.headers.get(MODE_HEADER) === "true";
    if (isFallback) this.#sightings++;
    else if (!response.ok || !isLive || before !== this.#sightings) return;
    if (isFallback === this.#isFallback) return;
    this.#isFallback = isFallback;
    this.#events.onMode(isFallback);
  }

  /** The client turns values into those of JavaScript by the schema, which would lose digits. */
  #withoutTypes(response: Response): Response {
    const schema = response.headers.get(SCHEMA_HEADER);
    if (schema === null) return response;
    this.#events.onKeyColumns(parseKeyColumns(schema));
    const headers = new Headers(response.headers);
    headers.set(SCHEMA_HEADER, "{}");
    return new Response(response.body, { status: response.status, headers });
  }
}

function isLiveRequest(input: Parameters<typeof fetch>[0]): boolean {
  return /[?&]live=true(?:&|$)/.test(input instanceof Request ? input.url : `${input}`);
}

/** Names of the columns of the primary key; empty if the header can't be read. */
export function parseKeyColumns(schema: string): readonly string[] {
  try {
    const columns: unknown = JSON.parse(schema);
    if (typeof columns !== "object" || columns === null) return [];
    return Object.entries(columns).filter(([, column]) => column?.pk_index !== undefined)
      .map(([name]) => name);
  } catch {
    return [];
  }
}

async function describeRefusal(response: Response): Promise<string> {
  const message = messageIn(await response.json().catch(() => undefined));
  return `the server answers ${response.status}${message ? ` (${message})` : ""}`;
}

/** What a body of the API says is wrong. */
export function messageIn(body: unknown): string | undefined {
  if (typeof body !== "object" || body === null) return undefined;
  const message = "message" in body ? body.message : undefined;
  const errors = "errors" in body && typeof body.errors === "object" && body.errors !== null
    ? Object.entries(body.errors).map(([name, text]) => `${name}: ${[text].flat().join(", ")}`)
    : [];
  const parts = [...typeof message === "string" ? [message] : [], ...errors];
  return parts.length > 0 ? parts.join("; ") : undefined;
}
