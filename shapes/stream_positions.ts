/**
 * How far the stream has been taken in, and how its positions and those of the logs are related:
 * the logs' are the stream's, shifted by what the present history needs (`history.ts`).
 */

import { Acknowledger } from "./acknowledger.ts";
import type { ShapeStore } from "./log/store.ts";
import type { Visibility } from "./ports.ts";
import { RecentTransactions } from "./recent_transactions.ts";
import { isInSnapshot } from "./visibility.ts";

export interface StreamPositionsOptions {
  readonly store: ShapeStore;
  /** The last transaction that the store holds. */
  readonly appliedLsn: bigint;
  readonly shift: bigint;
  /** Acknowledges the stream, in its own positions. */
  confirm(position: bigint): void;
  /** The stream has come to where the server was when it began. */
  onResumed?(): void;
}

interface Transaction {
  readonly xid: number;
  readonly commitLsn: bigint;
}

export class StreamPositions {
  readonly #options: StreamPositionsOptions;
  readonly #recent = new RecentTransactions();
  #acknowledger: Acknowledger;
  /** Added to the stream's positions. */
  shift: bigint;
  /** Commit LSN of the last transaction that all shapes have seen. */
  lastSeenLsn: bigint;
  /** Commit LSN of the last transaction taken in: what is not beyond it is being sent again. */
  committedLsn: bigint;
  /** Up to where the stream must come to have sent again whatever an earlier process has sent on. */
  #resumeAt: bigint | undefined;
  /** What the store had been told when the last transaction ended that waits for it. */
  #storedWrites: number;

  constructor(options: StreamPositionsOptions) {
    this.#options = options;
    this.shift = options.shift;
    this.lastSeenLsn = this.committedLsn = options.appliedLsn;
    this.#acknowledger = new Acknowledger(options.appliedLsn, this.#confirm);
    this.#storedWrites = options.store.writes;
    options.store.onDurable((applied) => this.#acknowledger.durable(applied));
  }

  /**
   * A stream begins at the confirmed position, where a commit record ended. `serverLsn`: where the
   * server's WAL ended when it began.
   */
  restart(confirmedLsn: bigint, serverLsn?: bigint): void {
    if (serverLsn !== undefined) this.#resumeAt ??= serverLsn + this.shift;
    const confirmed = confirmedLsn + this.shift;
    if (confirmed > this.lastSeenLsn) this.lastSeenLsn = confirmed;
  }

  /** A history begins. Rejects if storage failed. */
  async begin({ shift, beganAt }: { shift: bigint; beganAt: bigint }): Promise<void> {
    const { store } = this.#options;
    // The first commit record may begin right there.
    const applied = beganAt - 1n;
    store.setAppliedLsn(applied);
    this.#storedWrites = store.writes;
    // What becomes durable of the earlier history must not count for this one.
    await store.flushed();
    this.shift = shift;
    this.#acknowledger = new Acknowledger(applied, this.#confirm);
    this.lastSeenLsn = beganAt;
    this.committedLsn = applied;
    this.#recent.clear();
  }

  /**
   * A transaction has been taken in. It may be acknowledged once the store has durably what it was
   * told by now: not only what was appended of it, but also that shapes have ended or lack changes,
   * for it may be those that it would have concerned.
   */
  committed(transaction: Transaction, endLsn: bigint): void {
    const { store } = this.#options, { commitLsn } = transaction;
    this.committedLsn = commitLsn;
    if (commitLsn > this.lastSeenLsn) this.lastSeenLsn = commitLsn;
    const isStored = store.writes !== this.#storedWrites;
    this.#storedWrites = store.writes;
    this.#acknowledger.committed(commitLsn, endLsn, isStored);
    if (isStored) store.setAppliedLsn(commitLsn);
    this.#recent.add(transaction);
    this.#noteResumed(endLsn);
  }

  /** Everything before the position has been taken in. */
  reached(position: bigint): void {
    this.#acknowledger.reached(position);
    this.#noteResumed(position);
  }

  #noteResumed(position: bigint): void {
    if (this.#resumeAt === undefined || position < this.#resumeAt) return;
    this.#resumeAt = undefined;
    this.#options.onResumed?.();
  }

  /** A restart must keep what reconciles have appended by now. */
  markApplied(): void {
    this.#options.store.setAppliedLsn(this.committedLsn | 1n);
  }

  /** A visibility as the source has it, its position brought to that of the logs. */
  place(visibility: Visibility): Visibility {
    return { ...visibility, walPosition: visibility.walPosition + this.shift };
  }

  /** Whether the stream has brought transactions that a snapshot, as placed, has not seen. */
  isAhead(visibility: Visibility): boolean {
    return this.#recent.some((transaction) => !isInSnapshot(visibility, transaction));
  }

  readonly #confirm = (position: bigint): void => this.#options.confirm(position - this.shift);
}
