/** Writes small transactions, about 20 a second, through whatever happens to Postgres. */

import postgres from "postgres";
import { pause } from "../support/server_process.ts";
import type { CommitLog } from "./commit_log.ts";
import { writeSql } from "./schema.ts";
import type { ServiceClock } from "./service_clock.ts";

const INTERVAL_MS = 50;
const TIMEOUT_SECONDS = 2;

/** Its commits are what readers are measured by, and whether they succeed is whether Postgres answers. */
export class Writer implements AsyncDisposable {
  readonly #sql: postgres.Sql;
  readonly #commits: CommitLog;
  readonly #clock: ServiceClock;
  readonly #stop = new AbortController();
  readonly #running: Promise<void>;
  #marker = 0;
  #isUndone = false;

  constructor(url: string, commits: CommitLog, clock: ServiceClock) {
    this.#sql = postgres(url, {
      max: 1,
      onnotice: () => {},
      connect_timeout: TIMEOUT_SECONDS,
      backoff: () => INTERVAL_MS / 1_000,
    });
    this.#commits = commits;
    this.#clock = clock;
    this.#running = this.#run();
  }

  /** The next write that succeeds is another server's: what that one does not have is undone. */
  expectFailover(): void {
    this.#isUndone = true;
  }

  /** Ends writing; the last commit is known when it resolves. */
  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    while (!this.#stop.signal.aborted) {
      const startMs = performance.now();
      const isThere = await this.#write();
      this.#clock.note("postgres", isThere, performance.now());
      await pause(Math.max(5, INTERVAL_MS - (performance.now() - startMs)));
    }
  }

  async #write(): Promise<boolean> {
    const marker = ++this.#marker;
    try {
      if (this.#isUndone) await this.#settleFailover();
      await this.#sql.unsafe(writeSql(marker, Math.random()));
      this.#commits.add(marker, this.#clock.read(performance.now()));
      return true;
    } catch {
      return false;
    }
  }

  async #settleFailover(): Promise<void> {
    const [{ n, is_standby }] = await this.#sql<{ n: number; is_standby: boolean }[]>`
      SELECT n, pg_is_in_recovery() AS is_standby FROM items WHERE id = 0`;
    if (is_standby) throw new Error("Not promoted yet");
    this.#commits.undoAfter(n);
    this.#isUndone = false;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
    await this.#sql.end({ timeout: 0 });
  }
}
