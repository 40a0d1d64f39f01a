/** Looks at `/v1/status` all the time. */

import { pause } from "../support/server_process.ts";

const INTERVAL_MS = 50;
const TIMEOUT_MS = 1_000;

export interface StatusChange {
  /** `live`, `fallback`, `starting`, `none` (no such route) or `silent`. */
  readonly status: string;
  readonly reason: string;
  readonly atMs: number;
}

export class StatusWatch implements AsyncDisposable {
  /** The first is what it was in the beginning. */
  readonly changes: StatusChange[] = [];
  readonly #url: string;
  readonly #stop = new AbortController();
  readonly #running: Promise<void>;

  constructor(url: string) {
    this.#url = `${url}/v1/status`;
    this.#running = this.#run();
  }

  get status(): string {
    return this.changes.at(-1)?.status ?? "silent";
  }

  get isMissing(): boolean {
    return this.changes.some(({ status }) => status === "none");
  }

  /** Since when, from the moment on, it has said live without a break; undefined if it doesn't now. */
  liveSince(momentMs: number): number | undefined {
    const last = this.changes.at(-1);
    return last?.status === "live" ? Math.max(last.atMs, momentMs) : undefined;
  }

  async #run(): Promise<void> {
    while (!this.#stop.signal.aborted) {
      const { status, reason } = await this.#look();
      const last = this.changes.at(-1);
      if (status !== last?.status || reason !== last.reason) {
        this.changes.push({ status, reason, atMs: performance.now() });
      }
      await pause(INTERVAL_MS);
    }
  }

  async #look(): Promise<{ status: string; reason: string }> {
    try {
      const response = await fetch(this.#url, { signal: AbortSignal.timeout(TIMEOUT_MS) });
      if (response.status === 404) {
        await response.body?.cancel();
        return { status: "none", reason: "" };
      }
      const { status, reason } = await response.json();
      return { status: `${status}`, reason: `${reason ?? ""}` };
    } catch {
      return { status: "silent", reason: "" };
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#running;
  }
}
