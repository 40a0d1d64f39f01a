/** Asks the server over and over, each time as somebody without patience. */

import { pause } from "../support/server_process.ts";
import type { CommitLog } from "./commit_log.ts";
import { Fold } from "./fold.ts";
import { ANSWERED, type ProbeRequest, type RequestKind } from "./requests.ts";
import { FILTERED, unknownShape } from "./schema.ts";
import type { ServiceClock } from "./service_clock.ts";
import { catchUp, type Position, syncAll, type SyncAnswer } from "./shape_request.ts";

const CATCH_UP_INTERVAL_MS = 250;
const TIMEOUT_MS = 3_000;

export interface ProbeOptions {
  readonly url: string;
  readonly commits: CommitLog;
  readonly clock: ServiceClock;
  readonly newClientIntervalMs: number;
}

export class Probe implements AsyncDisposable {
  readonly requests: ProbeRequest[] = [];
  /** Of new clients, at the moment when they were up to date; NaN if none ever was. */
  stalestNewMs = NaN;
  /** A request from a good position was answered 409. */
  isSentBack = false;
  readonly #options: ProbeOptions;
  readonly #stop = new AbortController();
  readonly #open = new Set<Promise<void>>();
  readonly #loops: readonly Promise<void>[];
  #position: Position;
  #shapes = 0;

  /** Starts at a position of the shape with `where`. */
  constructor(options: ProbeOptions, position: Position) {
    this.#options = options;
    this.#position = position;
    this.#loops = [
      this.#repeat(CATCH_UP_INTERVAL_MS, () => this.#catchUp()),
      this.#repeat(options.newClientIntervalMs, () => this.#newClient()),
      this.#repeat(options.newClientIntervalMs, () => this.#newShape()),
    ];
  }

  /** Sends at regular times, whether or not the one before is answered. */
  async #repeat(intervalMs: number, send: () => Promise<void>): Promise<void> {
    while (!this.#stop.signal.aborted) {
      const sent = send();
      this.#open.add(sent);
      sent.then(() => this.#open.delete(sent));
      await pause(intervalMs);
    }
  }

  async #catchUp(): Promise<void> {
    const { url } = this.#options;
    const { outcome } = await this.#record(
      "catchUp",
      () => catchUp(url, FILTERED.params, this.#position, TIMEOUT_MS),
    );
    if (outcome === "409") this.isSentBack = true;
  }

  async #newClient(): Promise<void> {
    const { url, commits, clock } = this.#options;
    const fold = new Fold();
    const answer = await this.#record(
      "newClient",
      () => syncAll(url, FILTERED.params, fold, TIMEOUT_MS),
    );
    if (answer.outcome !== ANSWERED || !answer.position) return;
    // A client that was sent back goes on from where a new one is.
    if (this.isSentBack) this.#position = answer.position;
    const marker = Number([...fold.rows()].find(isMarkerText)?.n ?? -1);
    const ageMs = commits.age(marker, clock.read(performance.now()));
    if (clock.isRunning) this.stalestNewMs = Math.max(this.stalestNewMs || 0, ageMs);
  }

  async #newShape(): Promise<void> {
    const params = unknownShape(++this.#shapes);
    await this.#record(
      "newShape",
      () => syncAll(this.#options.url, params, new Fold(), TIMEOUT_MS),
    );
  }

  async #record(kind: RequestKind, send: () => Promise<SyncAnswer>): Promise<SyncAnswer> {
    const startMs = performance.now();
    const answer = await send();
    this.requests.push({ kind, startMs, endMs: performance.now(), outcome: answer.outcome });
    return answer;
  }

  /** From now on ages count. */
  startMeasuring(): void {
    this.stalestNewMs = NaN;
  }

  /** Ends asking, and waits for the last answers. */
  async stop(): Promise<void> {
    this.#stop.abort();
    await Promise.all([...this.#loops, ...this.#open]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }
}

/** Without the official client values are as they were sent: text. */
function isMarkerText(row: Readonly<Record<string, unknown>>): boolean {
  return row.id === "0";
}
