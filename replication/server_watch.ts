/**
 * Looks at the server every other second, over a connection of its own, and ends a stream that is
 * not what it seems to be.
 */

import type { Logger } from "../shapes/ports.ts";
import { Alarm } from "./alarm.ts";
import type { DatabaseUrl } from "./database_url.ts";
import type { Probe } from "./probe.ts";
import { Prober } from "./prober.ts";
import type { Replicator } from "./replicator.ts";
import { lockKey, type SetupNames } from "./setup_plan.ts";
import { SlotGuard } from "./slot_guard.ts";
import type { ReplicationStream } from "./stream.ts";
import {
  isBeatDue,
  isLongSilence,
  judgeSlot,
  judgeStream,
  judgeUnseen,
  type Sight,
  type SlotSuspicion,
  suspectSlot,
  type Suspicion,
  UNSUSPECTED,
} from "./stream_verdict.ts";

export interface WatchOptions {
  readonly url: DatabaseUrl;
  readonly names: SetupNames;
  readonly maxRetainedBytes: number | undefined;
  /** See `HOLDER_SILENCE_MS`. */
  readonly holderSilenceMs: number | undefined;
  /** See `STILL_MAX_MS`. */
  readonly stillMaxMs: number | undefined;
  /** No stream is meant to run. */
  readonly isQueryOnly: boolean;
  readonly logger: Logger;
  readonly now: () => number;
  readonly replicator: Replicator;
  readonly onAnswer: (probe: Probe) => void;
  /** A look failed. */
  readonly onSilence: (error: unknown) => void | Promise<void>;
  /** Looks have failed for so long that no query from before gets an answer; once an outage. */
  readonly onLongSilence: () => void;
}

/** Between looks while all is well. */
const LOOK_MS = 2000;
/** Between looks while it is not: what ends the outage is to be noticed soon. */
const LOOK_OUTAGE_MS = 500;

export class ServerWatch {
  readonly #options: WatchOptions;
  readonly #prober: Prober;
  readonly #guard: SlotGuard;
  readonly #nextLook = new Alarm();
  #probe: Probe | undefined;
  #failures = 0;
  #isSilent = false;
  #lastAnswerMs: number;
  /** The stream that was judged last, and what is remembered of it. */
  #watched: ReplicationStream | undefined;
  #suspicion: Suspicion = UNSUSPECTED;
  #slotSuspicion: SlotSuspicion | undefined;
  #sight: Sight | undefined;
  #beatLsn: bigint | undefined;

  constructor(options: WatchOptions) {
    this.#options = options;
    this.#prober = new Prober(options.url, options.names);
    this.#guard = new SlotGuard({
      ...options,
      prober: this.#prober,
      lockKey: (database) => lockKey(options.names.slot, database),
    });
    this.#lastAnswerMs = options.now();
  }

  /** Looks until the signal fires; never rejects. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await this.#look(signal);
      const { replicator, isQueryOnly } = this.#options;
      const isWell = this.#failures === 0 && (isQueryOnly || replicator.stream !== undefined);
      await this.#nextLook.sleep(isWell ? LOOK_MS : LOOK_OUTAGE_MS, signal).catch(() => {});
    }
    await this.#prober[Symbol.asyncDispose]();
  }

  /** Looks once while nothing runs, and closes the connection; rejects as `Prober.look` does. */
  async peek(): Promise<Probe> {
    try {
      return await this.#prober.look(undefined);
    } finally {
      await this.#prober[Symbol.asyncDispose]();
    }
  }

  lookNow(): void {
    this.#nextLook.ring();
  }

  async #look(signal: AbortSignal): Promise<void> {
    const { replicator } = this.#options;
    const { stream, backendPid } = replicator;
    this.#follow(stream);
    try {
      const probe = await this.#prober.look(backendPid);
      if (signal.aborted) return;
      this.#noteAnswer(probe);
      // Another connection may have come meanwhile, of which this tells nothing.
      if (backendPid === replicator.backendPid) this.#judgeSlot(probe, backendPid);
      if (stream !== undefined && stream === replicator.stream) await this.#judge(stream, probe);
      if (!this.#options.isQueryOnly) await this.#guard.check(probe);
    } catch (error) {
      if (!signal.aborted) await this.#noteFailure(error);
    }
  }

  #follow(stream: ReplicationStream | undefined): void {
    if (stream === this.#watched) return;
    this.#watched = stream;
    this.#suspicion = UNSUSPECTED;
    this.#sight = undefined;
    this.#beatLsn = undefined;
  }

  #noteAnswer(probe: Probe): void {
    const before = this.#probe;
    const isBack = this.#failures > 0;
    this.#probe = probe;
    this.#failures = 0;
    this.#isSilent = false;
    this.#lastAnswerMs = this.#options.now();
    this.#options.onAnswer(probe);
    const isSlotFree = before?.slot?.isActive === true && probe.slot?.isActive !== true;
    const isPromoted = before !== undefined && before.timeline !== probe.timeline;
    if (isBack || isSlotFree || isPromoted) this.#options.replicator.retryNow();
  }

  async #noteFailure(error: unknown): Promise<void> {
    const stream = this.#options.replicator.stream;
    this.#failures += 1;
    // Not waited for yet: it may ask a replica, which may be silent, too.
    const told = this.#options.onSilence(error);
    const silence = { failures: this.#failures, lastAnswerMs: this.#lastAnswerMs };
    const isLong = isLongSilence(silence, this.#options.now());
    if (isLong && !this.#isSilent) this.#options.onLongSilence();
    this.#isSilent = isLong;
    const failure = stream && judgeUnseen(stream.progress, silence, this.#options.now());
    if (failure) stream?.fail(failure);
    await told;
  }

  #judgeSlot(probe: Probe, backendPid: number | undefined): void {
    const { replicator, now } = this.#options;
    const isMaking = replicator.current?.step === "createSlot" && backendPid !== undefined;
    this.#slotSuspicion = isMaking
      ? suspectSlot(this.#slotSuspicion, probe, backendPid, now())
      : undefined;
    const failure = judgeSlot(this.#slotSuspicion, now());
    if (failure) replicator.giveUp(failure);
  }

  async #judge(stream: ReplicationStream, probe: Probe): Promise<void> {
    const { origin, progress, walSenderTimeoutMs } = stream;
    const { now, stillMaxMs } = this.#options;
    const sight = { nowMs: now(), probe, stream: progress, walSenderTimeoutMs, ...origin };
    const { suspicion, failure } = judgeStream(this.#suspicion, sight, this.#beatLsn, stillMaxMs);
    const isDue = isBeatDue(this.#sight, sight);
    this.#suspicion = suspicion;
    this.#sight = sight;
    if (failure) return stream.fail(failure);
    if (isDue) this.#beatLsn = await this.#prober.beat(probe.serverVersion);
  }
}
