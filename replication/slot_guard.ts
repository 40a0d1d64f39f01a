/** Sees to it that neither a dead instance nor we ourselves do harm by holding lock and slot. */

import type { Logger } from "../shapes/ports.ts";
import { type HolderWatch, judgeHolder, watchHolder } from "./lock_breaker.ts";
import { LogLimiter } from "./log_limiter.ts";
import { ConnectionError, describePostgresError } from "./postgres_error.ts";
import type { Probe } from "./probe.ts";
import type { Prober } from "./prober.ts";
import type { Replicator } from "./replicator.ts";
import { BUDGET_UNWATCHED, type BudgetWatch, judgeBudget } from "./wal_budget.ts";

export interface GuardOptions {
  readonly prober: Prober;
  readonly replicator: Replicator;
  readonly logger: Logger;
  readonly now: () => number;
  readonly lockKey: (database: string) => bigint;
  readonly maxRetainedBytes: number | undefined;
  /** See `HOLDER_SILENCE_MS`. */
  readonly holderSilenceMs: number | undefined;
}

/** Between looks at another instance. */
const HOLDER_LOOK_MS = 2000;

export class SlotGuard {
  readonly #options: GuardOptions;
  #budget: BudgetWatch = BUDGET_UNWATCHED;
  #holder: HolderWatch | undefined;
  readonly #limiter = new LogLimiter();
  #holderLookMs = -Infinity;

  constructor(options: GuardOptions) {
    this.#options = options;
  }

  /** Acts on what a look has shown; never rejects. */
  async check(probe: Probe): Promise<void> {
    try {
      await this.#endGhost(probe);
      await this.#checkHolder(probe);
      await this.#checkBudget(probe);
    } catch (error) {
      const text = describePostgresError(error);
      const times = this.#limiter.admit(text, this.#options.now());
      if (times === undefined) return;
      this.#options.logger.warn("Cannot end a backend or drop the slot", { error: text, times });
    }
  }

  /**
   * The server does not know that we have given a connection up, and lets its backend keep the slot
   * and the lock for a minute.
   */
  async #endGhost({ slot }: Probe): Promise<void> {
    const pid = this.#options.replicator.ghostPid;
    if (pid !== undefined && slot?.activePid === pid) {
      await this.#end(pid, "Its connection was given up");
    }
  }

  /** A second instance waits for the first for as long as that lives, and not longer. */
  async #checkHolder({ database }: Probe): Promise<void> {
    const { prober, replicator, now, lockKey, holderSilenceMs } = this.#options;
    if (!replicator.isWaitingForLock) return void (this.#holder = undefined);
    if (now() - this.#holderLookMs < HOLDER_LOOK_MS) return;
    this.#holderLookMs = now();
    const holder = await prober.lookForHolder(lockKey(database));
    if (holder === undefined) return void (this.#holder = undefined);
    this.#holder = watchHolder(this.#holder, holder, now());
    const death = holder.pid === replicator.ghostPid
      ? "Its connection was given up"
      : judgeHolder(this.#holder, holder, now(), holderSilenceMs);
    if (death === undefined) return;
    await this.#end(holder.pid, death);
    this.#holder = undefined;
  }

  async #end(pid: number, cause: string): Promise<void> {
    const { prober, logger } = this.#options;
    logger.warn("A dead instance's backend is ended", { pid, cause });
    await prober.terminate(pid);
  }

  async #checkBudget(probe: Probe): Promise<void> {
    const { logger, maxRetainedBytes, now } = this.#options;
    const verdict = judgeBudget(this.#budget, probe, maxRetainedBytes, now());
    const { watch, warning, isExceeded } = verdict;
    // What is done about it gets as long as the standstill before it.
    this.#budget = isExceeded ? { ...watch, sinceMs: now() } : watch;
    if (warning) logger.warn("The slot makes the server keep much WAL", { ...warning });
    if (isExceeded) await this.#dropSlot(probe);
  }

  async #dropSlot({ slot, database }: Probe): Promise<void> {
    const { prober, replicator, logger, lockKey } = this.#options;
    const failure = new ConnectionError(
      "walBudget",
      "The slot made the server keep more WAL than it may, and is dropped",
    );
    // The set-up that follows drops it.
    if (replicator.stream) return replicator.giveUp(failure);
    if (slot?.isActive || replicator.isWaitingForLock) return;
    await replicator.abandonSlot(failure);
    const isDropped = await prober.dropSlot(lockKey(database));
    if (isDropped) logger.warn("The slot is dropped: it kept more WAL than it may");
  }
}
