import { DEADLINE_GRAIN_MS } from "./limits.ts";

/** Told when its time has come. An object rather than a function: thousands wait at once. */
export interface DeadlineTarget {
  due(): void;
}

export interface DeadlineClock {
  /** Milliseconds since the epoch. */
  now(): number;
  /** Calls back once after `delayMs`; the result takes it back. */
  arm(delayMs: number, callback: () => void): () => void;
}

/** Where a target waits, to take it back. */
export type Deadline = number;

/**
 * All the waiting of the HTTP side on one timer. Targets share buckets of `DEADLINE_GRAIN_MS` and
 * are never told early.
 */
export class Deadlines implements Disposable {
  readonly #clock: DeadlineClock;
  readonly #buckets = new Map<Deadline, Set<DeadlineTarget>>();
  #armed: Deadline = Infinity;
  #disarm: (() => void) | undefined;

  constructor(clock: DeadlineClock) {
    this.#clock = clock;
  }

  get now(): number {
    return this.#clock.now();
  }

  get size(): number {
    let size = 0;
    for (const bucket of this.#buckets.values()) size += bucket.size;
    return size;
  }

  add(dueMs: number, target: DeadlineTarget): Deadline {
    const tick = Math.ceil(dueMs / DEADLINE_GRAIN_MS);
    const bucket = this.#buckets.get(tick);
    if (bucket) bucket.add(target);
    else this.#buckets.set(tick, new Set([target]));
    if (tick < this.#armed) this.#arm(tick);
    return tick;
  }

  /** Harmless for a target that was told or taken back already. */
  remove(deadline: Deadline, target: DeadlineTarget): void {
    const bucket = this.#buckets.get(deadline);
    if (bucket?.delete(target) && bucket.size === 0) this.#buckets.delete(deadline);
  }

  /** Tells every target whose time has come. */
  runDue(): void {
    const now = Math.floor(this.#clock.now() / DEADLINE_GRAIN_MS);
    const due = [...this.#buckets.keys()].filter((tick) => tick <= now).sort((a, b) => a - b);
    for (const tick of due) {
      const bucket = this.#buckets.get(tick) ?? [];
      this.#buckets.delete(tick);
      for (const target of bucket) target.due();
    }
    this.#armNext();
  }

  [Symbol.dispose](): void {
    this.#buckets.clear();
    this.#disarm?.();
    this.#armed = Infinity;
  }

  #armNext(): void {
    let next = Infinity;
    for (const tick of this.#buckets.keys()) next = Math.min(next, tick);
    this.#disarm?.();
    this.#disarm = undefined;
    this.#armed = Infinity;
    if (next !== Infinity) this.#arm(next);
  }

  #arm(tick: Deadline): void {
    this.#disarm?.();
    this.#armed = tick;
    const delayMs = Math.max(0, tick * DEADLINE_GRAIN_MS - this.#clock.now());
    this.#disarm = this.#clock.arm(delayMs, () => {
      this.#disarm = undefined;
      this.#armed = Infinity;
      this.runDue();
    });
  }
}

/** The clock of the machine. */
export function systemClock(now: () => number): DeadlineClock {
  return {
    now,
    arm(delayMs, callback) {
      const timer = setTimeout(callback, delayMs);
      return () => clearTimeout(timer);
    },
  };
}
