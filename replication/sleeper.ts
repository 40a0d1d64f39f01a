/** Scale to zero: works while there is something to do, and rests while there is not. */

import { Alarm } from "./alarm.ts";
import { IdleMeter } from "./idle_meter.ts";

export interface SleeperOptions {
  /** Without transactions and requests for so long it falls asleep; never with 0. */
  readonly idleTimeoutMs: number;
  /** Between looks while asleep. */
  readonly wakeIntervalMs: number;
  readonly now: () => number;
  /** Whether it may fall asleep now: only what runs well. */
  readonly maySleep: () => boolean;
  /** Works until the signal fires; never rejects. */
  readonly work: (signal: AbortSignal) => Promise<void>;
  readonly onSleep: () => void;
  /** Whether there is something to do that nobody asked for; never rejects. */
  readonly look: () => Promise<boolean>;
}

const CHECK_MS = 1000;

export class Sleeper {
  readonly #options: SleeperOptions;
  readonly #meter: IdleMeter;
  readonly #alarm = new Alarm();

  constructor(options: SleeperOptions) {
    this.#options = options;
    const wake = () => this.#alarm.ring();
    this.#meter = new IdleMeter(options.idleTimeoutMs, options.now, wake);
  }

  /** What keeps it awake, and wakes it. */
  get activity(): IdleMeter {
    return this.#meter;
  }

  /** Works and sleeps until the signal fires; never rejects. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await this.#stayAwake(signal);
      if (!signal.aborted) await this.#sleep(signal);
    }
  }

  async #stayAwake(signal: AbortSignal): Promise<void> {
    const { idleTimeoutMs, maySleep, work } = this.#options;
    if (idleTimeoutMs === 0) return await work(signal);
    this.#meter.note();
    const tired = new AbortController();
    const timer = setInterval(() => {
      if (this.#meter.isIdle && maySleep()) tired.abort();
    }, Math.min(CHECK_MS, idleTimeoutMs));
    await work(AbortSignal.any([signal, tired.signal]));
    clearInterval(timer);
  }

  async #sleep(signal: AbortSignal): Promise<void> {
    const { onSleep, look, wakeIntervalMs } = this.#options;
    onSleep();
    while (this.#meter.isIdle) {
      await this.#alarm.sleep(wakeIntervalMs, signal).catch(() => {});
      if (signal.aborted || (this.#meter.isIdle && await look())) return;
    }
  }
}
