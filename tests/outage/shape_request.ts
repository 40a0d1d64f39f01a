/** Requests of a client without retries: what a first answer says, good or bad. */

import type { Fold, FoldMessage } from "./fold.ts";
import { ANSWERED } from "./requests.ts";

export interface Position {
  readonly handle: string;
  readonly offset: string;
}

export interface SyncAnswer {
  /** `data`, a status, `timeout` or `network`. */
  readonly outcome: string;
  /** Where the next request would go on; undefined without data. */
  readonly position?: Position;
}

type Params = Readonly<Record<string, string>>;

/** Asks for what comes after a position, once. */
export async function catchUp(
  url: string,
  params: Params,
  position: Position,
  timeoutMs: number,
): Promise<SyncAnswer> {
  return await withTimeout(timeoutMs, async (signal) => {
    const page = await readPage(url, { ...params, ...position }, signal);
    return { outcome: page.outcome, position: page.position };
  });
}

/** Reads a shape from its start until it is up to date, into the fold. */
export async function syncAll(
  url: string,
  params: Params,
  fold: Fold,
  timeoutMs: number,
): Promise<SyncAnswer> {
  return await withTimeout(timeoutMs, async (signal) => {
    let query: Params = { ...params, offset: "-1" };
    for (;;) {
      const page = await readPage(url, query, signal);
      if (page.outcome !== ANSWERED || !page.position) return { outcome: page.outcome };
      for (const message of page.messages) fold.apply(message);
      if (page.isUpToDate) return { outcome: ANSWERED, position: page.position };
      query = { ...params, ...page.position };
    }
  });
}

interface Page extends SyncAnswer {
  readonly messages: readonly FoldMessage[];
  readonly isUpToDate: boolean;
}

async function readPage(url: string, query: Params, signal: AbortSignal): Promise<Page> {
  const response = await fetch(`${url}/v1/shape?${new URLSearchParams(query)}`, { signal });
  if (response.status !== 200) {
    await response.body?.cancel();
    return { outcome: `${response.status}`, messages: [], isUpToDate: false };
  }
  const handle = response.headers.get("electric-handle");
  const offset = response.headers.get("electric-offset");
  return {
    outcome: handle && offset ? ANSWERED : "no position",
    position: handle && offset ? { handle, offset } : undefined,
    messages: await response.json(),
    isUpToDate: response.headers.has("electric-up-to-date"),
  };
}

async function withTimeout(
  timeoutMs: number,
  work: (signal: AbortSignal) => Promise<SyncAnswer>,
): Promise<SyncAnswer> {
  const signal = AbortSignal.timeout(timeoutMs);
  try {
    return await work(signal);
  } catch {
    return { outcome: signal.aborted ? "timeout" : "network" };
  }
}
